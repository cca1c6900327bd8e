#include "control/command_line_control.h"

#include <fmt/format.h>
#include <CLI/CLI.hpp>

#include <string>
#include <utility>
#include <vector>

#include "control/alerts_command.h"
#include "control/block_commands.h"
#include "control/enforcer_command.h"
#include "control/output.h"
#include "control/scan.h"

namespace tipstaff {
namespace {

constexpr const char* kCodes = "Exit code: 0 done, 1 refused, or no guard is running, 2 an argument is wrong.\n";

}  // namespace

struct ControlCommandLine::State {
  using Run = int (*)(const ControlOptions&);

  ControlOptions options;
  EnforcerCommandOptions enforcer;
  std::string format = "plain";
  std::string action;  // of `set`
  std::vector<std::pair<CLI::App*, Run>> commands;
  CLI::App* set = nullptr;
  CLI::App* enforcer_status = nullptr;
  CLI::App* enforcer_clear = nullptr;
  AlertsOptions alerts;
  CLI::App* alerts_list = nullptr;
  CLI::App* alerts_show = nullptr;
  CLI::App* alerts_retry = nullptr;
  CLI::App* test_mail = nullptr;

  CLI::App* command(CLI::App& app, const char* name, const char* text, Run what, const char* footer) {
    CLI::App* const one = app.add_subcommand(name, text);
    one->add_option("--config", options.config, "The file that the guard was started with")->type_name("FILE");
    one->add_flag("--json", options.json, "The answer as one JSON object");
    one->footer(std::string(kCodes) + "\n" + footer);
    commands.emplace_back(one, what);
    return one;
  }

  void add_blocks(CLI::App& app) {
    CLI::App* const block = command(app, "block", "Shut an address or network out, by hand", run_block,
                                    "  tipstaff block 198.51.100.7\n"
                                    "  tipstaff block 203.0.113.0/24 --for 2h --why 'scans us'\n"
                                    "  tipstaff block 198.51.100.7 --service sshd\n"
                                    "  tipstaff ban 198.51.100.7               as users of fail2ban say it");
    block->alias("ban");
    block->add_option("NETWORK", options.networks, "An address, or a network as 192.0.2.0/24")
        ->required()
        ->expected(1)
        ->type_name("");
    block->add_option("--for", options.length, "How long: 30m, 2h, 7d; without it until somebody ends it")
        ->type_name("TIME");
    block->add_option("--service", options.service, "Shut this service alone, as sshd")->type_name("NAME");
    block->add_option("--why", options.why, "The reason, for the record")->type_name("TEXT");

    CLI::App* const unblock = command(app, "unblock", "Let somebody in again", run_unblock,
                                      "  tipstaff unblock 198.51.100.7 --why 'has changed his password'\n"
                                      "  tipstaff unblock --all\n"
                                      "  tipstaff unban 198.51.100.7             as users of fail2ban say it");
    unblock->alias("unban");
    CLI::Option* const networks =
        unblock->add_option("NETWORK", options.networks, "Addresses or networks; every block that overlaps them ends")
            ->type_name("");
    unblock->add_flag("--all", options.all, "End every block")->excludes(networks);
    unblock->add_option("--why", options.why, "The reason, for the record; support has to give one")->type_name("TEXT");

    CLI::App* const blocks = command(app, "blocks", "Who is shut out, one a line", run_blocks,
                                     "Asks the running guard; where none runs, reads the ledger and says so.\n\n"
                                     "  tipstaff blocks\n"
                                     "  tipstaff blocks 198.51.100.0/24\n"
                                     "  tipstaff blocks --format json\n"
                                     "  tipstaff banned                         as users of fail2ban say it");
    blocks->alias("banned");
    blocks->add_option("NETWORK", options.networks, "Only blocks that overlap it")->expected(0, 1)->type_name("");
    blocks->add_option("--rule", options.rule, "Only blocks of this rule")->type_name("NAME");
    blocks->add_option("--format", format, "plain: one line a block; json: one object")
        ->check(CLI::IsMember({"plain", "json"}));
  }

