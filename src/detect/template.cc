// Parsing and checking. A template is parsed to a tree; groups that hold an open field, and groups at the very beginning,
// are multiplied out, so that each reading is flat: closed steps, at most one open field that takes what is left, closed
// steps. What remains of groups is closed, and closed steps have one reading only.
#include "detect/template.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <span>

namespace tipstaff {
namespace {

constexpr std::size_t kMostReadings = 128;
constexpr int kDeepest = 8;

ByteSet bytes_of(std::string_view bytes) {
  ByteSet set;
  for (const char c : bytes) set.set(static_cast<unsigned char>(c));
  return set;
}

ByteSet range(char from, char to) {
  ByteSet set;
  for (int c = static_cast<unsigned char>(from); c <= static_cast<unsigned char>(to); ++c)
    set.set(static_cast<std::size_t>(c));
  return set;
}

const ByteSet& digits() {
  static const ByteSet set = range('0', '9');
  return set;
}
const ByteSet& letters() {
  static const ByteSet set = range('a', 'z') | range('A', 'Z') | digits();
  return set;
}
// What an address, or a host name where one may stand, can consist of.
const ByteSet& name_bytes() {
  static const ByteSet set = letters() | bytes_of("._:%-");
  return set;
}

void take_bytes(Step& step, const ByteSet& set) { step.bytes = std::make_shared<const FieldBytes>(set); }

// --- parsing ---------------------------------------------------------------------------------------------------------

struct Parser {
  std::string_view text;
  std::size_t at = 0;
  std::string error;

  [[nodiscard]] bool done() const { return at >= text.size(); }

  std::vector<Step> sequence(int depth) {
    std::vector<Step> steps;
    if (depth > kDeepest) {
      error = fmt::format("groups nest deeper than {}", kDeepest);
      return steps;
    }
    const auto literal = [&](char c) {
      if (steps.empty() || steps.back().kind != Step::Kind::literal) steps.emplace_back();
      steps.back().text += c;
    };
    while (error.empty() && !done()) {
      const char c = text[at];
      if (c == ']' || c == ')' || c == '|') break;
      ++at;
      if (c == '\\') {
        if (done()) {
          error = "ends with a lone \\";
          break;
        }
        literal(text[at++]);
      } else if (c == '[' || c == '(') {
        steps.push_back(group(c == '[' ? ']' : ')', depth));
      } else if (c == '{') {
        steps.push_back(field());
      } else if (c == '}') {
        error = "has a } without {; write \\} for a literal one";
      } else {
        literal(c);
      }
    }
    return steps;
  }

  Step group(char close, int depth) {
    Step step;
    step.kind = Step::Kind::group;
    step.may_miss = close == ']';
    while (error.empty()) {
      step.branches.push_back(sequence(depth + 1));
      if (!error.empty()) break;
      if (done()) {
        error = fmt::format("lacks a {}", close);
        break;
      }
      const char c = text[at++];
      if (c == close) break;
      if (c != '|') {
        error = fmt::format("has {} where {} should close the group", c, close);
        break;
      }
    }
    std::erase_if(step.branches, [&](const std::vector<Step>& branch) {
      if (branch.empty()) step.may_miss = true;
      return branch.empty();
    });
    if (error.empty() && step.branches.empty()) error = "has an empty group";
    for (const auto& branch : step.branches) {
      for (const Step& inner : branch) step.keeps = step.keeps || inner.keeps || inner.slot != Slot::none;
    }
    return step;
  }

  Step field() {
    std::string body;
    bool set = false;
    while (!done() && (text[at] != '}' || set)) {
      if (text[at] == '[') set = true;
      if (text[at] == '\\' && at + 1 < text.size())
        body += text[at++];
      else if (text[at] == ']')
        set = false;
      body += text[at++];
    }
    Step step;
    step.kind = Step::Kind::field;
    if (done()) {
      error = "has a { without }";
      return step;
    }
    ++at;
    const std::size_t colon = body.find(':');
    const std::string name = body.substr(0, colon);
    std::string type = colon == std::string::npos ? std::string() : body.substr(colon + 1);
    struct Name {
      std::string_view name;
      Slot slot;
      std::string_view type;
    };
    static constexpr std::array<Name, 8> kNames = {{{"", Slot::none, ""},
                                                    {"address", Slot::address, "address"},
                                                    {"port", Slot::port, "number"},
                                                    {"account", Slot::account, "open"},
                                                    {"extra", Slot::extra, "word"},
                                                    {"count", Slot::count, "number"},
                                                    {"service", Slot::service, "token"},
                                                    {"session", Slot::session, "token"}}};
    const auto* known = std::find_if(kNames.begin(), kNames.end(), [&](const Name& n) { return n.name == name; });
    if (known == kNames.end()) {
      error = fmt::format(
          "has an unknown field {{{}}}; there are address, port, account, extra, count, service, session", name);
      return step;
    }
    step.slot = known->slot;
    if (type.empty()) type = known->type;
    set_type(step, type);
    const bool address_type =
        step.type == FieldType::address || step.type == FieldType::endpoint || step.type == FieldType::peer;
    if (error.empty() && step.slot == Slot::address && !address_type)
      error = "reads {address} with a type that is none of address, endpoint, peer";
    return step;
  }

