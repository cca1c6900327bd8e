// CLI11 lives here and in command_line_control.cc alone. It prints help, catches wrong usage and fills the options of each command.
#include "control/command_line.h"

#include <fmt/format.h>
#include <CLI/CLI.hpp>

#include <csignal>

#include "base/text.h"
#include "control/block_commands.h"
#include "control/check.h"
#include "control/command_line_control.h"
#include "control/detectors_command.h"
#include "control/explain.h"
#include "control/guard.h"
#include "control/ledger_command.h"
#include "control/lookup_command.h"
#include "control/output.h"
#include "control/report.h"
#include "control/scan.h"
#include "control/status.h"

namespace tipstaff {
namespace {

constexpr const char* kVersion = "tipstaff 0.1.0";

void add_detector_files(CLI::App& app, std::vector<std::string>& paths) {
  app.add_option("--detectors", paths, "A detector file or a folder of them, beside the shipped ones; may be repeated")
      ->allow_extra_args(false)
      ->type_name("PATH");
}

struct ScanCommand {
  ScanOptions options;
  std::string format = "text";
  bool json = false;

  void add(CLI::App& app) {
    app.add_option("FILE", options.files, "Log files, plain or compressed (gzip, xz, zstd); - is standard input")
        ->required()
        ->type_name("");
    app.add_option("--service", options.service,
                   "Read every line as this service's, whatever program it names (see 'tipstaff detectors list')");
    app.add_option("--format", format,
                   "text: attempts and summary; json: one object a line for each attempt; none: the summary alone")
        ->check(CLI::IsMember({"text", "json", "none"}));
    app.add_flag("--json", json, "Attempts as JSON; with --format none: the summary as one JSON object");
    app.add_option("--rules", options.rules,
                   "Use this rules file alone: no shipped rule, no setting of /etc/tipstaff, no own addresses");
    add_detector_files(app, options.detectors);
    app.add_option("--year", options.year, "Year of the first stamp that has none")->check(CLI::Range(1970, 9999));
    app.add_option("--timezone", options.timezone,
                   "Zone of stamps that have none: UTC, +02:00, Europe/Stockholm; default: this machine's");
    app.add_option("--jobs", options.jobs, "Files read at the same time; default: one for each core")
        ->check(CLI::Range(1, 256));
    app.add_flag("--quiet", options.quiet, "No progress on the terminal");
    app.footer(
        "Prints what was tried, by whom, and whom the rules would have blocked until when. Blocks nobody.\n"
        "Exit code: 0 scanned, 2 an option, a file, a rule or a detector was wrong (the other files are scanned).\n\n"
        "  tipstaff scan /var/log/auth.log*\n"
        "  journalctl -o short-iso-precise | tipstaff scan -\n"
        "  tipstaff scan --rules try.toml --format none /var/log/auth.log*");
  }

  int run() {
    options.format = format == "json"   ? ScanOptions::Format::json
                     : format == "none" ? ScanOptions::Format::none
                                        : ScanOptions::Format::text;
    if (json && options.format == ScanOptions::Format::text) options.format = ScanOptions::Format::json;
    options.json_summary = json;
    return run_scan(options);
  }
};

struct ExplainCommand {
  ExplainOptions options;
  ControlOptions control;
  CLI::Option* line = nullptr;

  void add(CLI::App& app) {
    CLI::Option* const subject =
        app.add_option("SUBJECT", control.subject, "An address, a network, an account, or a block as '#17'")
            ->type_name("");
    CLI::Option* const account =
        app.add_option("--account", control.account, "An account, where its name looks like something else")
            ->excludes(subject)
            ->type_name("NAME");
    line = app.add_option("--line", options.line, "A log line, in quotes: what each stage makes of it")
               ->excludes(subject)
               ->excludes(account);
    app.add_option("--config", control.config, "The file that the guard was started with")
        ->excludes(line)
        ->type_name("FILE");
    app.add_option("--service", options.service, "Read the line as this service's")->needs(line);
    app.add_option("--rules", options.rules, "Use this rules file alone for the line")->needs(line);
    add_detector_files(app, options.detectors);
    app.add_option("--year", options.year, "Year of a stamp that has none")->check(CLI::Range(1970, 9999))->needs(line);
    app.add_option("--timezone", options.timezone, "Zone of a stamp that has none")->needs(line);
    app.add_flag("--json", options.json, "As one JSON object");
    app.footer(
        "Says in three lines whether somebody is blocked, by which attempts, and what to tell him; then lists every\n"
        "block, rule and exemption with file and line. Asks the running guard; where none runs, reads the ledger.\n"
        "Exit code: 0 explained, 1 refused, or neither guard nor ledger can be read, 2 wrong usage.\n\n"
        "  tipstaff explain 198.51.100.7\n"
        "  tipstaff explain anna@example.com\n"
        "  tipstaff explain '#17'\n"
        "  tipstaff explain --line 'LINE'");
  }

