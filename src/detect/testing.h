// Helpers of detect's tests: the shipped detectors, a detector from a text, the attempts of a few lines as `scan` would
// find them. Not part of the program.
#pragma once

#include <fmt/format.h>
#include <gtest/gtest.h>

#include <deque>
#include <initializer_list>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "detect/detector.h"
#include "detect/folder.h"
#include "detect/header.h"
#include "detect/recognizer.h"
#include "detect/stamp.h"

namespace tipstaff::testing_detect {

/// The newest time a source of these tests knows of.
inline constexpr Instant kNow = std::chrono::sys_days(std::chrono::year(2026) / 11 / 25);

inline const DetectorSet& shipped() {
  static const DetectorSet set = [] {
    auto loaded = load_detectors({});
    EXPECT_TRUE(loaded.has_value()) << (loaded ? std::string() : loaded.error().message());
    return loaded ? std::move(*loaded) : DetectorSet();
  }();
  return set;
}

/// A set of detectors, each from the text of its file; one that does not parse fails the test.
inline DetectorSet set_of(std::initializer_list<std::string> texts) {
  DetectorSet set;
  for (const std::string& text : texts) {
    auto detector = parse_detector(text, "own.toml");
    EXPECT_TRUE(detector.has_value()) << (detector ? std::string() : detector.error().message());
    if (detector) set.push_back(std::move(*detector));
  }
  return set;
}

/// What a recognizer makes of one whole line; views live as long as the line and `scratch`.
inline Finding find(Recognizer& recognizer, std::string_view line, std::string& scratch) {
  static std::deque<std::string> kept;  // a finding points into its line
  Finding finding;
  recognizer.recognize(split_header(kept.emplace_back(line), scratch), finding);
  return finding;
}

/// The address of a finding as text; "" for none.
inline std::string address_of(const Finding& finding) {
  return finding.understood && finding.fields.has_address ? finding.fields.address.to_string() : std::string();
}
inline std::string address_of(const Attempt& attempt) { return attempt.address ? attempt.address->to_string() : ""; }

/// Gives these lines, which are numbered from 1, to a folder.
inline void fold_into(Folder& folder, const std::vector<std::string>& lines, const RecognizerOptions& options = {},
                      const DetectorSet& set = shipped()) {
  Recognizer recognizer(set, options);
  SourceClock clock(TimeZone(), 2026, kNow);
  std::string scratch;
  Finding finding;
  std::uint64_t number = 0;
  for (const std::string& line : lines) {
    ++number;
    const Header header = split_header(line, scratch);
    clock.follow(header);
    recognizer.recognize(header, finding);
    if (!finding.understood || finding.kind == Kind::harmless) continue;
    folder.add(header, finding, clock.time_of(header), number);
  }
}

/// The attempts of these lines.
inline std::vector<Attempt> attempts_of(const std::vector<std::string>& lines, const RecognizerOptions& options = {},
                                        const DetectorSet& set = shipped()) {
  std::vector<Attempt> all;
  Folder folder([&](const Attempt& attempt) { all.push_back(attempt); });
  fold_into(folder, lines, options, set);
  folder.finish();
  return all;
}

/// An attempt in a few words: "failure 198.51.100.7:40022 root x2 lines 1,3"; what is not told is "-".
inline std::string words(const Attempt& attempt) {
  std::string lines;
  for (std::size_t i = 0; i < attempt.lines.size(); ++i)
    lines += fmt::format("{}{}", i == 0 ? "" : ",", attempt.lines[i]);
  return fmt::format("{} {}:{} {} x{} lines {}", to_text(attempt.outcome), attempt.address ? address_of(attempt) : "-",
                     attempt.port, attempt.has_account ? attempt.account : "-", attempt.count, lines);
}
inline std::vector<std::string> words(const std::vector<Attempt>& attempts) {
  std::vector<std::string> all;
  for (const Attempt& attempt : attempts) all.push_back(words(attempt));
  return all;
}

}  // namespace tipstaff::testing_detect
