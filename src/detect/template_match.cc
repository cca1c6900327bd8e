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

void keep_open(const Step& step, std::string_view text, Fields& fields) {
  const char* const begin = fields.open.data() == nullptr ? text.data() : std::min(fields.open.data(), text.data());
  const char* const end = std::max(fields.open.data() + fields.open.size(), text.data() + text.size());
  fields.open = between(begin, end);
  keep(step.slot, text, fields);
}

void keep_address(const Step& step, IpAddress address, Fields& fields) {
  if (step.slot != Slot::address) return;
  fields.address = address;
  fields.has_address = true;
}

// The first byte that is not in the step's set.
const char* end_of_run(const Step& step, const char* at, const char* end) {
  if (step.all_but) return find_either(at, end, step.stop, step.other_stop);
  const ByteTable& table = *step.table;
  while (at < end && table[static_cast<unsigned char>(*at)]) ++at;
  return at;
}

// Address, endpoint or peer at the front of `text`; its length, 0 for none.
std::size_t read_peer(const Step& step, std::string_view text, Fields& fields) {
  IpAddress address;
  if (step.type == FieldType::endpoint && text.starts_with('[')) {
    const std::size_t length = read_address(text.substr(1), address);
    if (length == 0 || length + 1 >= text.size() || text[length + 1] != ']') return 0;
    std::size_t at = length + 2;
    if (at + 1 < text.size() && text[at] == ':' && is_digit(text[at + 1])) {
      const std::size_t start = ++at;
      while (at < text.size() && at - start < 5 && is_digit(text[at])) ++at;
      if (step.slot == Slot::address) keep(Slot::port, text.substr(start, at - start), fields);
    }
    keep_address(step, address, fields);
    return at;
  }
  std::size_t length = read_address(text, address);
  if (length != 0) {
    keep_address(step, address, fields);
    if (step.type == FieldType::endpoint && address.is_v4() && length + 1 < text.size() && text[length] == ':' &&
        is_digit(text[length + 1])) {
      const std::size_t start = ++length;
      while (length < text.size() && length - start < 5 && is_digit(text[length])) ++length;
      if (step.slot == Slot::address) keep(Slot::port, text.substr(start, length - start), fields);
    }
    return length;
  }
  if (step.type != FieldType::peer) return 0;
  while (length < text.size() && is_name_byte(text[length])) ++length;
  return length;
}

const char* forward(const Step* step, const Step* last, const char* at, const char* end, Fields& fields);
const char* backward(const Step* first, const Step* step, const char* begin, const char* at, Fields& fields);

const char* forward_field(const Step& step, const char* at, const char* end, Fields& fields) {
  switch (step.type) {
    case FieldType::address:
    case FieldType::endpoint:
    case FieldType::peer: {
      const std::size_t length = read_peer(step, between(at, end), fields);
      return length == 0 ? nullptr : at + length;
    }
    case FieldType::number: {
      const char* to = at;
      while (to < end && to - at < 10 && is_digit(*to)) ++to;
      if (to == at) return nullptr;
      keep(step.slot, between(at, to), fields);
      return to;
    }
    case FieldType::set: {
      const char* const to = end_of_run(step, at, end);
      if (to == at && !step.may_miss) return nullptr;
      keep(step.slot, between(at, to), fields);
      return to;
    }
    case FieldType::request: {
      // nginx and Apache take the first " HTTP/d.d" for the end of the request line, and refuse what follows it
      const std::string_view text = between(at, end);
      const std::size_t version = text.find(" HTTP/");
      if (version == std::string_view::npos || version + 7 > text.size() || !is_digit(text[version + 6]))
        return nullptr;
      std::size_t length = version + 7;
      if (length + 1 < text.size() && text[length] == '.' && is_digit(text[length + 1])) length += 2;
      keep(step.slot, text.substr(0, length), fields);
      return at + length;
    }
    case FieldType::open:
      return nullptr;  // handled by the caller
  }
  return nullptr;
}

// The first branch that fits; what a branch that does not fit has kept is taken back.
template <class Read>
const char* read_group(const Step& step, Fields& fields, Read read) {
  for (const auto& branch : step.branches) {
    if (!step.keeps) {
      if (const char* const at = read(branch)) return at;
      continue;
    }
    const Fields before = fields;
    if (const char* const at = read(branch)) return at;
    fields = before;
  }
  return nullptr;
}

const char* forward(const Step* step, const Step* last, const char* at, const char* end, Fields& fields) {
  for (; step != last; ++step) {
    switch (step->kind) {
      case Step::Kind::literal:
        if (static_cast<std::size_t>(end - at) < step->text.size() ||
            !equal_bytes(at, step->text.data(), step->text.size()))
          return nullptr;
        at += step->text.size();
        break;
      case Step::Kind::field:
        if (step->type == FieldType::open) {  // up to the first place of the literal behind it
          const std::string_view literal = step[1].text;
          const auto* to =
              static_cast<const char*>(memmem(at, static_cast<std::size_t>(end - at), literal.data(), literal.size()));
          if (to == nullptr) return nullptr;
          keep_open(*step, between(at, to), fields);
          at = to;
        } else {
          at = forward_field(*step, at, end, fields);
          if (at == nullptr) return nullptr;
        }
        break;
      case Step::Kind::group: {
        const char* const to = read_group(*step, fields, [&](const std::vector<Step>& branch) {
          return forward(branch.data(), branch.data() + branch.size(), at, end, fields);
        });
        if (to == nullptr && !step->may_miss) return nullptr;
        if (to != nullptr) at = to;
        break;
      }
    }
  }
  return at;
}

