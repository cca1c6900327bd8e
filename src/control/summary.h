// What a scan saw, in figures: attempts, addresses, who would have been shut out and who of them later got in.
#pragma once

#include <array>
#include <boost/unordered/unordered_flat_map.hpp>
#include <cstdint>
#include <cstdio>
#include <deque>
#include <set>
#include <string>
#include <string_view>
#include <unordered_map>
#include <unordered_set>
#include <vector>

#include "control/file_scan.h"
#include "decide/engine.h"

namespace tipstaff {

class Summary {
 public:
  /// Takes one attempt and what the rules said about it. Must see attempts in the order in which they were judged.
  void add(const Attempt& attempt, const std::vector<Verdict>& verdicts);
  void add(const FileCounts& counts) { counts_ += counts; }

  /// Writes one JSON object (docs/formats/scan.md), piece by piece: it may be large.
  void write_json(std::FILE* stream) const;
  /// The same for people; `counters` are the rule engine's.
  [[nodiscard]] std::string to_text(const RuleEngine::Counters& counters) const;

 private:
  // A block as the rules said it, in few bytes: a million lines of attacks make thousands.
  struct Block {
    IpNetwork network;
    const Rule* rule = nullptr;
    Instant at{};
    Instant until{};
    const std::string* host = nullptr;     // in names_
    const std::string* service = nullptr;  // in names_
    std::uint32_t earlier = 0;             // the block of the same network before this one, as index + 1; 0: none
    std::uint32_t later_logins = 0;
  };
  const std::string* name(const std::string& text) { return &*names_.insert(text).first; }
  [[nodiscard]] std::vector<std::pair<std::string, std::uint64_t>> top() const;
  [[nodiscard]] std::uint64_t failing_addresses() const;

  FileCounts counts_;
  std::uint64_t failures_ = 0;
  std::uint64_t successes_ = 0;
  std::uint64_t probes_ = 0;
  std::uint64_t checksum_ = 0;
  boost::unordered_flat_map<IpAddress, std::uint64_t, std::hash<IpAddress>> addresses_;  // and their failures
  std::deque<Block> blocks_;
  std::deque<Verdict> alerts_;
  std::unordered_map<IpNetwork, std::uint32_t> newest_block_;  // index in blocks_
  std::unordered_set<std::string> names_;
  std::array<std::set<unsigned>, 2> lengths_;  // prefix lengths of blocks: IPv4, IPv6
};

}  // namespace tipstaff
