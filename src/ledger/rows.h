// What goes into the ledger and comes out of it, as plain values. The ledger is a shared folder and knows no stage, so
// an attempt has a form of its own here: whole, with the texts it was made of, and a key that does not change when the
// same lines are read again. Keys make writing safe to repeat: what is known already is passed over.
#pragma once

#include <compare>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "base/address.h"
#include "base/time.h"

namespace tipstaff {

enum class RowOutcome : std::uint8_t { failure, success, probe };

/// Which attempt: the place of the line that made it, and its number among the attempts of that line. It must follow from
/// the lines alone.
struct AttemptKey {
  std::string source;            ///< "file:/var/log/auth.log", "journal"; at most 4,096 bytes
  std::uint64_t generation = 0;  ///< tells a file from its successor under the same name; rises. Below 2^63, as offset
  std::uint64_t offset = 0;      ///< of the line's first byte; journal: sequence number
  std::uint32_t index = 0;
  auto operator<=>(const AttemptKey&) const = default;
};

/// One attempt, or what it has become. Texts are bytes as logged. Texts of more than 1,024 bytes, and what is beyond 64
/// raw lines, are cut off and counted.
struct AttemptRow {
  AttemptKey key;
  /// How many changes the lines have made to the attempt so far; several changes may be written as one row that has the
  /// number of the last. A row replaces those of lower versions with the same key; it never changes them.
  std::uint32_t version = 0;
  bool withdrawn = false;  ///< it turned out that there was no such attempt
  RowOutcome outcome = RowOutcome::failure;
  std::optional<IpAddress> address;
  std::uint16_t port = 0;   ///< 0: not told
  std::uint32_t count = 1;  ///< tries it stands for
  std::optional<std::string> account;
  /// The caller knows that no account of this name exists here. Then a name that looks like a password is kept as keyed
  /// digest and shape, and struck out of the raw lines.
  bool account_unknown = false;
  std::string service, detector, origin, extra, host;
  std::optional<Instant> time;  ///< stamp as written; none: the line has none that can be read
  Instant window_time{};
  std::vector<std::string> raw;  ///< the lines that told of it
};

/// What a row of verdicts tells of. `block` and `alert` are what a rule said, or, with an empty rule, what somebody did by
/// hand, as the others are.
enum class VerdictKind : std::uint8_t {
  block,
  alert,
  unblock,  ///< the blocks that overlap the network, or all, were ended; those within it alone, where the index of its
            ///< cause is kWithin. `until`: the latest end they had
  exempt,   ///< the network is exempt until then; an end that is over ends an exemption
  drops,    ///< what the firewall has dropped for the block of this rule, network, service, host and `at`
};

/// Index of the cause of an `unblock` that left wider networks alone.
inline constexpr std::uint32_t kWithin = 1;

/// What a rule said, or what became of it. Known by the cause and the rule, so judging again adds nothing. A block whose
/// `until` is its `at` takes back the block of the same rule, network and `at`: its cause turned out to be no attempt.
struct VerdictRow {
  /// The attempt with which the rule was full. What was brought about by no attempt has a key of the source "control",
  /// each another one.
  AttemptKey cause;
  VerdictKind kind = VerdictKind::block;
  bool watch_only = false;  ///< would block: nothing was shut
  std::string rule;
  std::optional<IpNetwork> network;
  std::optional<std::string> account;
  bool account_unknown = false;  ///< as in AttemptRow
  std::string service, host;
  Instant at{};
  std::optional<Instant> until;      ///< of a block; Instant::max(): for ever
  std::vector<AttemptKey> attempts;  ///< those counted, as far as known; at most 1,000
  std::string by, why;               ///< who did it by hand, and the reason given; else empty
  std::uint64_t dropped = 0;  ///< of `drops`: packets that would have opened a connection, since the block was set
  std::uint64_t counter = 0;  ///< of `drops`: what the firewall's own counter showed then; it may begin anew
};

/// Where reading goes on after a restart: the start of the oldest open connection.
struct PositionRow {
  std::string source;
  std::uint64_t generation = 0;
  std::uint64_t offset = 0;
  std::string checkpoint;  ///< what the source needs to find the place again; at most 4 KiB
  bool operator==(const PositionRow&) const = default;
};

/// Something about the record itself: attempts that are missing ("gap"), a file put aside ("set_aside"), rows erased
/// ("erased"), writes lost in a power cut ("lost"), a new signing key ("key").
struct EventRow {
  std::string kind;
  Instant at{};
  std::string source;  ///< empty: concerns all
  std::string text;    ///< a sentence for the administrator
};

/// What is written in one transaction, or not at all.
struct Batch {
  Instant recorded{};  ///< now; decides the month, and what is kept how long
  std::vector<AttemptRow> attempts;
  std::vector<VerdictRow> verdicts;
  std::vector<PositionRow> positions;
  std::vector<EventRow> events;
};

/// An attempt as the ledger gives it back: the newest version.
struct StoredAttempt : AttemptRow {
  std::uint64_t id = 0;  ///< its sequence number on this host
  Instant recorded{};
  bool hidden_account = false;  ///< `account` is the shape of a password, not the name
  /// The time it is listed under.
  [[nodiscard]] Instant when() const { return time.value_or(window_time); }
};

struct StoredVerdict : VerdictRow {
  std::uint64_t id = 0;
  Instant recorded{};
};

struct StoredEvent : EventRow {
  std::uint64_t id = 0;
};

}  // namespace tipstaff