  int run() {
    if (line->count() > 0) return run_explain(options);
    if (control.subject.empty() && control.account.empty()) {
      print_error(
          "tipstaff explain: say what: an address, an account, a block, or --line 'LINE'\n"
          "Try 'tipstaff explain --help'.\n");
      return kUsage;
    }
    control.json = options.json;
    return run_explain_subject(control);
  }
};

struct CheckCommand {
  CheckOptions options;

  void add(CLI::App& app) {
    app.add_option("--rules", options.rules, "Check this rules file alone instead of /etc/tipstaff");
    add_detector_files(app, options.detectors);
    app.add_flag("--keys", options.keys, "List every key of rules and settings files");
    app.add_flag("--json", options.json, "As one JSON object");
  }
};

struct GuardCommand {
  GuardOptions options;

  void add(CLI::App& app) {
    app.add_option("--config", options.config, "Read this file instead of those of /etc/tipstaff")->type_name("FILE");
    add_detector_files(app, options.detectors);
    app.add_flag("--enforce", options.enforce,
                 "Shut out whom the rules block, as [enforce] enabled = true does; without, it only watches");
    app.footer(
        "Follows the logs, keeps every attempt in the ledger and says whom it would block; with --enforce it has them\n"
        "blocked by tipstaff-enforcer.\n"
        "Runs in the foreground until SIGTERM or Ctrl-C; SIGHUP reads the configuration anew.\n"
        "Exit code: 0 ended as asked, 1 it could not begin.");
  }
};

struct StatusCommand {
  StatusOptions options;

  void add(CLI::App& app) {
    app.add_option("RULE", options.rule, "Only this rule, with the addresses it would block")->type_name("");
    app.add_option("--config", options.config, "The file that the guard was started with")->type_name("FILE");
    app.add_flag("--json", options.json, "As one JSON object");
    app.footer(
        "Asks the running guard; where none runs, reads the ledger and says so.\n"
        "Exit code: 0 good, 1 neither guard nor ledger can be read, 2 there is no such rule.");
  }
};

struct LookupCommand {
  LookupCommandOptions options;

  void add(CLI::App& app) {
    app.add_option("ADDRESS", options.addresses, "Addresses")->required()->type_name("");
    app.add_option("--database", options.databases,
                   "A file of libloc or in MaxMind's format, instead of those of [lookups]; may be repeated")
        ->allow_extra_args(false)
        ->type_name("PATH");
    app.add_option("--config", options.config, "The file that the guard was started with")->type_name("FILE");
    app.add_flag("--json", options.json, "As one JSON object");
    app.footer(
        "Country, network and its flags, from the database on this machine alone: nothing is asked of anybody.\n"
        "Exit code: 0 printed, 1 there is no database, or it is damaged, 2 wrong usage.\n\n"
        "  tipstaff lookup 198.51.100.23");
  }
};

struct DetectorsCommand {
  DetectorsOptions options;
  CLI::App* list = nullptr;
  CLI::App* show = nullptr;
  CLI::App* test = nullptr;

  void add(CLI::App& app) {
    list = app.add_subcommand("list", "The services that are recognised");
    show = app.add_subcommand("show", "What one detector reads, and its limits");
    test = app.add_subcommand("test", "Run the examples and forged examples of all detectors, or of one");
    show->add_option("NAME", options.name, "Name of the detector")->required()->type_name("");
    test->add_option("NAME", options.name, "Name of the detector")->type_name("");
    for (CLI::App* one : {list, show, test}) {
      add_detector_files(*one, options.detectors);
      one->add_flag("--json", options.json, "As JSON");
    }
    app.require_subcommand(1);
  }

  int run() const {
    if (list->parsed()) return run_detectors_list(options);
    if (show->parsed()) return run_detectors_show(options);
    return run_detectors_test(options);
  }
};

struct LedgerCommand {
  LedgerCommandOptions options;
  using Run = int (*)(const LedgerCommandOptions&);
  std::vector<std::pair<CLI::App*, Run>> commands;