  void add_exemptions(CLI::App& app) {
    CLI::App* const exempt = command(app, "exempt", "Never block an address, for a time", run_exempt,
                                     "What is to be exempt for good belongs into [allowlist] of the settings.\n\n"
                                     "  tipstaff exempt 198.51.100.7 --why 'customer with an old telephone'\n"
                                     "  tipstaff exempt 203.0.113.0/24 --for 7d --why 'penetration test'\n"
                                     "  tipstaff exempt 198.51.100.7 --for 0s --why 'settled'    ends it");
    exempt->add_option("NETWORK", options.networks, "An address, or a network as 192.0.2.0/24")
        ->required()
        ->expected(1)
        ->type_name("");
    exempt->add_option("--for", options.length, "How long: 30m, 2h, 7d; without it a day")->type_name("TIME");
    exempt->add_option("--why", options.why, "The reason, for the record")->required()->type_name("TEXT");
    command(app, "exemptions", "Who is never blocked, and who says so", run_exemptions, "  tipstaff exemptions");
  }

  void add_configuration(CLI::App& app) {
    CLI::App* const trial = command(
        app, "trial", "Try the changed configuration, and take it back unless confirmed", run_trial,
        "Whoever locks himself out with it is let in again by waiting: what was in force before comes back, also\n"
        "when the guard is restarted meanwhile, and blocks that the new rules made are ended.\n\n"
        "  tipstaff trial 5m\n"
        "  tipstaff confirm");
    trial->add_option("TIME", options.length, "How long it may wait for 'tipstaff confirm': 5m, 1h")
        ->required()
        ->type_name("");
    command(app, "confirm", "Keep the configuration that is on trial", run_confirm, "  tipstaff confirm");
    command(app, "reload", "Take over the configuration as it stands on disk", run_reload,
            "What is wrong is not taken over: the old configuration stays in force.\n\n"
            "  tipstaff reload");
  }

  // fail2ban-client set JAIL banip|unbanip IP
  void add_set(CLI::App& app) {
    set = command(
        app, "set", "fail2ban's words: set RULE banip|unbanip ADDRESS", [](const ControlOptions&) { return kUsage; },
        "  tipstaff set sshd banip 198.51.100.7       blocks it for the lockout of that rule\n"
        "  tipstaff set sshd unbanip 198.51.100.7     ends its blocks, where that rule has set one");
    set->add_option("RULE", options.rule, "Name of the rule")->required()->type_name("");
    set->add_option("ACTION", action, "banip or unbanip")
        ->required()
        ->check(CLI::IsMember({"banip", "unbanip"}))
        ->type_name("");
    set->add_option("ADDRESS", options.networks, "Addresses or networks")->required()->type_name("");
    set->add_option("--why", options.why, "The reason, for the record")->type_name("TEXT");
  }

  void add_enforcer(CLI::App& app) {
    CLI::App* const group = app.add_subcommand("enforcer", "Ask the firewall's program itself, past the guard");
    enforcer_status = group->add_subcommand("status", "What stands in the firewall");
    enforcer_clear = group->add_subcommand("clear", "End every block and take the table away (root)");
    for (CLI::App* one : {enforcer_status, enforcer_clear}) {
      one->add_option("--socket", enforcer.socket, "The enforcer's socket")->capture_default_str()->type_name("PATH");
      one->add_flag("--json", enforcer.json, "As one JSON object");
    }
    enforcer_clear->add_flag("--yes", enforcer.sure, "Do not ask");
    enforcer_clear->footer(
        "For when somebody is locked out and the guard does not help. A guard that runs puts its blocks back: end "
        "them\n"
        "with 'tipstaff unblock --all', or stop it first.\n"
        "Exit code: 0 done, 1 refused, or no enforcer is running, 2 --yes is missing.\n\n"
        "  tipstaff enforcer clear --yes");
    enforcer_status->footer("Exit code: 0 good, 1 refused, or no enforcer is running.\n\n  tipstaff enforcer status");
    group->require_subcommand(1);
  }

