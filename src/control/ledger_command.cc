#include "control/ledger_command.h"

#include <fmt/format.h>

#include <boost/json.hpp>
#include <chrono>
#include <fstream>
#include <optional>
#include <string>

#include "base/text.h"
#include "base/time.h"
#include "control/output.h"
#include "control/scan.h"
#include "control/verdict_text.h"
#include "ledger/backup.h"
#include "ledger/reader.h"
#include "ledger/state_file.h"
#include "ledger/verify.h"
#include "ledger/writer.h"

namespace tipstaff {
namespace {

namespace json = boost::json;

int complain(std::string_view command, const Error& error) {
  print_error("tipstaff ledger {}: {}\n", command, printable(error.message()));
  return error.kind == ErrorKind::invalid || error.kind == ErrorKind::not_found ? kUsage : kFailed;
}

Instant now() { return std::chrono::floor<std::chrono::microseconds>(std::chrono::system_clock::now()); }

json::string utf8(std::string_view text) { return json::string(to_utf8(text)); }

json::value time_or_null(const std::optional<Instant>& time) {
  if (!time) return nullptr;
  return json::value(json::string(to_rfc3339(*time)));
}

std::string_view name_of(RowOutcome outcome) {
  return outcome == RowOutcome::failure ? "failure" : outcome == RowOutcome::success ? "success" : "probe";
}

// A writer that tells its notices; for commands that change the ledger.
Result<std::unique_ptr<LedgerWriter>> open_writer(const std::string& folder) {
  auto exists = LedgerReader::open(folder);  // no command makes a ledger by a mistyped name
  if (!exists) return std::unexpected(exists.error());
  LedgerOptions options;
  options.folder = folder;
  options.notice = [](const std::string& text) { print_error("{}\n", printable(text)); };
  return LedgerWriter::open(std::move(options));
}

// Copies of heads as given: a line, or a file that holds such lines among others (a mail, a log).
Result<std::vector<SignedHead>> read_heads(const std::vector<std::string>& given) {
  std::vector<SignedHead> heads;
  for (const auto& one : given) {
    if (one.starts_with("tipstaff-head ")) {
      auto head = read_head(one);
      if (!head) return std::unexpected(head.error());
      heads.push_back(std::move(*head));
      continue;
    }
    std::ifstream file(one);
    if (!file) return fail(ErrorKind::not_found, "this is neither a head nor a file that can be read", one);
    std::size_t found = 0;
    for (std::string line; std::getline(file, line);) {
      const std::size_t at = line.find("tipstaff-head ");
      if (at == std::string::npos) continue;
      auto head = read_head(line.substr(at));
      if (!head) return fail(head.error().kind, head.error().text, one);
      heads.push_back(std::move(*head));
      ++found;
    }
    if (found == 0) return fail(ErrorKind::invalid, "no line of this file holds a head (tipstaff-head ...)", one);
  }
  return heads;
}

// "90d" before now, or the start of a day in UTC.
Result<Instant> read_before(const std::string& text) {
  unsigned year = 0;
  unsigned month = 0;
  unsigned day = 0;
  char rest = 0;
  if (std::sscanf(text.c_str(), "%4u-%2u-%2u%c", &year, &month, &day, &rest) == 3) {
    const std::chrono::year_month_day date{std::chrono::year(static_cast<int>(year)), std::chrono::month(month),
                                           std::chrono::day(day)};
    if (date.ok()) return Instant(std::chrono::sys_days(date));
  } else if (const auto duration = parse_duration(text)) {
    return now() - *duration;
  }
  return fail(ErrorKind::invalid, fmt::format("'{}' is neither a day (2026-01-31) nor an age (90d)", printable(text)));
}

Result<std::optional<IpAddress>> read_address(const std::string& text) {
  if (text.empty()) return std::optional<IpAddress>();
  const auto address = IpAddress::parse(text);
  if (!address) return fail(ErrorKind::invalid, fmt::format("'{}' is no IP address", printable(text)));
  return address;
}

}  // namespace

int run_ledger_verify(const LedgerCommandOptions& options) {
  const auto heads = read_heads(options.heads);
  if (!heads) return complain("verify", heads.error());
  const auto result = verify_ledger(options.folder, *heads);
  if (!result) return complain("verify", result.error());
  if (options.json) {
    json::object all{{"good", !result->broken.has_value()},
                     {"files", result->files},
                     {"batches", result->batches},
                     {"rows", result->rows},
                     {"erased", result->erased},
                     {"heads", result->heads}};
    all["broken"] = nullptr;
    if (result->broken) {
      all["broken"] = json::object{{"file", utf8(result->broken->file)},
                                   {"batch", result->broken->batch},
                                   {"row", result->broken->row},
                                   {"text", utf8(result->broken->text)}};
    }
    json::array notes;
    for (const auto& note : result->notes) notes.push_back(utf8(note));
    all["notes"] = std::move(notes);
    print_out("{}\n", json::serialize(all));
    return result->broken ? kFailed : kGood;
  }
  for (const auto& note : result->notes) print_out("Note: {}\n", printable(note));
  if (result->broken) {
    const Breakage& broken = *result->broken;
    print_out("BROKEN: {}{}\n", broken.file.empty() ? "" : printable(broken.file) + ": ", printable(broken.text));
    print_out("{} rows before it are as they were written.\n", broken.row > 0 ? broken.row - 1 : result->rows);
    return kFailed;
  }
  print_out("{} rows in {} batches and {} files are as they were written; {} were erased by our own hand.\n",
            result->rows, result->batches, result->files, result->erased);
  print_out("The chain runs through {} signed heads.{}\n", result->heads,
            options.heads.empty()
                ? " Only a head that was kept elsewhere (--head) shows that nobody with the rights of "
                  "the guard wrote the chain anew."
                : "");
  return kGood;
}

int run_ledger_info(const LedgerCommandOptions& options) {
  const auto reader = LedgerReader::open(options.folder);
  if (!reader) return complain("info", reader.error());
  const auto info = (*reader)->info();
  if (!info) return complain("info", info.error());
  if (options.json) {
    json::array months;
    for (const auto& month : info->months) {
      months.push_back(
          json::object{{"file", utf8(month.file)},
                       {"bytes", month.bytes},
                       {"attempts", month.attempts},
                       {"verdicts", month.verdicts},
                       {"events", month.events},
                       {"erased", month.erased},
                       {"first_batch", month.first_batch},
                       {"last_batch", month.last_batch},
                       {"gone", month.set_aside.empty() ? json::value(nullptr) : json::value(utf8(month.set_aside))}});
    }
    json::array problems;
    for (const auto& problem : (*reader)->problems()) problems.push_back(utf8(problem));
    print_out("{}\n", json::serialize(json::object{{"host", utf8(info->host)},
                                                   {"months", std::move(months)},
                                                   {"addresses", info->addresses},
                                                   {"accounts", info->accounts},
                                                   {"head_batch", info->head_batch},
                                                   {"head_link", utf8(info->head_link)},
                                                   {"signed_head", utf8(info->last_signed_head)},
                                                   {"public_key", utf8(info->public_key)},
                                                   {"problems", std::move(problems)}}));
    return kGood;
  }
  print_out("Ledger of host {} in {}\n\n", printable(info->host), printable(options.folder));
  print_out("{:12} {:>10} {:>12} {:>10} {:>8} {:>10}\n", "file", "MiB", "attempts", "verdicts", "events", "erased");
  for (const auto& month : info->months) {
    if (!month.set_aside.empty()) {
      print_out("{:12} gone: {}\n", printable(month.file), printable(month.set_aside));
      continue;
    }
    print_out("{:12} {:10.1f} {:12} {:10} {:8} {:10}\n", month.file, static_cast<double>(month.bytes) / 1048576,
              month.attempts, month.verdicts, month.events, month.erased);
  }
  print_out("\nhead of the chain: batch {}, {}\n", info->head_batch,
            info->head_link.empty() ? "none" : info->head_link);
  print_out("last signed head:  {}\n", info->last_signed_head.empty() ? "none" : printable(info->last_signed_head));
  for (const auto& problem : (*reader)->problems()) print_out("PROBLEM: {}\n", printable(problem));
  return kGood;
}

int run_ledger_forget(const LedgerCommandOptions& options) {
  ForgetQuery query;
  const auto address = read_address(options.address);
  if (!address) return complain("forget", address.error());
  query.address = *address;
  if (options.has_account) query.account = options.account;
  if (query.address && query.account) {
    return complain("forget", {ErrorKind::invalid, "an address and an account: forget one after the other", {}});
  }
  if (!options.before.empty()) {
    const auto before = read_before(options.before);
    if (!before) return complain("forget", before.error());
    query.before = *before;
  }
  if (!options.sure) {
    return complain("forget", {ErrorKind::invalid,
                               "what is forgotten cannot be brought back ('tipstaff ledger about' shows it): add --yes",
                               {}});
  }
  auto writer = open_writer(options.folder);
  if (!writer) return complain("forget", writer.error());
  const auto rows = (*writer)->forget(query, options.reason.empty() ? "asked for" : options.reason, now());
  if (!rows) return complain("forget", rows.error());
  if (options.json) {
    print_out("{}\n", json::serialize(json::object{{"erased", *rows}}));
  } else {
    print_out("{} rows were erased. The chain still verifies. Backups and files put aside still hold them.\n", *rows);
  }
  return kGood;
}

int run_ledger_about(const LedgerCommandOptions& options) {
  ReportQuery query;
  query.raw = true;
  const auto address = read_address(options.address);
  if (!address) return complain("about", address.error());
  if (*address) query.network = IpNetwork(**address, (*address)->is_v4() ? 32 : 128);
  if (options.has_account) query.account = options.account;
  const auto reader = LedgerReader::open(options.folder);
  if (!reader) return complain("about", reader.error());
  const auto report = (*reader)->report(query);
  if (!report) return complain("about", report.error());
  if (options.json) {
    json::array attempts;
    for (const auto& row : report->attempts) {
      json::array raw;
      for (const auto& line : row.raw) raw.push_back(utf8(line));
      attempts.push_back(
          json::object{{"id", row.id},
                       {"time", time_or_null(row.time)},
                       {"recorded", to_rfc3339(row.recorded)},
                       {"outcome", name_of(row.outcome)},
                       {"address", row.address ? json::value(utf8(row.address->to_string())) : json::value(nullptr)},
                       {"port", row.port},
                       {"count", row.count},
                       {"account", row.account ? json::value(utf8(*row.account)) : json::value(nullptr)},
                       {"account_hidden", row.hidden_account},
                       {"service", utf8(row.service)},
                       {"origin", utf8(row.origin)},
                       {"extra", utf8(row.extra)},
                       {"host", utf8(row.host)},
                       {"source", utf8(row.key.source)},
                       {"raw", std::move(raw)}});
    }
    json::array verdicts;
    for (const auto& row : report->verdicts) {
      verdicts.push_back(
          json::object{{"id", row.id},
                       {"kind", utf8(kind_name(row.kind))},
                       {"watch_only", row.watch_only},
                       {"rule", utf8(row.rule)},
                       {"network", row.network ? json::value(utf8(row.network->to_string())) : json::value(nullptr)},
                       {"at", to_rfc3339(row.at)},
                       {"until", row.until == Instant::max() ? json::value(nullptr) : time_or_null(row.until)},
                       {"by", utf8(row.by)},
                       {"why", utf8(row.why)},
                       {"dropped", row.dropped}});
    }
    print_out("{}\n", json::serialize(json::object{{"attempts", std::move(attempts)},
                                                   {"verdicts", std::move(verdicts)},
                                                   {"complete", (*reader)->problems().empty() && !report->more}}));
    return kGood;
  }
  print_out("{} failures, {} successes, {} probes; {} rows and {} verdicts are stored:\n", report->summary.failures,
            report->summary.successes, report->summary.probes, report->attempts.size(), report->verdicts.size());
  for (const auto& row : report->attempts) {
    print_out("\n{}  {}  row {}, recorded {}, from {}\n", row.time ? to_rfc3339(*row.time) : "-", name_of(row.outcome),
              row.id, to_rfc3339(row.recorded), printable(row.key.source));
    print_out("    account {}, port {}, {} {} on {}\n",
              row.account ? (row.hidden_account ? "(a password: " + *row.account + ")" : printable(*row.account)) : "-",
              row.port, printable(row.service), printable(row.extra), printable(row.host));
    for (const auto& line : row.raw) print_out("    | {}\n", printable(line));
  }
  for (const auto& row : report->verdicts) {
    print_out("\n{}  {}\n", to_rfc3339(row.at), action_text(row, to_rfc3339));
  }
  for (const auto& problem : (*reader)->problems()) print_error("Left out: {}\n", printable(problem));
  return kGood;
}

int run_ledger_backup(const LedgerCommandOptions& options) {
  const auto names = back_up_ledger(options.folder, options.path);
  if (!names) return complain("backup", names.error());
  if (options.json) {
    print_out("{}\n", json::serialize(json::object{{"files", json::value_from(*names)}}));
  } else {
    print_out("{} files copied to {}. head.key is not among them: keep it apart.\n", names->size(),
              printable(options.path));
  }
  return kGood;
}

int run_ledger_restore(const LedgerCommandOptions& options) {
  const auto names = restore_ledger(options.path, options.folder);
  if (!names) return complain("restore", names.error());
  if (options.json) {
    print_out("{}\n", json::serialize(json::object{{"files", json::value_from(*names)}}));
  } else {
    print_out("{} files restored to {}; they verify.\n", names->size(), printable(options.folder));
  }
  return kGood;
}

int run_ledger_hold(const LedgerCommandOptions& options) {
  const auto address = read_address(options.address);
  if (!address) return complain("hold", address.error());
  auto writer = open_writer(options.folder);
  if (!writer) return complain("hold", writer.error());
  if (const auto done = (*writer)->hold(**address, options.reason, now()); !done) return complain("hold", done.error());
  if (options.json) {
    print_out("{}\n",
              json::serialize(json::object{
                  {"address", utf8((*address)->to_string())}, {"held", true}, {"reason", utf8(options.reason)}}));
    return kGood;
  }
  print_out("The rows of {} are kept until 'tipstaff ledger release {}'.\n", (*address)->to_string(),
            (*address)->to_string());
  return kGood;
}

int run_ledger_release(const LedgerCommandOptions& options) {
  const auto address = read_address(options.address);
  if (!address) return complain("release", address.error());
  auto writer = open_writer(options.folder);
  if (!writer) return complain("release", writer.error());
  if (const auto done = (*writer)->lift_hold(**address); !done) return complain("release", done.error());
  if (options.json) {
    print_out("{}\n", json::serialize(json::object{{"address", utf8((*address)->to_string())}, {"held", false}}));
    return kGood;
  }
  print_out("The hold on {} is lifted.\n", (*address)->to_string());
  return kGood;
}

int run_ledger_head(const LedgerCommandOptions& options) {
  auto writer = open_writer(options.folder);
  if (!writer) return complain("head", writer.error());
  const auto head = (*writer)->sign_head(now());
  if (!head) return complain("head", head.error());
  if (options.json) {
    print_out("{}\n", json::serialize(json::object{{"host", utf8(head->host)},
                                                   {"batch", head->batch},
                                                   {"link", utf8(head->link)},
                                                   {"at", to_rfc3339(head->at)},
                                                   {"key", utf8(head->key)},
                                                   {"signature", utf8(head->signature)},
                                                   {"text", utf8(head->to_text())}}));
    return kGood;
  }
  print_out("{}\n", head->to_text());
  return kGood;
}

}  // namespace tipstaff
