// Templates: how a detector file writes a message ("Failed {extra:word} for [invalid user ]{account} from {address}").
// compile() parses one, refuses it where somebody who types a field could move the address, and gives the readings it
// stands for; match() reads a message with one of them, in time linear in the message and without allocation.
// docs/formats/detectors.md describes the language.
#pragma once

#include <array>
#include <bitset>
#include <cstdint>
#include <cstring>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "base/address.h"
#include "base/bytes.h"
#include "base/result.h"

namespace tipstaff {

/// Where a field's bytes go; none: read and forgotten.
enum class Slot : std::uint8_t { none, address, port, account, extra, count, service, session };
/// Which bytes a field takes.
enum class FieldType : std::uint8_t { address, endpoint, peer, number, set, request, open };
/// Which reading holds where an open field stands before the address.
enum class Anchor : std::uint8_t { none, first, last };

using ByteSet = std::bitset<256>;
/// The same as a table, for the loops that run over every byte.
using ByteTable = std::array<bool, 256>;

/// The bytes that a field of a set takes, in the two forms in which they are asked for.
struct FieldBytes {
  explicit FieldBytes(const ByteSet& bytes);
  ByteSet set;
  ByteTable table{};
};

/// One step of a reading. A group is closed: it reads the first of its branches that fits, or nothing if it may miss.
struct Step {
  enum class Kind : std::uint8_t { literal, field, group } kind = Kind::literal;
  FieldType type = FieldType::set;
  Slot slot = Slot::none;
  bool may_miss = false;                    ///< group: may be absent; field: may be empty
  bool keeps = false;                       ///< group: some field in it is kept
  std::string text;                         ///< literal
  std::shared_ptr<const FieldBytes> bytes;  ///< of a set or number field; copies of a step share them
  std::vector<std::vector<Step>> branches;

  /// The bytes of the field; none if it is of another type.
  [[nodiscard]] const ByteSet& set() const {
    static const ByteSet kNone;
    return bytes ? bytes->set : kNone;
  }
};

/// A step as it is matched: small, and those of a reading lie side by side, with the bytes of the literals behind them.
struct Op {
  enum class Kind : std::uint8_t { literal, address, endpoint, peer, number, set, all_but, request, open, group };
  struct Range {
    const Op* begin;
    const Op* end;
  };
  Kind kind = Kind::literal;
  Slot slot = Slot::none;
  bool may_miss = false;
  bool keeps = false;
  char stop = 0;  ///< all_but: a set that lacks these one or two bytes only
  char other_stop = 0;
  std::uint32_t size = 0;  ///< literal: its length; group: its branches
  union {
    const char* text = nullptr;  ///< literal
    const ByteTable* table;      ///< set
    const Range* branches;       ///< group
  };

  [[nodiscard]] std::string_view literal() const { return {text, size}; }
};

/// The steps of one reading as ops, one for each, and what they point to. The tables are those of the steps.
class Ops {
 public:
  explicit Ops(const std::vector<Step>& steps);
  Ops(const Ops&) = delete;
  Ops& operator=(const Ops&) = delete;
  [[nodiscard]] const Op* begin() const { return ops_.data(); }
  [[nodiscard]] const Op* end() const { return ops_.data() + size_; }
  [[nodiscard]] const Op& operator[](std::size_t i) const { return ops_[i]; }

 private:
  void write(const std::vector<Step>& steps, std::size_t to);

  std::size_t size_;     // the reading's own; those of branches stand behind them
  std::vector<Op> ops_;  // none of the three grows once it is pointed into
  std::vector<Op::Range> branches_;
  std::string bytes_;
};

/// One flat way to read a template. Everything before `pivot` is read from the left, everything behind it from the right
/// (anchor first: from the left too, at the first place where the whole message fits).
struct Reading {
  static constexpr std::size_t kNoPivot = static_cast<std::size_t>(-1);
  std::vector<Step> steps;
  std::shared_ptr<const Ops> ops;  ///< the same
  const Op* first = nullptr;       ///< of the ops
  const Op* last = nullptr;        ///< behind the ops
  std::size_t pivot = kNoPivot;    ///< index of the open field that takes what is left
  Anchor anchor = Anchor::none;
  bool open_before_address = false;  ///< an attacker's text stands before the address
  std::string prefix;                ///< the literal it begins with (steps.front().text)
};

/// What a message says. Views point into the message.
struct Fields {
  IpAddress address;
  bool has_address = false;
  bool has_account = false;
  bool has_count = false;
  std::uint16_t port = 0;
  std::uint32_t count = 1;
  std::string_view account;
  std::string_view extra;
  std::string_view service;
  std::string_view session;
  std::string_view open;  ///< what the open fields hold, from the first one's begin to the last one's end

  /// As new; member by member, which is quicker than zeroing the whole.
  void clear() {
    address = IpAddress();
    has_address = has_account = has_count = false;
    port = 0;
    count = 1;
    for (std::string_view* text : {&account, &extra, &service, &session, &open}) *text = {};
  }
};

/// Parses and checks a template. Errors are sentences about the template, without file and line.
[[nodiscard]] Result<std::vector<Reading>> compile_template(std::string_view text, Anchor anchor);

/// Reads the whole `message`; false where it does not fit.
[[nodiscard]] bool match(const Reading& reading, std::string_view message, Fields& fields);

/// The same for one whose beginning is known to fit: all steps before `step`, and so many bytes of that literal, end at `at`.
[[nodiscard]] bool match_rest(const Reading& reading, std::size_t step, std::size_t bytes, const char* at,
                              const char* end, Fields& fields);

/// The end of the closed field at `at`; null: it does not fit.
[[nodiscard]] const char* skip_field(const Op& op, const char* at, const char* end);

/// Whether the open fields hold bytes other than those of ordinary names, with which a reading could be forged.
[[nodiscard]] bool holds_odd_bytes(const Fields& fields);

/// Every address that `message` can be read with by this reading, leftmost and rightmost (for the forgery tests and
/// `explain`): with no open field before the address there is one at most.
[[nodiscard]] std::vector<IpAddress> possible_addresses(const Reading& reading, std::string_view message);

/// A message that fits the reading, with these texts in its fields (for tests made from the compiled patterns).
struct Filling {
  std::string address = "192.0.2.1";
  std::string account = "root";
  std::string other = "x";  ///< for all further open fields
};
[[nodiscard]] std::string render(const Reading& reading, const Filling& filling);

}  // namespace tipstaff
