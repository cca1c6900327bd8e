// tipstaff-desk: the program that talks to the outside.
#include <CLI/CLI.hpp>

#include "desk/desk.h"

int main(int argc, char** argv) {
  CLI::App app("tipstaff-desk: brings alerts to the administrator, by mail and webhook");
  app.fallthrough();  // --config may stand behind the command
  tipstaff::DeskOptions options;
  app.add_option("--config", options.config, "Settings and rules, instead of those in /etc/tipstaff")
      ->type_name("FILE");
  CLI::App* const test = app.add_subcommand("test-mail", "Send a mail and an event now, and say what became of them");
  app.require_subcommand(0, 1);
  app.footer(
      "Without a command it runs until SIGTERM; SIGHUP reads the configuration again.\n"
      "Exit code: 0 good, 1 failed, 2 the configuration is wrong or says of nowhere to send to.\n\n"
      "  tipstaff-desk test-mail --config /etc/tipstaff/tipstaff.toml");
  try {
    app.parse(argc, argv);
  } catch (const CLI::ParseError& error) {
    return app.exit(error) == 0 ? 0 : 2;
  }
  return test->parsed() ? tipstaff::run_test_mail(options) : tipstaff::run_desk(options);
}
