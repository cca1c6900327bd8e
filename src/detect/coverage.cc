#include "detect/coverage.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <utility>

#include "base/text.h"

namespace tipstaff {
namespace {

constexpr std::uint64_t kShortestRun = 25;  // of lines that are not understood
constexpr std::uint64_t kShortestHeadless = 40;
constexpr double kChance = 1e-6;         // a run less probable than this is none by chance
constexpr float kPrior = 0.35F;          // share of a service of which nothing is known yet
constexpr std::uint32_t kMemory = 400;   // lines by which the share forgets
constexpr std::uint32_t kLookedAt = 20;  // lines of an unknown program
constexpr std::uint32_t kAlike = 8;      // so many of them must read like a service's, four of five ...
constexpr std::uint32_t kTelling = 4;    // ... and so many must tell of more than harmless things
constexpr std::size_t kSample = 200;

}  // namespace

LineReaders::LineReaders(const DetectorSet& detectors, RecognizerOptions options)
    : detectors_(detectors), options_(std::move(options)), all_(detectors_, options_) {}

Recognizer& LineReaders::as(std::size_t detector) {
  if (as_.empty()) {
    for (const auto& one : detectors_) {
      RecognizerOptions options = options_;
      options.service = one->name;
      as_.emplace_back(detectors_, std::move(options));
    }
  }
  return as_[detector];
}

Coverage::Coverage(std::shared_ptr<LineReaders> readers) : readers_(std::move(readers)) {}

// Notes one more line; true where so many in a row are none by chance.
bool Coverage::is_broken(Habit& habit, bool yes, std::uint64_t shortest, Instant arrival) {
  if (!yes) {
    if (habit.run++ == 0) habit.since = arrival;
    return habit.run >= shortest && std::pow(1.0 - static_cast<double>(habit.share), habit.run) <= kChance;
  }
  // the run that ends here enters the share as the lines it was
  for (std::uint64_t i = std::min<std::uint64_t>(habit.run + 1, kMemory); i > 0; --i) {
    habit.seen = std::min(habit.seen + 1, kMemory);
    habit.share += ((i == 1 ? 1.0F : 0.0F) - habit.share) / static_cast<float>(habit.seen + 10);
  }
  habit.run = 0;
  return false;
}

bool Coverage::note(const Header& header, const Finding& finding, std::string_view line, Instant arrival) {
  const std::size_t before = alarms_.size();
  bool news = false;
  ++counts_.lines;
  const bool known = finding.known_program || finding.understood;
  if (known) ++counts_.known_program;
  if (finding.understood) ++counts_.understood;

  const bool headed = header.layout != Layout::none;
  if (is_broken(headed_, headed, kShortestHeadless, arrival) && !std::exchange(headed_.alarmed, true))
    raise({CoverageAlarm::Kind::headless, "", "", headed_.run, headed_.since, ""}, line);
  if (headed && std::exchange(headed_.alarmed, false)) {
    end(CoverageAlarm::Kind::headless, "");
    news = true;
  }

  if (known && finding.detector != nullptr) {
    const auto [at, first] = services_.try_emplace(finding.detector);
    Habit& service = at->second;
    if (first) service.share = kPrior;
    if (is_broken(service, finding.understood, kShortestRun, arrival) && !std::exchange(service.alarmed, true))
      raise({CoverageAlarm::Kind::reworded, finding.detector->name, "", service.run, service.since, ""}, line);
    if (finding.understood && !alarms_.empty()) {
      service.alarmed = false;
      const std::size_t count = alarms_.size();
      end(CoverageAlarm::Kind::reworded, finding.detector->name);
      end(CoverageAlarm::Kind::renamed, finding.detector->name);
      news = news || alarms_.size() != count;
    }
  } else if (!known && !header.program.empty()) {
    look_at_stranger(header, line, arrival);
  }
  return news || alarms_.size() != before;
}

// Whether the lines of an unknown program have turned out to be this detector's.
bool Coverage::reads_like(std::size_t detector, const Header& header, Stranger::Alike& alike) {
  const Detector& one = *readers_->detectors()[detector];
  Header asked = header;
  std::string text;
  if (!one.own_programs.empty() && !one.programs.empty()) {  // such patterns begin with the program's own name
    text = one.programs.front();
    std::erase(text, '*');
    text += header.from_program.substr(std::min(header.program.size(), header.from_program.size()));
    asked.from_program = text;
  }
  Finding finding;
  readers_->as(detector).recognize(asked, finding);
  if (!finding.understood || finding.pattern == nullptr) return false;
  ++alike.read;
  if (finding.kind != Kind::harmless) ++alike.telling;
  return alike.read >= kAlike && alike.telling >= kTelling;
}

// Whether an unknown program reads like a known one. Only its first lines are asked about, so this costs next to nothing.
void Coverage::look_at_stranger(const Header& header, std::string_view line, Instant arrival) {
  auto found = strangers_.find(header.program);
  if (found == strangers_.end()) {
    if (strangers_.size() >= kMostPrograms) return;
    found = strangers_.emplace(std::string(header.program), Stranger()).first;
    found->second.alike.resize(readers_->detectors().size());
    found->second.since = arrival;
  }
  Stranger& stranger = found->second;
  if (stranger.looked_at >= kLookedAt) return;
  ++stranger.looked_at;
  const DetectorSet& detectors = readers_->detectors();
  for (std::size_t i = 0; i < detectors.size(); ++i) {
    Stranger::Alike& alike = stranger.alike[i];
    if (detectors[i]->any_program || !reads_like(i, header, alike) || alike.read * 5 < stranger.looked_at * 4) continue;
    stranger.looked_at = kLookedAt;
    raise({CoverageAlarm::Kind::renamed, detectors[i]->name, found->first, alike.read, stranger.since, ""}, line);
    return;
  }
}

void Coverage::raise(CoverageAlarm alarm, std::string_view line) {
  alarm.sample = line.substr(0, kSample);
  alarms_.push_back(std::move(alarm));
}

void Coverage::end(CoverageAlarm::Kind kind, std::string_view service) {
  std::erase_if(alarms_, [&](const CoverageAlarm& alarm) { return alarm.kind == kind && alarm.service == service; });
}

std::string CoverageAlarm::to_text() const {
  switch (kind) {
    case Kind::headless:
      return fmt::format(
          "{} lines in a row have no header that can be read, though they had before; if the form of this "
          "log was changed, attempts are no longer found in it. The newest: {}",
          lines, printable(sample));
    case Kind::renamed:
      return fmt::format(
          "lines of '{}' read like those of {}; if that is what writes them now, name it in `programs` of a "
          "detector in /etc/tipstaff/detectors.d, else its attempts are not found. The newest: {}",
          printable(program), service, printable(sample));
    case Kind::reworded:
      break;
  }
  return fmt::format(
      "{} lines of {} in a row are not understood, though most were before; if it was updated and words its "
      "lines anew, its attempts are no longer found. Update Tipstaff or write a detector "
      "(docs/formats/detectors.md). The newest: {}",
      lines, service, printable(sample));
}

}  // namespace tipstaff