  void set_type(Step& step, std::string_view type) {
    if (type == "address") {
      step.type = FieldType::address;
    } else if (type == "endpoint") {
      step.type = FieldType::endpoint;
    } else if (type == "peer") {
      step.type = FieldType::peer;
    } else if (type == "number") {
      step.type = FieldType::number;
      static const auto kDigits = std::make_shared<const FieldBytes>(digits());
      step.bytes = kDigits;
    } else if (type == "request") {
      step.type = FieldType::request;
    } else if (type == "open" || type == "rest") {
      step.type = FieldType::open;
      step.may_miss = true;
    } else if (type == "word") {
      static const auto kWord = std::make_shared<const FieldBytes>(~bytes_of(" "));
      step.bytes = kWord;
    } else if (type == "token") {
      take_bytes(step, letters() | bytes_of("_./+@-"));
    } else if (type.size() > 2 && type[0] == '[') {
      step.may_miss = type.back() == '*';
      if (step.may_miss) type.remove_suffix(1);
      if (type.back() != ']') {
        error = fmt::format("has a byte set without ]: {}", type);
        return;
      }
      take_bytes(step, byte_set(type.substr(1, type.size() - 2)));
    } else {
      error = fmt::format(
          "has a field of unknown type '{}'; there are address, endpoint, peer, number, word, token, request, open, "
          "rest and [...]",
          type);
    }
  }

