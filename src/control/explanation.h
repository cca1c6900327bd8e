// The answer to "why can I not log in?": is he blocked, because of which attempts, and what to tell him, in three lines; then
// every block, rule, exemption and the last attempts, with file and line. Plain values and their two forms; they are
// gathered in explain_subject.cc, by the guard or, where none runs, by the command.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "base/address.h"
#include "base/time.h"
#include "control/block_book.h"
#include "ledger/rows.h"

namespace tipstaff {

/// A rule as it stands to the subject.
struct RuleFacts {
  std::string name, where;
  std::string sentence;     ///< what it does
  std::uint64_t tries = 0;  ///< that count now
  std::uint32_t needed = 0;
  bool exempt = false;  ///< it does not look at him
  std::string note;     ///< "counts for 2001:db8::/64"; empty: nothing to say
};

struct ExplainedExemption {
  IpNetwork network;
  std::string where;             ///< file:line, words, or who gave it and why
  std::optional<Instant> until;  ///< of one for a time
};

/// A name and the tries it occurs in.
struct NameFacts {
  std::string name;
  std::int64_t tries = 0;
};

struct Explanation {
  std::optional<IpNetwork> network;  ///< who is asked about: an address or network ...
  std::string account;               ///< ... or an account
  bool running = true;               ///< false: told from the ledger alone
  bool watch_only = true;
  Instant now{};

  std::vector<StandingBlock> blocks;  ///< that shut him out, or would
  std::vector<RuleFacts> rules;
  std::vector<ExplainedExemption> exemptions;  ///< that concern him, or a part of the network
  bool exempt = false;                         ///< one of them holds all of him

  std::int64_t failures = 0, successes = 0, probes = 0;  ///< tries, over the whole ledger
  std::optional<Instant> first, last;
  std::vector<NameFacts> accounts, services, addresses;  ///< in `recent`, most tries first
  std::vector<StoredAttempt> recent;                     ///< the newest last
  bool more = false;                                     ///< there are older attempts than `recent`
  std::vector<std::string> past;  ///< what rules said and what was done by hand, in words; the newest last
  std::vector<std::string> problems;
};

/// The three lines.
struct AnswerLines {
  std::string blocked;   ///< is he, since when, until when, by what
  std::string attempts;  ///< how many, on what, from when to when
  std::string advice;    ///< what to tell him, and the command that helps
};
[[nodiscard]] AnswerLines answer_lines(const Explanation& facts);

/// For people: the three lines, then the lists. Safe for a terminal.
[[nodiscard]] std::string to_text(const Explanation& facts);
/// One JSON object (docs/formats/control.md).
[[nodiscard]] std::string to_json(const Explanation& facts);

}  // namespace tipstaff