// `before`: the byte that must stand before the field, 0 where that is not one byte.
const char* backward_field(const Step& step, char before, const char* begin, const char* at, Fields& fields) {
  const char* from = at;
  switch (step.type) {
    case FieldType::address:
    case FieldType::endpoint:
    case FieldType::peer: {
      if (before != '\0' && before != '[' && !is_name_byte(before)) {  // can stand in none of them
        from = find_last_either(begin, at, before, before);
      } else {
        while (from > begin &&
               (is_name_byte(from[-1]) || (step.type == FieldType::endpoint && (from[-1] == '[' || from[-1] == ']'))))
          --from;
      }
      if (from == at || read_peer(step, between(from, at), fields) != static_cast<std::size_t>(at - from))
        return nullptr;
      return from;
    }
    case FieldType::number: {
      std::uint32_t value = 0;
      if (const std::size_t count = digits_before(begin, at, value); count != 0) {
        keep_number(step.slot, value, fields);
        return at - count;
      }
      while (from > begin && at - from < 10 && is_digit(from[-1])) --from;
      break;
    }
    case FieldType::set: {
      if (step.all_but) {
        from = find_last_either(begin, at, step.stop, step.other_stop);
        break;
      }
      const ByteTable& table = *step.table;
      while (from > begin && table[static_cast<unsigned char>(from[-1])]) --from;
      break;
    }
    case FieldType::request:
    case FieldType::open:
      return nullptr;
  }
  if (from == at && !step.may_miss) return nullptr;
  keep(step.slot, between(from, at), fields);
  return from;
}

// Reads the steps [first, step) from the last to the first, ending at `at`.
const char* backward(const Step* first, const Step* step, const char* begin, const char* at, Fields& fields) {
  while (step != first) {
    --step;
    switch (step->kind) {
      case Step::Kind::literal:
        if (static_cast<std::size_t>(at - begin) < step->text.size() ||
            !equal_bytes(at - step->text.size(), step->text.data(), step->text.size()))
          return nullptr;
        at -= step->text.size();
        break;
      case Step::Kind::field:
        at = backward_field(*step, step != first && step[-1].kind == Step::Kind::literal ? step[-1].text.back() : '\0', begin,
                            at, fields);
        if (at == nullptr) return nullptr;
        break;
      case Step::Kind::group: {
        const char* const from = read_group(*step, fields, [&](const std::vector<Step>& branch) {
          return backward(branch.data(), branch.data() + branch.size(), begin, at, fields);
        });
        if (from == nullptr && !step->may_miss) return nullptr;
        if (from != nullptr) at = from;
        break;
      }
    }
  }
  return at;
}

bool match_first(const Reading& reading, const char* at, const char* end, Fields& fields) {
  const Step* const steps = reading.steps.data();
  const Step* const last = steps + reading.steps.size();
  const Step& pivot = steps[reading.pivot];
  const std::string& literal = steps[reading.pivot + 1].text;
  const Fields before = fields;
  const char* from = at;
  for (int tries = 0; tries < kMostTries; ++tries) {
    const auto* to =
        static_cast<const char*>(memmem(from, static_cast<std::size_t>(end - from), literal.data(), literal.size()));
    if (to == nullptr) return false;
    if (forward(steps + reading.pivot + 1, last, to, end, fields) == end) {
      keep_open(pivot, between(at, to), fields);
      return true;
    }
    fields = before;
    from = to + 1;
  }
  return false;
}

}  // namespace

const char* skip_field(const Step& step, const char* at, const char* end) {
  if (step.type == FieldType::set) {
    const char* const to = end_of_run(step, at, end);
    return to == at && !step.may_miss ? nullptr : to;
  }
  Fields unused;
  return forward_field(step, at, end, unused);
}

bool holds_odd_bytes(const Fields& fields) {
  return std::any_of(fields.open.begin(), fields.open.end(),
                     [](char c) { return !kPlain[static_cast<unsigned char>(c)]; });
}

bool match_rest(const Reading& reading, std::size_t step, std::size_t bytes, const char* at, const char* end,
                Fields& fields) {
  const Step* const steps = reading.steps.data();
  const Step* const last = steps + reading.steps.size();
  const Step* begin = steps + step;
  if (bytes > 0) {
    const std::string& text = begin->text;
    if (static_cast<std::size_t>(end - at) < text.size() - bytes ||
        !equal_bytes(at, text.data() + bytes, text.size() - bytes))
      return false;
    at += text.size() - bytes;
    ++begin;
  }
  if (reading.pivot == Reading::kNoPivot) return forward(begin, last, at, end, fields) == end;
  const Step* const pivot = steps + reading.pivot;
  if (begin != pivot) at = forward(begin, pivot, at, end, fields);
  if (at == nullptr) return false;
  if (reading.anchor == Anchor::first) return match_first(reading, at, end, fields);
  const char* const to = pivot + 1 == last ? end : backward(pivot + 1, last, at, end, fields);
  if (to == nullptr) return false;
  keep_open(*pivot, between(at, to), fields);
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
              if (step.set[static_cast<unsigned char>(candidate)]) {
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