  void add_alerts(CLI::App& app) {
    CLI::App* const group = app.add_subcommand("alerts", "The messages to the administrator, and what became of them");
    alerts_list = group->add_subcommand("list", "The newest messages, one a line");
    alerts_show = group->add_subcommand("show", "One message with its text");
    alerts_retry = group->add_subcommand("retry", "Have what waits or was refused tried again at once");
    for (CLI::App* one : {alerts_list, alerts_show, alerts_retry}) {
      CLI::Option* const config =
          one->add_option("--config", alerts.config, "The file that the guard was started with")->type_name("FILE");
      one->add_option("--ledger", alerts.ledger, "The ledger's folder")->type_name("FOLDER")->excludes(config);
      one->add_flag("--json", alerts.json, "As one JSON object");
    }
    alerts_list->add_option("--most", alerts.most, "So many")->capture_default_str()->check(CLI::Range(1, 10000));
    alerts_show->add_option("ID", alerts.id, "Its number")->required()->type_name("");
    CLI::Option* const id = alerts_retry->add_option("ID", alerts.id, "Its number")->type_name("");
    alerts_retry->add_flag("--all", alerts.all, "All of them")->excludes(id);
    group->footer(
        "Exit code: 0 good, 1 cannot be read, 2 there is no such message.\n\n"
        "  tipstaff alerts list\n"
        "  tipstaff alerts show 12\n"
        "  tipstaff alerts retry --all");
    group->require_subcommand(1);

    CLI::App* const desk = app.add_subcommand("desk", "The program that brings alerts to the administrator");
    test_mail = desk->add_subcommand("test-mail", "Send a mail and an event now, and say what became of them");
    test_mail->add_option("--config", alerts.config, "Settings, instead of those in /etc/tipstaff")->type_name("FILE");
    desk->footer(
        "Exit code: 0 sent, 1 not, 2 the configuration is wrong or says of nowhere to send to.\n\n"
        "  tipstaff desk test-mail");
    desk->require_subcommand(1);
  }
};

ControlCommandLine::ControlCommandLine(CLI::App& app) : state_(std::make_unique<State>()) {
  state_->add_blocks(app);
  state_->add_exemptions(app);
  state_->add_configuration(app);
  state_->add_set(app);
  state_->add_enforcer(app);
  state_->add_alerts(app);
}

ControlCommandLine::~ControlCommandLine() = default;

std::optional<int> ControlCommandLine::run() const {
  State& state = *state_;
  if (state.format == "json") state.options.json = true;
  if (state.enforcer_status->parsed()) return run_enforcer_status(state.enforcer);
  if (state.enforcer_clear->parsed()) return run_enforcer_clear(state.enforcer);
  if (state.alerts_list->parsed()) return run_alerts_list(state.alerts);
  if (state.alerts_show->parsed()) return run_alerts_show(state.alerts);
  if (state.alerts_retry->parsed()) return run_alerts_retry(state.alerts);
  if (state.test_mail->parsed()) {
    std::vector<std::string> arguments{"test-mail"};
    if (!state.alerts.config.empty()) arguments.insert(arguments.end(), {"--config", state.alerts.config});
    return run_desk_program(arguments);
  }
  if (state.set->parsed() && state.action == "unbanip") return run_unblock(state.options);
  if (state.set->parsed()) {
    int worst = kGood;
    for (const std::string& network : state.options.networks) {
      ControlOptions one = state.options;
      one.networks = {network};
      worst = std::max(worst, run_block(one));
    }
    return worst;
  }
  for (const auto& [command, what] : state.commands) {
    if (!command->parsed()) continue;
    if (command->get_name() == "unblock" && state.options.networks.empty() && !state.options.all) {
      print_error("tipstaff unblock: say whom: an address or network, or --all\nTry 'tipstaff unblock --help'.\n");
      return kUsage;
    }
    return what(state.options);
  }
  return std::nullopt;
}

}  // namespace tipstaff
