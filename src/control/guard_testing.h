// Helpers of the guard's tests: a core fed by hand with the lines of a log, as a followed file would hand them out, and a
// ledger in memory that obeys the real one's rules for keys and versions. Not part of the program.
#pragma once

#include <fmt/format.h>
#include <gtest/gtest.h>

#include <fstream>
#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "control/guard_core.h"

namespace tipstaff::testing_guard {

inline constexpr const char* kSource = "file:/var/log/auth.log";

inline Instant instant(std::string_view text) {  // "2026-11-25T08:00:00Z"
  const auto number = [&](std::size_t at, std::size_t size) { return std::stoi(std::string(text.substr(at, size))); };
  const auto day = std::chrono::year(number(0, 4)) / number(5, 2) / number(8, 2);
  return std::chrono::sys_days(day) + std::chrono::hours(number(11, 2)) + std::chrono::minutes(number(14, 2)) +
         std::chrono::seconds(number(17, 2));
}

inline std::shared_ptr<const DetectorSet> detectors() {
  static const auto set = [] {
    auto loaded = load_detectors({}, Examples::drop);
    EXPECT_TRUE(loaded.has_value());
    return std::make_shared<const DetectorSet>(loaded ? std::move(*loaded) : DetectorSet());
  }();
  return set;
}

inline std::shared_ptr<const Config> rules(std::string_view text) {
  auto config = parse_rules(text, "test.toml");
  EXPECT_TRUE(config.has_value()) << (config ? std::string() : to_text(config.error()));
  return std::make_shared<const Config>(config ? std::move(*config) : Config());
}

inline std::vector<std::string> lines_of(const std::string& path) {
  std::vector<std::string> lines;
  std::ifstream file(path);
  for (std::string line; std::getline(file, line);) lines.push_back(line);
  EXPECT_FALSE(lines.empty()) << path;
  return lines;
}

/// A record for each line, with places as in a file of these lines. `arrival` none: each arrives at once, at its own stamp.
struct Feed {
  std::vector<std::string> lines;
  std::size_t at = 0;
  std::uint64_t offset = 0;
  std::uint64_t generation = 1;

  /// Hands out the next `count` lines, as they stand in a file that is read at `arrival`.
  template <class Take>
  void give(std::size_t count, Instant arrival, bool catching_up, Take&& take) {
    for (; count > 0 && at < lines.size(); --count, ++at) {
      Record record;
      record.line = lines[at];
      record.place = {generation, offset};
      offset += lines[at].size() + 1;
      record.next = {generation, offset};
      record.arrival = arrival;
      record.catching_up = catching_up;
      take(record);
    }
  }
  /// Goes back to a place that a record had.
  void rewind(Place place) {
    at = 0;
    offset = 0;
    while (at < lines.size() && offset < place.offset) offset += lines[at++].size() + 1;
    EXPECT_EQ(offset, place.offset) << "not the start of a line";
  }
};

/// What a ledger would hold.
struct MemoryLedger {
  std::map<AttemptKey, StoredAttempt> attempts;  // newest versions
  std::vector<AttemptKey> order;                 // as they were made
  std::map<std::pair<AttemptKey, std::string>, StoredVerdict> verdicts;
  std::map<std::string, PositionRow> positions;
  std::uint64_t last_id = 0;
  std::size_t known = 0;  // rows that were there already

  void write(const Batch& batch) {
    for (const AttemptRow& row : batch.attempts) {
      const auto [at, is_new] = attempts.try_emplace(row.key);
      if (is_new) order.push_back(row.key);
      if (!is_new && at->second.version >= row.version) {
        ++known;
        continue;
      }
      static_cast<AttemptRow&>(at->second) = row;
    }
    for (const VerdictRow& row : batch.verdicts) {
      const auto [at, is_new] = verdicts.try_emplace({row.cause, row.rule});
      if (!is_new) ++known;
      if (is_new) static_cast<VerdictRow&>(at->second) = row;
      if (is_new) at->second.id = ++last_id;
    }
    for (const PositionRow& row : batch.positions) positions[row.source] = row;
  }
  [[nodiscard]] std::vector<StoredAttempt> recent() const {
    std::vector<StoredAttempt> all;
    for (const AttemptKey& key : order) all.push_back(attempts.at(key));
    return all;
  }
  [[nodiscard]] std::vector<StoredVerdict> said() const {
    std::vector<StoredVerdict> all;
    for (const auto& [key, verdict] : verdicts) all.push_back(verdict);
    return all;
  }
};

inline std::string words(const AttemptRow& row) {
  const char* outcome = row.outcome == RowOutcome::failure   ? "failure"
                        : row.outcome == RowOutcome::success ? "success"
                                                             : "probe";
  return fmt::format("{}{} {}:{} {} x{} v{} raw {}", row.withdrawn ? "withdrawn " : "", outcome,
                     row.address ? row.address->to_string() : "-", row.port, row.account.value_or("-"), row.count,
                     row.version, row.raw.size());
}

}  // namespace tipstaff::testing_guard
