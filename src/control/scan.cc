// Standard output carries attempts and, for people, the summary; everything else goes to standard error.
#include "control/scan.h"

#include <fmt/format.h>
#include <unistd.h>

#include <chrono>
#include <cstdio>
#include <filesystem>
#include <memory>
#include <set>
#include <thread>

#include "base/text.h"
#include "control/attempt_text.h"
#include "control/output.h"
#include "control/setup.h"
#include "control/summary.h"
#include "control/timeline.h"

namespace tipstaff {
namespace {

void complain(std::string_view text) { print_error("tipstaff scan: {}\n", text); }

// Overwrites one line on the terminal, five times a second at most.
class Progress {
 public:
  explicit Progress(bool on) : on_(on && isatty(STDERR_FILENO) != 0) {}
  ~Progress() {
    if (shown_) print_error("\r\x1b[K");
  }
  Progress(const Progress&) = delete;
  Progress& operator=(const Progress&) = delete;
  void show(std::optional<double> share, std::uint64_t failures) {
    if (!on_) return;
    const auto now = std::chrono::steady_clock::now();
    if (now - last_ < std::chrono::milliseconds(200)) return;
    last_ = now;
    shown_ = true;
    if (share)
      print_error("\r\x1b[K{:3.0f} %  {} failed logins so far", *share * 100, failures);
    else
      print_error("\r\x1b[K{} failed logins so far", failures);
  }

 private:
  bool on_;
  bool shown_ = false;
  std::chrono::steady_clock::time_point last_{};
};

}  // namespace

int run_scan(const ScanOptions& options) {
  const auto detectors = setup_detectors(options.detectors, Examples::drop);
  if (!detectors) {
    complain(detectors.error().message());
    return kUsage;
  }
  const auto config = setup_config(options.rules);
  if (!config) {
    complain(config.error().message());
    return kUsage;
  }
  for (const std::string& caution : (*config)->without_facts) complain(caution);
  FileScanOptions scan;
  scan.detectors = &*detectors;
  scan.year = options.year;
  scan.recognizer.service = options.service;
  scan.recognizer.settings = settings_in_force(**config);
  if (!options.service.empty() && find_detector(*detectors, options.service) == nullptr) {
    complain(unknown_service(*detectors, options.service));
    return kUsage;
  }
  auto zone = setup_zone(options.timezone);
  if (!zone) {
    complain(zone.error().message());
    return kUsage;
  }
  scan.zone = std::move(*zone);

  RuleEngine engine(*config);
  Summary summary;
  std::vector<Verdict> verdicts;
  std::uint64_t failures = 0;
  Progress progress(!options.quiet && !(options.format != ScanOptions::Format::none && isatty(STDOUT_FILENO) != 0));
  const auto sink = [&](const Attempt& attempt, std::size_t file) {
    verdicts.clear();
    engine.judge(attempt, verdicts);
    summary.add(attempt, verdicts);
    if (attempt.outcome == Outcome::failure) failures += attempt.count;
    if (options.format == ScanOptions::Format::none) return;
    std::string line =
        options.format == ScanOptions::Format::json ? to_json(attempt, options.files[file]) : to_text_line(attempt);
    line += '\n';
    write_to(stdout, line);
  };
  const unsigned cores = std::max(1U, std::thread::hardware_concurrency());
  const auto results = read_timeline(options.files, scan, options.jobs != 0 ? options.jobs : cores, sink,
                                     [&](std::optional<double> share) { progress.show(share, failures); });

  int code = kGood;
  for (const auto& one : results) {
    summary.add(one.counts);
    if (one.result) continue;
    complain(one.result.error().message());
    code = kUsage;
  }
  if (options.format == ScanOptions::Format::none && options.json_summary) {
    summary.write_json(stdout);
  } else if (options.format != ScanOptions::Format::json) {
    print_out("{}{}", options.format == ScanOptions::Format::text ? "\n" : "", summary.to_text(engine.counters()));
  }
  return code;
}

}  // namespace tipstaff