  static ByteSet byte_set(std::string_view body) {
    ByteSet set;
    const bool all_but = body.starts_with('^');
    if (all_but) body.remove_prefix(1);
    for (std::size_t i = 0; i < body.size(); ++i) {
      if (body[i] == '\\' && i + 1 < body.size()) {
        set.set(static_cast<unsigned char>(body[++i]));
      } else if (i + 2 < body.size() && body[i + 1] == '-') {
        set |= range(body[i], body[i + 2]);
        i += 2;
      } else {
        set.set(static_cast<unsigned char>(body[i]));
      }
    }
    return all_but ? ~set : set;
  }
};

// --- multiplying out ---------------------------------------------------------------------------------------------------

bool is_open(const Step& step) { return step.kind == Step::Kind::field && step.type == FieldType::open; }

template <class Test>
bool holds(const Step& step, Test test) {
  if (test(step)) return true;
  for (const auto& branch : step.branches) {
    if (std::any_of(branch.begin(), branch.end(), [&](const Step& inner) { return holds(inner, test); })) return true;
  }
  return false;
}

bool holds_open(const Step& step) { return holds(step, is_open); }
bool holds_address(const Step& step) {
  return holds(step, [](const Step& s) { return s.kind == Step::Kind::field && s.slot == Slot::address; });
}

void append(std::vector<Step>& flat, const Step& step) {
  if (step.kind == Step::Kind::literal && !flat.empty() && flat.back().kind == Step::Kind::literal) {
    flat.back().text += step.text;
  } else {
    flat.push_back(step);
  }
}

// All flat sequences; stops growing beyond the limit, which the caller checks.
std::vector<std::vector<Step>> multiply(const std::vector<Step>& steps, bool at_front) {
  std::vector<std::vector<Step>> all(1);
  for (const Step& step : steps) {
    const bool open = holds_open(step);
    const auto splits = [&](const std::vector<Step>& flat) {
      return step.kind == Step::Kind::group && (open || (at_front && flat.empty()));
    };
    if (std::none_of(all.begin(), all.end(), splits)) {
      for (auto& flat : all) append(flat, step);
      continue;
    }
    std::vector<std::vector<Step>> next;
    for (auto& flat : all) {
      if (!splits(flat)) {
        next.push_back(std::move(flat));
        append(next.back(), step);
        continue;
      }
      for (const auto& branch : step.branches) {
        for (const auto& inner : multiply(branch, at_front && flat.empty())) {
          next.push_back(flat);
          for (const Step& s : inner) append(next.back(), s);
        }
      }
      if (step.may_miss) next.push_back(std::move(flat));
      if (next.size() > kMostReadings) return next;
    }
    all = std::move(next);
  }
  return all;
}

// --- checking ----------------------------------------------------------------------------------------------------------

// Bytes a field may take at all; what stands next to it must not begin (or end) with one.
ByteSet taken(const Step& field) {
  switch (field.type) {
    case FieldType::address:
      return letters() | bytes_of("%_-");
    case FieldType::endpoint:
      return letters() | bytes_of("%_-:");
    case FieldType::peer:
      return name_bytes();
    case FieldType::request:
    case FieldType::open:
      return {};
    default:
      return field.set();
  }
}

// First bytes (or last ones, backwards) of what stands at `from`; `fields_touch` is set where a field may stand there.
ByteSet edge(std::span<const Step> steps, std::size_t from, bool backwards, bool& fields_touch) {
  ByteSet set;
  for (std::size_t i = from; i < steps.size(); backwards ? --i : ++i) {
    const Step& step = steps[i];
    if (step.kind == Step::Kind::literal) {
      set.set(static_cast<unsigned char>(backwards ? step.text.back() : step.text.front()));
      return set;
    }
    if (step.kind == Step::Kind::field) {
      fields_touch = true;
      return set;
    }
    for (const auto& branch : step.branches)
      set |= edge(branch, backwards ? branch.size() - 1 : 0, backwards, fields_touch);
    if (!step.may_miss) return set;
  }
  return set;
}

std::string check_closed(std::span<const Step> steps, bool backwards) {
  for (std::size_t i = 0; i < steps.size(); ++i) {
    const Step& step = steps[i];
    for (const auto& branch : step.branches) {
      if (auto problem = check_closed(branch, backwards); !problem.empty()) return problem;
    }
    if (step.kind != Step::Kind::field || is_open(step)) continue;
    if (backwards && step.type == FieldType::request)
      return "reads a {request} from the right; it must stand before the open field, or the anchor be first";
    bool touch = false;
    const ByteSet beside = edge(steps, backwards ? i - 1 : i + 1, backwards, touch);
    if (touch) return "has two fields that touch; put a literal between them";
    if ((beside & taken(step)).any())
      return "has a field whose bytes include the beginning of what follows; give it a narrower type such as [^,]";
  }
  return {};
}

std::string check(Reading& reading, Anchor anchor) {
  auto& steps = reading.steps;
  if (steps.empty() || steps.front().kind != Step::Kind::literal)
    return "must begin with a literal, so that a line is found by its first word";
  reading.prefix = steps.front().text;
  std::vector<std::size_t> opens;
  std::size_t address = Reading::kNoPivot;
  for (std::size_t i = 0; i < steps.size(); ++i) {
    if (is_open(steps[i])) opens.push_back(i);
    if (!holds_address(steps[i])) continue;
    if (address != Reading::kNoPivot) return "reads {address} twice";
    address = i;
  }
  const auto before = static_cast<std::size_t>(std::count_if(
      opens.begin(), opens.end(), [&](std::size_t i) { return address != Reading::kNoPivot && i < address; }));
  const std::size_t after = opens.size() - before;
  if (address != Reading::kNoPivot && before > 0) {
    if (after > 0)
      return "has open fields on both sides of the address: whoever writes them could move it. Split the pattern, with "
             "a closed account in one of them";
    if (anchor == Anchor::none) {
      return "has an open field before the address, so a forged line has a leftmost and a rightmost reading: name "
             "anchor = \"first\" or \"last\", the reason and a forged example";
    }
    if (anchor == Anchor::first && before > 1)
      return "has two open fields before the address; with anchor = \"first\" there may be one";
    reading.open_before_address = true;
    reading.anchor = anchor;
  }
  for (std::size_t n = 0; n < opens.size(); ++n) {
    const std::size_t i = opens[n];
    const bool last = n + 1 == opens.size();
    if (i + 1 < steps.size() && steps[i + 1].kind == Step::Kind::field)
      return "has two fields that touch; put a literal between them";
    if ((!last || reading.anchor == Anchor::first) &&
        (i + 1 >= steps.size() || steps[i + 1].kind != Step::Kind::literal)) {
      return "has an open field without a literal behind it";
    }
  }
  if (!opens.empty()) reading.pivot = opens.back();
  const bool all_forward = reading.pivot == Reading::kNoPivot || reading.anchor == Anchor::first;
  const std::span<const Step> all(steps);
  const std::size_t split = all_forward ? all.size() : reading.pivot + 1;
  if (auto problem = check_closed(all.first(split), false); !problem.empty()) return problem;
  return check_closed(all.subspan(split), true);
}

// --- ops ---------------------------------------------------------------------------------------------------------------

Op::Kind kind_of(const Step& step) {
  if (step.kind == Step::Kind::literal) return Op::Kind::literal;
  if (step.kind == Step::Kind::group) return Op::Kind::group;
  switch (step.type) {
    case FieldType::address:
      return Op::Kind::address;
    case FieldType::endpoint:
      return Op::Kind::endpoint;
    case FieldType::peer:
      return Op::Kind::peer;
    case FieldType::number:
      return Op::Kind::number;
    case FieldType::request:
      return Op::Kind::request;
    case FieldType::open:
      return Op::Kind::open;
    case FieldType::set:
      break;
  }
  const std::size_t lacking = step.set().size() - step.set().count();
  return lacking == 1 || lacking == 2 ? Op::Kind::all_but : Op::Kind::set;
}

struct Sizes {
  std::size_t ops = 0;
  std::size_t branches = 0;
  std::size_t bytes = 0;

