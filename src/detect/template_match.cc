// Matching. Steps before the open field are read from the left, those behind it from the right, and the open field gets
// what is left: no byte is looked at more than a few times, whatever the message. With anchor = "first" the literal behind
// the open field is looked for from the left, at most kMostTries times.
#include <algorithm>
#include <array>
#include <cstring>

#include "base/bytes.h"
#include "detect/template.h"

namespace tipstaff {
namespace {

constexpr int kMostTries = 32;

// Bytes of ordinary account names; anything else in an open field makes a second look worth its time.
constexpr std::array<bool, 256> kPlain = [] {
  std::array<bool, 256> table{};
  for (int c = 0; c < 256; ++c) {
    table[static_cast<std::size_t>(c)] = (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') ||
                                         c == '_' || c == '-' || c == '.' || c == '@' || c == '+' || c == '$' ||
                                         c == '\\';
  }
  return table;
}();

constexpr bool is_digit(char c) { return c >= '0' && c <= '9'; }

// What an address, or a host name where one may stand, can consist of.
constexpr std::array<bool, 256> kNameBytes = [] {
  std::array<bool, 256> table{};
  for (int c = 0; c < 256; ++c) {
    table[static_cast<std::size_t>(c)] = (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') ||
                                         c == '.' || c == ':' || c == '%' || c == '_' || c == '-';
  }
  return table;
}();

bool is_name_byte(char c) { return kNameBytes[static_cast<unsigned char>(c)]; }

std::string_view between(const char* from, const char* to) { return {from, static_cast<std::size_t>(to - from)}; }

// The number that decimal digits write, at most ten of them.
std::uint64_t number_of(std::string_view text) {
  std::uint64_t value = 0;
  for (const char c : text) value = value * 10 + static_cast<std::uint64_t>(c - '0');
  return value;
}

void keep_number(Slot slot, std::uint64_t value, Fields& fields) {
  if (slot == Slot::port) fields.port = value <= 65535 ? static_cast<std::uint16_t>(value) : 0;
  if (slot == Slot::count) {
    fields.has_count = true;
    fields.count = value == 0 ? 1 : value > 10'000 ? 10'000 : static_cast<std::uint32_t>(value);
  }
}

void keep(Slot slot, std::string_view text, Fields& fields) {
  switch (slot) {
    case Slot::account:
      fields.account = text;
      fields.has_account = true;
      return;
    case Slot::extra:
      fields.extra = text;
      return;
    case Slot::service:
      fields.service = text;
      return;
    case Slot::session:
      fields.session = text;
      return;
    case Slot::port:
    case Slot::count:
      keep_number(slot, number_of(text), fields);
      return;
    case Slot::address:
    case Slot::none:
      return;
  }
}

void keep_open(Slot slot, std::string_view text, Fields& fields) {
  const char* const begin = fields.open.data() == nullptr ? text.data() : std::min(fields.open.data(), text.data());
  const char* const end = std::max(fields.open.data() + fields.open.size(), text.data() + text.size());
  fields.open = between(begin, end);
  keep(slot, text, fields);
}

// Digits of a port at `at`; where they end.
std::size_t read_port(Slot slot, std::string_view text, std::size_t at, Fields& fields) {
  const std::size_t start = at;
  while (at < text.size() && at - start < 5 && is_digit(text[at])) ++at;
  if (slot == Slot::address) keep(Slot::port, text.substr(start, at - start), fields);
  return at;
}

// Address, endpoint or peer at the front of `text`; its length, 0 for none.
std::size_t read_peer(const Op& op, std::string_view text, Fields& fields) {
  const bool kept = op.slot == Slot::address;
  IpAddress other;
  IpAddress& address = kept ? fields.address : other;  // read in its place: a copy would wait for the writing
  if (op.kind == Op::Kind::endpoint && text.starts_with('[')) {
    const std::size_t length = read_address(text.substr(1), address);
    if (length == 0 || length + 1 >= text.size() || text[length + 1] != ']') return 0;
    fields.has_address = fields.has_address || kept;
    const std::size_t at = length + 2;
    if (at + 1 >= text.size() || text[at] != ':' || !is_digit(text[at + 1])) return at;
    return read_port(op.slot, text, at + 1, fields);
  }
  std::size_t length = read_address(text, address);
  if (length != 0) {
    fields.has_address = fields.has_address || kept;
    if (op.kind == Op::Kind::endpoint && address.is_v4() && length + 1 < text.size() && text[length] == ':' &&
        is_digit(text[length + 1]))
      length = read_port(op.slot, text, length + 1, fields);
    return length;
  }
  if (op.kind != Op::Kind::peer) return 0;
  while (length < text.size() && is_name_byte(text[length])) ++length;
  return length;
}

const char* end_of_set(const ByteTable& table, const char* at, const char* end) {
  while (at < end && table[static_cast<unsigned char>(*at)]) ++at;
  return at;
}

// nginx and Apache take the first " HTTP/d.d" for the end of the request line, and refuse what follows it
const char* end_of_request(const char* at, const char* end) {
  const std::string_view text = between(at, end);
  const std::size_t version = text.find(" HTTP/");
  if (version == std::string_view::npos || version + 7 > text.size() || !is_digit(text[version + 6])) return nullptr;
  std::size_t length = version + 7;
  if (length + 1 < text.size() && text[length] == '.' && is_digit(text[length + 1])) length += 2;
  return at + length;
}

// The first branch that fits; what a branch that does not fit has kept is taken back.
template <class Read>
const char* read_group(const Op& op, Fields& fields, Read read) {
  for (const Op::Range* branch = op.branches; branch != op.branches + op.size; ++branch) {
    if (!op.keeps) {
      if (const char* const at = read(*branch)) return at;
      continue;
    }
    const Fields before = fields;
    if (const char* const at = read(*branch)) return at;
    fields = before;
  }
  return nullptr;
}

// Reads the ops [op, last) from `at` on; where they end, null: they do not fit.
const char* forward(const Op* op, const Op* last, const char* at, const char* end, Fields& fields) {
  for (; op != last; ++op) {
    const char* to = at;
    switch (op->kind) {
      case Op::Kind::literal:
        if (static_cast<std::size_t>(end - at) < op->size || !equal_bytes(at, op->text, op->size)) return nullptr;
        at += op->size;
        continue;
      case Op::Kind::address:
      case Op::Kind::endpoint:
      case Op::Kind::peer: {
        const std::size_t length = read_peer(*op, between(at, end), fields);
        if (length == 0) return nullptr;
        at += length;
        continue;
      }
      case Op::Kind::number:
        while (to < end && to - at < 10 && is_digit(*to)) ++to;
        if (to == at) return nullptr;
        break;
      case Op::Kind::set:
        to = end_of_set(*op->table, at, end);
        if (to == at && !op->may_miss) return nullptr;
        break;
      case Op::Kind::all_but:
        to = find_either(at, end, op->stop, op->other_stop);
        if (to == at && !op->may_miss) return nullptr;
        break;
      case Op::Kind::request:
        to = end_of_request(at, end);
        if (to == nullptr) return nullptr;
        break;
      case Op::Kind::open: {  // up to the first place of the literal behind it
        const std::string_view literal = op[1].literal();
        to = find_text(at, end, literal);
        if (to == nullptr) return nullptr;
        keep_open(op->slot, between(at, to), fields);
        at = to;
        continue;
      }
      case Op::Kind::group:
        to = read_group(*op, fields,
                        [&](const Op::Range& branch) { return forward(branch.begin, branch.end, at, end, fields); });
        if (to == nullptr && !op->may_miss) return nullptr;
        if (to != nullptr) at = to;
        continue;
    }
    if (op->slot != Slot::none) keep(op->slot, between(at, to), fields);
    at = to;
  }
  return at;
}

// Where the address, endpoint or peer that ends at `at` begins. `before`: the literal in front of it, if one stands there.
const char* begin_of_peer(const Op& op, const Op* before, const char* begin, const char* at) {
  if (before != nullptr) {
    const char last = before->text[before->size - 1];
    if (last != '[' && !is_name_byte(last))
      return find_last_either(begin, at, last, last);  // it stands in none of them
  }
  while (at > begin && (is_name_byte(at[-1]) || (op.kind == Op::Kind::endpoint && (at[-1] == '[' || at[-1] == ']'))))
    --at;
  return at;
}

// Reads the ops [first, op) from the last to the first, ending at `at`; where they begin, null: they do not fit.
const char* backward(const Op* first, const Op* op, const char* begin, const char* at, Fields& fields) {
  while (op != first) {
    --op;
    const char* from = at;
    switch (op->kind) {
      case Op::Kind::literal:
        if (static_cast<std::size_t>(at - begin) < op->size || !equal_bytes(at - op->size, op->text, op->size))
          return nullptr;
        at -= op->size;
        continue;
      case Op::Kind::address:
      case Op::Kind::endpoint:
      case Op::Kind::peer: {
        const Op* const before = op != first && op[-1].kind == Op::Kind::literal ? op - 1 : nullptr;
        from = begin_of_peer(*op, before, begin, at);
        if (from == at || read_peer(*op, between(from, at), fields) != static_cast<std::size_t>(at - from))
          return nullptr;
        at = from;
        continue;
      }
      case Op::Kind::number: {
        std::uint32_t value = 0;
        if (const std::size_t count = digits_before(begin, at, value); count != 0) {
          keep_number(op->slot, value, fields);
          at -= count;
          continue;
        }
        while (from > begin && at - from < 10 && is_digit(from[-1])) --from;
        if (from == at) return nullptr;
        break;
      }
      case Op::Kind::set:
        while (from > begin && (*op->table)[static_cast<unsigned char>(from[-1])]) --from;
        if (from == at && !op->may_miss) return nullptr;
        break;
      case Op::Kind::all_but:
        from = find_last_either(begin, at, op->stop, op->other_stop);
        if (from == at && !op->may_miss) return nullptr;
        break;
      case Op::Kind::request:
      case Op::Kind::open:
        return nullptr;
      case Op::Kind::group: {
        const char* const to = read_group(*op, fields, [&](const Op::Range& branch) {
          return backward(branch.begin, branch.end, begin, at, fields);
        });
        if (to == nullptr && !op->may_miss) return nullptr;
        if (to != nullptr) at = to;
        continue;
      }
    }
    if (op->slot != Slot::none) keep(op->slot, between(from, at), fields);
    at = from;
  }
  return at;
}

bool match_first(const Reading& reading, const char* at, const char* end, Fields& fields) {
  const Op* const pivot = reading.first + reading.pivot;
  const std::string_view literal = pivot[1].literal();
  const Fields before = fields;
  const char* from = at;
  for (int tries = 0; tries < kMostTries; ++tries) {
    const char* const to = find_text(from, end, literal);
    if (to == nullptr) return false;
    if (forward(pivot + 1, reading.last, to, end, fields) == end) {
      keep_open(pivot->slot, between(at, to), fields);
      return true;
    }
    fields = before;
    from = to + 1;
  }
  return false;
}

}  // namespace

const char* skip_field(const Op& op, const char* at, const char* end) {
  Fields unused;
  return forward(&op, &op + 1, at, end, unused);
}

bool holds_odd_bytes(const Fields& fields) {
  return std::any_of(fields.open.begin(), fields.open.end(),
                     [](char c) { return !kPlain[static_cast<unsigned char>(c)]; });
}

bool match_rest(const Reading& reading, std::size_t step, std::size_t bytes, const char* at, const char* end,
                Fields& fields) {
  const Op* const last = reading.last;
  const Op* begin = reading.first + step;
  if (bytes > 0) {
    const std::string_view rest = begin->literal().substr(bytes);
    if (static_cast<std::size_t>(end - at) < rest.size() || !equal_bytes(at, rest.data(), rest.size())) return false;
    at += rest.size();
    ++begin;
  }
  if (begin != last && last[-1].kind == Op::Kind::literal) {  // the quickest no
    const std::string_view tail = last[-1].literal();
    if (static_cast<std::size_t>(end - at) < tail.size() || !equal_bytes(end - tail.size(), tail.data(), tail.size()))
      return false;
  }
  if (reading.pivot == Reading::kNoPivot) return forward(begin, last, at, end, fields) == end;
  const Op* const pivot = reading.first + reading.pivot;
  at = forward(begin, pivot, at, end, fields);
  if (at == nullptr) return false;
  if (reading.anchor == Anchor::first) return match_first(reading, at, end, fields);
  const char* const to = backward(pivot + 1, last, at, end, fields);
  if (to == nullptr) return false;
  keep_open(pivot->slot, between(at, to), fields);
  return true;
}

bool match(const Reading& reading, std::string_view message, Fields& fields) {
  return match_rest(reading, 0, 0, message.data(), message.data() + message.size(), fields);
}

std::vector<IpAddress> possible_addresses(const Reading& reading, std::string_view message) {
  std::vector<IpAddress> all;
  const auto add = [&](const Reading& one) {
    Fields fields;
    if (match(one, message, fields) && fields.has_address && (all.empty() || all.front() != fields.address))
      all.push_back(fields.address);
  };
  add(reading);
  if (reading.open_before_address) {
    Reading other = reading;
    other.anchor = reading.anchor == Anchor::first ? Anchor::last : Anchor::first;
    if (other.anchor == Anchor::last || other.steps[other.pivot + 1].kind == Step::Kind::literal) add(other);
  }
  return all;
}

std::string render(const Reading& reading, const Filling& filling) {
  struct Writer {
    const Filling& filling;
    std::string out;
    void write(const std::vector<Step>& steps) {
      for (const Step& step : steps) {
        if (step.kind == Step::Kind::literal) out += step.text;
        if (step.kind == Step::Kind::group) write(step.branches.front());
        if (step.kind != Step::Kind::field) continue;
        switch (step.type) {
          case FieldType::address:
          case FieldType::endpoint:
          case FieldType::peer:
            out += step.slot == Slot::address ? filling.address : "192.0.2.250";
            break;
          case FieldType::number:
            out += "22";
            break;
          case FieldType::request:
            out += "GET / HTTP/1.1";
            break;
          case FieldType::open:
            out += step.slot == Slot::account ? filling.account : filling.other;
            break;
          case FieldType::set: {
            char c = 'a';
            for (const char candidate : {'a', '1', 'A', '/', '-', ' '}) {
              if (step.set()[static_cast<unsigned char>(candidate)]) {
                c = candidate;
                break;
              }
            }
            out += c;
            break;
          }
        }
      }
    }
  } writer{filling, {}};
  writer.write(reading.steps);
  return writer.out;
}

}  // namespace tipstaff
