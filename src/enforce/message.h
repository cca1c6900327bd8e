// The messages between guard and enforcer: one SOCK_SEQPACKET packet each, of fixed fields (docs/formats/enforcer.md).
// There is no text that anything hangs on and no command to run; whoever holds the socket can block and unblock what is
// not exempt, and nothing else. Both sides read with the same strict function: what is not exactly right is refused whole.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "enforce/block.h"

namespace tipstaff {

enum class MessageType : std::uint8_t {
  // asked by the guard; each is answered by `done` (or `denied`) with the same sequence number
  hello = 1,    ///< first message of a connection; flag `events`: tell this peer what ends and what was repaired
  block = 2,    ///< entries: set these blocks, or give them a new end; counters go on
  unblock = 3,  ///< entries (until is not used): end these now
  allow = 4,    ///< entries (until is not used): the networks the guard exempts. `first` replaces, otherwise adds
  list = 5,     ///< all blocks: `blocks` messages, then `done`
  status = 6,   ///< `done` with one line of JSON in text
  clear = 7,    ///< end everything and take the table away; for root alone
  // said by the enforcer
  done = 16,      ///< entries: those that were refused, with why; after unblock: those ended, with their last counter
  denied = 17,    ///< the message as a whole was refused: text says why. The connection ends after a malformed one
  blocks = 18,    ///< part of a list
  ended = 19,     ///< event: these blocks are over; with their last counter
  repaired = 20,  ///< event: somebody had changed the table; text says what was put back
};

/// What became of an entry.
enum class EntryResult : std::uint8_t {
  good = 0,
  exempt = 1,   ///< on the enforcer's own allowlist, or one of this machine's own addresses
  allowed = 2,  ///< among the networks of `allow`
  over = 3,     ///< its end had passed already
  unknown = 4,  ///< unblock: there was no such block
  failed = 5,   ///< the kernel refused it
  full = 6,     ///< kMostBlocks stand already
};

struct Entry {
  BlockKey key;
  Instant until{};
  std::uint64_t dropped = 0;
  EntryResult result = EntryResult::good;
  bool operator==(const Entry&) const = default;
};

struct Message {
  static constexpr std::size_t kMostEntries = 1'000;
  static constexpr std::size_t kMostText = 4'096;  // bytes

  MessageType type = MessageType::hello;
  bool events = false;  ///< of hello
  bool first = false;   ///< of allow
  std::uint32_t sequence = 0;
  std::vector<Entry> entries = {};
  std::string text = {};  ///< of done, denied and repaired: words for a person, without control characters
  bool operator==(const Message&) const = default;
};

/// Blocks that the enforcer holds at most.
inline constexpr std::size_t kMostBlocks = 1'000'000;
/// The largest packet.
inline constexpr std::size_t kMostPacket = 65'536;

/// The bytes of one packet, which decode() takes: what a message of the type does not use is left out (the counters of
/// `block`, say), a control character in the text becomes a space, an end beyond the year 9999 is kForever. What is
/// beyond kMostEntries or kMostText is a bug of the caller's: it is cut off.
[[nodiscard]] std::string encode(const Message& message);
/// The message, where encode() would write exactly these bytes. Errors: invalid (says which field).
[[nodiscard]] Result<Message> decode(std::string_view packet);

}  // namespace tipstaff