  void add(const std::vector<Step>& steps) {
    ops += steps.size();
    for (const Step& step : steps) {
      bytes += step.text.size();
      branches += step.branches.size();
      for (const auto& branch : step.branches) add(branch);
    }
  }
};

}  // namespace

FieldBytes::FieldBytes(const ByteSet& bytes) : set(bytes) {
  for (std::size_t c = set._Find_first(); c < set.size(); c = set._Find_next(c)) table[c] = true;
}

Ops::Ops(const std::vector<Step>& steps) : size_(steps.size()) {
  Sizes all;
  all.add(steps);
  ops_.reserve(all.ops);
  branches_.reserve(all.branches);
  bytes_.reserve(all.bytes);
  ops_.resize(size_);
  write(steps, 0);
}

void Ops::write(const std::vector<Step>& steps, std::size_t to) {
  for (const Step& step : steps) {
    Op& op = ops_[to++];
    op.kind = kind_of(step);
    op.slot = step.slot;
    op.may_miss = step.may_miss;
    op.keeps = step.keeps;
    if (op.kind == Op::Kind::literal) {
      op.size = static_cast<std::uint32_t>(step.text.size());
      op.text = bytes_.data() + bytes_.size();
      bytes_ += step.text;
    } else if (op.kind == Op::Kind::all_but) {
      const ByteSet lacking = ~step.set();
      const std::size_t first = lacking._Find_first();
      op.stop = static_cast<char>(first);
      const std::size_t next = lacking._Find_next(first);
      op.other_stop = next < lacking.size() ? static_cast<char>(next) : op.stop;
    } else if (op.kind == Op::Kind::set) {
      op.table = &step.bytes->table;
    } else if (op.kind == Op::Kind::group) {
      op.size = static_cast<std::uint32_t>(step.branches.size());
      std::size_t range = branches_.size();
      branches_.resize(range + step.branches.size());
      op.branches = branches_.data() + range;
      for (const auto& branch : step.branches) {
        const std::size_t first = ops_.size();
        ops_.resize(first + branch.size());
        branches_[range++] = {ops_.data() + first, ops_.data() + first + branch.size()};
        write(branch, first);
      }
    }
  }
}

Result<std::vector<Reading>> compile_template(std::string_view text, Anchor anchor) {
  Parser parser{text, 0, {}};
  const std::vector<Step> tree = parser.sequence(0);
  if (parser.error.empty() && !parser.done())
    parser.error =
        fmt::format("has a {} that closes nothing; write \\{} for a literal one", text[parser.at], text[parser.at]);
  if (!parser.error.empty()) return fail(ErrorKind::invalid, "the template " + parser.error);
  std::vector<Reading> readings;
  for (auto& flat : multiply(tree, true)) {
    if (readings.size() >= kMostReadings)
      return fail(ErrorKind::invalid,
                  fmt::format("the template stands for more than {} readings; split the pattern", kMostReadings));
    Reading reading;
    reading.steps = std::move(flat);
    if (auto problem = check(reading, anchor); !problem.empty())
      return fail(ErrorKind::invalid, "the template " + problem);
    reading.steps.shrink_to_fit();
    reading.ops = std::make_shared<const Ops>(reading.steps);
    reading.first = reading.ops->begin();
    reading.last = reading.ops->end();
    readings.push_back(std::move(reading));
  }
  return readings;
}

}  // namespace tipstaff