  void add(CLI::App& app) {
    const auto command = [&](const char* name, const char* text, Run what) {
      CLI::App* const one = app.add_subcommand(name, text);
      one->add_option("--folder", options.folder, "The ledger's folder")->capture_default_str()->type_name("PATH");
      one->add_flag("--json", options.json, "As one JSON object");
      commands.emplace_back(one, what);
      return one;
    };
    CLI::App* const verify = command("verify", "Check every row, the chain and its signed heads", run_ledger_verify);
    verify->add_option("--head", options.heads, "A head that was kept elsewhere, or a file with such lines")
        ->allow_extra_args(false);
    command("info", "Files, counts, and the head of the chain", run_ledger_info);
    CLI::App* const forget = command("forget", "Erase rows; the chain still verifies", run_ledger_forget);
    forget->add_option("ADDRESS", options.address, "All rows of this address")->type_name("");
    forget->add_option("--before", options.before, "Only what was recorded before: a day (2026-01-31) or an age (90d)");
    forget->add_option("--reason", options.reason, "Kept in the ledger; name nobody in it");
    forget->add_flag("--yes", options.sure, "It cannot be undone");
    CLI::App* const about = command("about", "All that is stored about an address or account", run_ledger_about);
    about->add_option("ADDRESS", options.address, "The address")->type_name("");
    for (CLI::App* one : {forget, about}) {
      one->add_option_function<std::string>(
          "--account",
          [this](const std::string& name) {
            options.account = name;
            options.has_account = true;
          },
          "Rows of this account");
    }
    command("backup", "Copy the ledger, while the guard runs or not", run_ledger_backup)
        ->add_option("TO", options.path, "A folder that is not there yet")
        ->required()
        ->type_name("");
    command("restore", "Put a backup where there is no ledger", run_ledger_restore)
        ->add_option("FROM", options.path, "The backup's folder")
        ->required()
        ->type_name("");
    CLI::App* const hold = command("hold", "Keep an address's rows from being erased", run_ledger_hold);
    hold->add_option("--reason", options.reason, "Why")->required();
    CLI::App* const release = command("release", "Lift a hold", run_ledger_release);
    for (CLI::App* one : {hold, release}) {
      one->add_option("ADDRESS", options.address, "The address")->required()->type_name("");
    }
    command("head", "Sign and print the head of the chain, to be kept elsewhere", run_ledger_head);
    app.require_subcommand(1);
  }

  int run() const {
    for (const auto& [command, what] : commands) {
      if (command->parsed()) return what(options);
    }
    return kUsage;
  }
};

struct ReportCommand {
  ReportOptions options;
  std::string format = "table";
  bool json = false;

