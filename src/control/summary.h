// What a scan saw, in figures: attempts, addresses, who would have been shut out and who of them later got in.
#pragma once

#include <array>
#include <cstdint>
#include <set>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "control/file_scan.h"
#include "decide/engine.h"

namespace tipstaff {

class Summary {
 public:
  /// Takes one attempt and what the rules said about it. Must see attempts in the order in which they were judged.
  void add(const Attempt& attempt, const std::vector<Verdict>& verdicts);
  void add(const FileCounts& counts) { counts_ += counts; }

  /// One JSON object without line feed (docs/formats/scan.md).
  [[nodiscard]] std::string to_json() const;
  /// The same for people; `counters` are the rule engine's.
  [[nodiscard]] std::string to_text(const RuleEngine::Counters& counters) const;

 private:
  struct Seen {
    std::uint64_t failures = 0;
  };
  struct Block {
    Verdict verdict;
    std::uint64_t later_logins = 0;
  };
  [[nodiscard]] std::vector<std::pair<std::string, std::uint64_t>> top() const;
  [[nodiscard]] std::uint64_t failing_addresses() const;

  FileCounts counts_;
  std::uint64_t failures_ = 0;
  std::uint64_t successes_ = 0;
  std::uint64_t probes_ = 0;
  std::uint64_t checksum_ = 0;
  std::unordered_map<IpAddress, Seen> addresses_;
  std::vector<Block> blocks_;
  std::vector<Verdict> alerts_;
  std::unordered_map<IpNetwork, std::vector<std::size_t>> blocks_of_;  // indices into blocks_
  std::array<std::set<unsigned>, 2> lengths_;                          // prefix lengths of blocks: IPv4, IPv6
};

}  // namespace tipstaff