  void add(CLI::App& app) {
    app.add_option("ADDRESS", options.subject, "An address, or a network as 192.0.2.0/24; none: the busiest attackers")
        ->type_name("");
    app.add_option_function<std::string>(
        "--account",
        [this](const std::string& name) {
          options.account = name;
          options.has_account = true;
        },
        "Attempts on this account, exactly as it was tried");
    app.add_option("--since", options.since,
                   "From this time on: 2d (ago), 2013-05-07, \"2013-05-07 10:27\", 2013-05-07T10:27:18Z")
        ->type_name("TIME");
    app.add_option("--until", options.until, "Before this time")->type_name("TIME");
    app.add_option("--format", format, "table: for people; csv: the rows alone; json: one object")
        ->check(CLI::IsMember({"table", "csv", "json"}));
    app.add_flag("--json", json, "As --format json");
    app.add_flag("--raw", options.raw, "With the log lines that told of each attempt");
    app.add_option("--ledger", options.ledger, "The ledger's folder; default: that of the settings in /etc/tipstaff")
        ->type_name("PATH");
    app.add_option("--timezone", options.timezone,
                   "Zone of the dates, and of times given without one: UTC, +02:00, Europe/Stockholm")
        ->capture_default_str();
    app.add_option("--limit", options.limit, "Only the newest rows, so many; of attackers the busiest (default 20)")
        ->check(CLI::Range(std::size_t{1}, std::size_t{1'000'000'000}))
        ->type_name("N");
    app.footer(
        "Prints who tried what, oldest first, under a headline; without an address or account, who tried most. Only\n"
        "reads, while the guard runs or not.\n"
        "Exit code: 0 printed (or nothing found), 1 the ledger or a part of it cannot be read, 2 wrong usage.\n\n"
        "  tipstaff report\n"
        "  tipstaff report 198.51.100.23 --raw\n"
        "  tipstaff report 198.51.100.0/24 --since 2d\n"
        "  tipstaff report --account root --since 2013-05-06 --until 2013-05-08 --format csv");
  }

  int run() {
    options.format = json || format == "json" ? ReportOptions::Format::json
                     : format == "csv"        ? ReportOptions::Format::csv
                                              : ReportOptions::Format::table;
    return run_report(options);
  }
};

// Names the command that was used wrongly, and what was meant where a command is misspelt.
std::string explain_misuse(const CLI::App* app, const CLI::Error& error) {
  std::string name = app->get_name();
  while (!app->get_subcommands().empty()) {
    app = app->get_subcommands().front();
    name += " " + app->get_name();
  }
  std::string what = error.what();
  const auto commands = app->get_subcommands([](const CLI::App*) { return true; });
  if (!commands.empty()) {
    const auto words = app->remaining();
    std::vector<std::string_view> names;
    std::string list;
    for (const CLI::App* command : commands) {
      names.push_back(command->get_name());
      list += (list.empty() ? "" : ", ") + command->get_name();
    }
    if (words.empty()) {
      what = fmt::format("a command is missing; there are {}", list);
    } else if (words.front().starts_with('-')) {
      what = fmt::format("there is no option '{}' here", printable(words.front()));
    } else {
      const std::string near = nearest(words.front(), names);
      what = fmt::format("there is no command '{}'{}; there are {}", printable(words.front()),
                         near.empty() ? "" : fmt::format(" (did you mean '{}'?)", near), list);
    }
  }
  return fmt::format("{}: {}\nTry '{} --help'.\n", name, what, name);
}

}  // namespace

int run_command_line(int argc, char** argv) {
  static char check_word[] = "check";
  std::signal(SIGPIPE, SIG_IGN);                                            // a closed pipe is an error of fwrite
  if (argc > 1 && std::string_view(argv[1]) == "-t") argv[1] = check_word;  // fail2ban-client -t
  CLI::App app("Tipstaff watches logins and shuts attackers out.", "tipstaff");
  app.set_version_flag("--version", kVersion);
  app.require_subcommand(1);
  app.failure_message(explain_misuse);
  ScanCommand scan;
  ExplainCommand explain;
  CheckCommand check;
  DetectorsCommand detectors;
  LedgerCommand ledger;
  GuardCommand guard;
  StatusCommand status;
  ReportCommand report;
  LookupCommand lookup;
  CLI::App* const scan_app =
      app.add_subcommand("scan", "Read log files: who tried what, and who would have been blocked");
  CLI::App* const explain_app =
      app.add_subcommand("explain", "Say why somebody is blocked or not, or what is made of a log line");
  CLI::App* const check_app = app.add_subcommand("check", "Check rules, settings and detector files");
  CLI::App* const detectors_app = app.add_subcommand("detectors", "List, show and test what is recognised");
  CLI::App* const ledger_app = app.add_subcommand("ledger", "Check, copy and clear the local database");
  CLI::App* const guard_app = app.add_subcommand(
      "guard", "Follow the logs, record every attempt, and block whom the rules say (with --enforce)");
  CLI::App* const status_app = app.add_subcommand("status", "What the guard is doing");
  CLI::App* const report_app = app.add_subcommand("report", "Who tried what and when, from the local database");
  CLI::App* const lookup_app =
      app.add_subcommand("lookup", "The country and network of an address, from the database on this machine");
  guard.add(*guard_app);
  status.add(*status_app);
  scan.add(*scan_app);
  explain.add(*explain_app);
  check.add(*check_app);
  detectors.add(*detectors_app);
  ledger.add(*ledger_app);
  report.add(*report_app);
  lookup.add(*lookup_app);
  const ControlCommandLine control(app);
  try {
    app.parse(argc, argv);
  } catch (const CLI::ParseError& error) {
    const int code = app.exit(error);
    return finish_output(code == 0 ? kGood : kUsage);
  }
  if (scan_app->parsed()) return finish_output(scan.run());
  if (explain_app->parsed()) return finish_output(explain.run());
  if (const auto code = control.run()) return finish_output(*code);
  if (check_app->parsed()) return finish_output(run_check(check.options));
  if (report_app->parsed()) return finish_output(report.run());
  if (lookup_app->parsed()) return finish_output(run_lookup(lookup.options));
  if (ledger_app->parsed()) return finish_output(ledger.run());
  if (guard_app->parsed()) return finish_output(run_guard(guard.options));
  if (status_app->parsed()) return finish_output(run_status(status.options));
  return finish_output(detectors.run());
}

}  // namespace tipstaff
