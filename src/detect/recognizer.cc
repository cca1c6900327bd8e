// Each set of detectors that some program's lines go to has one trie over the closed steps its readings begin with:
// literals, byte by byte, and closed fields, as far as it takes to tell the readings apart. A line walks down it once;
// the readings found on the way are tried in the order of the files, and the first that fits holds. Only where an open field holds
// odd bytes, and some reading has one before its address, are all readings compared: if they name different addresses,
// the line has none.
#include "detect/recognizer.h"

#include <algorithm>
#include <array>
#include <cstring>

#include "base/hash.h"
#include "base/text.h"
#include "detect/expression.h"

namespace tipstaff {
namespace {

constexpr std::size_t kSlots = 256;          // as many as program_for() can address
constexpr std::size_t kMostPrograms = 4096;  // names are the log's, but a log may be hostile

constexpr std::string_view kContainer = "(container)";  // a bare line out of a container's log

std::string_view layout_name(Layout layout) {
  switch (layout) {
    case Layout::access:
      return "(access)";
    case Layout::apache_error:
      return "(apache-error)";
    case Layout::nginx_error:
      return "(nginx-error)";
    case Layout::ctime:
      return "(ctime)";
    case Layout::none:
    case Layout::syslog:
      return "";
  }
  return "";
}

// Begin and end of a name as one word; for up to eight bytes, and together with the size, that is all of it. `behind`:
// bytes that can be read behind the name.
std::uint64_t ends_of(std::string_view name, std::size_t behind) {
  if (name.size() + behind < 8 || name.empty()) return word_of(name.data(), name.size());
  std::uint64_t head = 0;
  std::memcpy(&head, name.data(), 8);
  if (name.size() <= 8) return head & (~0ULL >> (8 * (8 - name.size())));
  std::uint64_t tail = 0;
  std::memcpy(&tail, name.data() + name.size() - 8, 8);
  return head ^ tail * 31;
}

// "message repeated N times: [ text]": takes the text out and gives N; 1 where it is no such line (or N makes no sense).
std::uint32_t unwrap_repeated(std::string_view& message) {
  static constexpr std::string_view kHead = "message repeated ";
  static constexpr std::string_view kMiddle = " times: [";
  if (!message.starts_with(kHead) || !message.ends_with(']')) return 1;
  std::size_t at = kHead.size();
  std::uint32_t times = 0;
  while (at < message.size() && at < kHead.size() + 6 && message[at] >= '0' && message[at] <= '9')
    times = times * 10 + static_cast<std::uint32_t>(message[at++] - '0');
  if (times == 0 || !message.substr(at).starts_with(kMiddle)) return 1;
  message = message.substr(at + kMiddle.size());
  message.remove_suffix(1);
  while (message.starts_with(' ')) message.remove_prefix(1);
  while (message.ends_with(' ')) message.remove_suffix(1);
  return times;
}

}  // namespace

struct Recognizer::Entry {
  const Detector* detector;
  const Pattern* pattern;
  const Reading* reading;
  Kind kind;
  bool compare;         // odd fields call for a look at all readings
  std::uint32_t order;  // of the files
  bool decides = true;  // no reading that comes before it in the files can fit the same line
  // The bytes by which it is found before the trie is walked, 8 or 4, if those readings that come before it and can fit the
  // same line are found by as many or more; else 0.
  std::size_t head = 0;
  bool prefix_suffices = false;  // harmless, and behind its beginning anything may follow
  // Where match() reads on: so many steps, and bytes of the next one, are read by the trie and hold nothing to be kept.
  std::size_t step = 0;
  std::size_t bytes = 0;
};

// A reading that fits as far as the trie goes, and the place in the message up to which it does.
struct Recognizer::Candidate {
  const Entry* entry;
  const char* at;
};

struct Recognizer::Trie {
  struct FieldEdge {
    const Step* field;
    const Op* op;  // the same
    std::uint32_t node;
  };
  struct Node {
    std::string label;   // read on the way to it
    std::string firsts;  // the first bytes of the children's labels
    std::vector<std::uint32_t> children;
    std::vector<FieldEdge> fields;
    std::vector<Entry> entries;
  };
  struct Shortcut {
    std::uint64_t head;
    std::uint64_t tail;  // of the prefix: what tells it from its neighbours
    std::string_view prefix;
    const Entry* entry;
  };
  // The readings that begin with a literal of some length, by its first bytes: tried in order before the trie is walked.
  struct Shortcuts {
    std::size_t head;  // bytes, as Entry::head
    std::array<std::vector<Shortcut>, 64> buckets;

    [[nodiscard]] std::uint64_t word_at(const char* at) const {
      std::uint64_t word = 0;
      if (head == 8) {
        std::memcpy(&word, at, 8);
      } else {
        std::memcpy(&word, at, 4);
      }
      return word;
    }
    static std::size_t bucket_of(std::uint64_t word) { return (word * 0x9e3779b97f4a7c15ULL) >> 58U; }

    void add(const Entry& entry) {
      const std::string_view prefix = entry.reading->prefix;
      const std::uint64_t word = word_at(prefix.data());
      buckets[bucket_of(word)].push_back({word, word_at(prefix.data() + prefix.size() - head), prefix, &entry});
    }
    /// The first that fits, in the order of the files.
    const Entry* find(std::string_view message, Fields& fields) const {
      if (message.size() < head) return nullptr;
      const char* const end = message.data() + message.size();
      const std::uint64_t word = word_at(message.data());
      for (const Shortcut& one : buckets[bucket_of(word)]) {
        const std::size_t length = one.prefix.size();
        if (one.head != word || message.size() < length || word_at(message.data() + length - head) != one.tail ||
            !equal_bytes(message.data(), one.prefix.data(), length))
          continue;
        if (one.entry->prefix_suffices) return one.entry;
        if (match_rest(*one.entry->reading, 1, 0, message.data() + length, end, fields)) return one.entry;
        fields.clear();
      }
      return nullptr;
    }
  };
  std::vector<Node> nodes = std::vector<Node>(1);
  std::array<std::uint32_t, 256> roots{};
  std::array<Shortcuts, 2> shortcuts{{{8, {}}, {4, {}}}};
  std::size_t size = 0;                                                 // entries in all
  std::vector<std::pair<const Detector*, const Pattern*>> expressions;  // the patterns written as RE2

  void insert(const Entry& entry) {
    const auto& steps = entry.reading->steps;
    const std::size_t closed = entry.reading->pivot == Reading::kNoPivot ? steps.size() : entry.reading->pivot;
    std::uint32_t at = 0;
    for (std::size_t i = 0; i < closed; ++i) {
      const Step& step = steps[i];
      if (step.kind == Step::Kind::group || (step.kind == Step::Kind::field && step.type == FieldType::open)) break;
      at = step.kind == Step::Kind::literal ? literal_edge(at, step.text)
                                            : field_edge(at, step, (*entry.reading->ops)[i]);
    }
    nodes[at].entries.push_back(entry);
    ++size;
  }

  std::uint32_t field_edge(std::uint32_t at, const Step& step, const Op& op) {
    for (const FieldEdge& edge : nodes[at].fields) {
      const Step& known = *edge.field;
      if (known.type == step.type && known.may_miss == step.may_miss && known.set() == step.set()) return edge.node;
    }
    const auto child = static_cast<std::uint32_t>(nodes.size());
    nodes.emplace_back();
    nodes[at].fields.push_back({&step, &op, child});
    return child;
  }

  std::uint32_t literal_edge(std::uint32_t at, std::string_view rest) {
    while (!rest.empty()) {
      std::uint32_t next = 0;
      std::size_t common = 0;
      for (const std::uint32_t child : nodes[at].children) {
        const std::string& label = nodes[child].label;
        if (label[0] != rest[0]) continue;
        next = child;
        while (common < label.size() && common < rest.size() && label[common] == rest[common]) ++common;
        break;
      }
      if (next == 0) {
        next = static_cast<std::uint32_t>(nodes.size());
        nodes.emplace_back();
        nodes[next].label = rest;
        nodes[at].children.push_back(next);
        return next;
      }
      if (common < nodes[next].label.size()) {  // split the edge
        const auto lower = static_cast<std::uint32_t>(nodes.size());
        nodes.emplace_back();
        nodes[lower] = std::move(nodes[next]);
        nodes[next] = Node();
        nodes[next].label = rest.substr(0, common);
        nodes[next].children = {lower};
        nodes[lower].label.erase(0, common);
      }
      rest.remove_prefix(common);
      at = next;
    }
    return at;
  }

  void finish() {
    for (const std::uint32_t child : nodes[0].children)
      roots[static_cast<unsigned char>(nodes[child].label[0])] = child;
    std::vector<Entry*> all;
    for (auto& node : nodes) {
      for (auto& entry : node.entries) all.push_back(&entry);
    }
    // Two readings can fit one message only if one's beginning begins the other's: such stand side by side when sorted.
    const auto prefix_of = [](const Entry* entry) -> std::string_view { return entry->reading->prefix; };
    std::sort(all.begin(), all.end(), [&](auto* a, auto* b) { return prefix_of(a) < prefix_of(b); });
    std::vector<std::pair<Entry*, Entry*>> both;  // the later one of the files first
    for (std::size_t i = 0; i < all.size(); ++i) {
      const std::size_t long_enough = prefix_of(all[i]).size();
      all[i]->head = long_enough >= 8 ? 8 : long_enough >= 4 ? 4 : 0;
      const auto& steps = all[i]->reading->steps;
      all[i]->prefix_suffices = all[i]->kind == Kind::harmless && steps.size() == 2 &&
                                steps.back().kind == Step::Kind::field && steps.back().type == FieldType::open;
      for (std::size_t k = i + 1; k < all.size() && prefix_of(all[k]).starts_with(prefix_of(all[i])); ++k) {
        if (differ(all[i]->reading->steps, all[k]->reading->steps)) continue;
        const bool in_order = all[i]->order < all[k]->order;
        both.emplace_back(all[in_order ? k : i], all[in_order ? i : k]);
      }
    }
    std::sort(both.begin(), both.end(), [](auto& a, auto& b) { return a.first->order < b.first->order; });
    for (const auto& [later, earlier] : both) {
      if (earlier->reading->open_before_address || later->reading->open_before_address) {
        later->compare = later->compare || later->kind != Kind::harmless;
        earlier->compare = earlier->compare || earlier->kind != Kind::harmless;
      }
      later->decides = false;
      later->head = std::min(later->head, earlier->head);
    }
    for (const std::uint32_t child : nodes[0].children) shorten(child, 0, 0);
    for (auto& node : nodes) {
      for (const std::uint32_t child : node.children) node.firsts += nodes[child].label[0];
      for (const Entry& entry : node.entries) {
        for (Shortcuts& some : shortcuts) {
          if (some.head == entry.head) some.add(entry);
        }
      }
    }
    for (Shortcuts& some : shortcuts) {
      for (auto& bucket : some.buckets) {
        std::sort(bucket.begin(), bucket.end(),
                  [](const Shortcut& a, const Shortcut& b) { return a.entry->order < b.entry->order; });
      }
    }
  }

  // Whether two readings surely fit no common message: they read the same steps up to two literals of which neither begins
  // the other.
  static bool differ(const std::vector<Step>& a, const std::vector<Step>& b) {
    for (std::size_t i = 0; i < a.size() && i < b.size(); ++i) {
      if (a[i].kind != b[i].kind || a[i].kind == Step::Kind::group) return false;
      if (a[i].kind == Step::Kind::literal) {
        const std::string_view one = a[i].text;
        const std::string_view other = b[i].text;
        if (!one.starts_with(other) && !other.starts_with(one)) return true;
        if (one != other) return false;
      } else if (a[i].type == FieldType::open || a[i].type != b[i].type || a[i].set() != b[i].set() ||
                 a[i].may_miss != b[i].may_miss) {
        return false;
      }
    }
    return false;
  }

  // Where only one reading is left, the rest of the way says nothing that match() does not say again. `fields` and `bytes`:
  // fields on the way to the node's label, and bytes of literals since the last one.
  std::vector<Entry> shorten(std::uint32_t at, std::size_t fields, std::size_t bytes) {
    bytes += nodes[at].label.size();
    for (Entry& entry : nodes[at].entries) set_place(entry, fields, bytes);
    std::vector<Entry> below = nodes[at].entries;
    const auto take = [&](const std::vector<Entry>& more) { below.insert(below.end(), more.begin(), more.end()); };
    for (const std::uint32_t child : nodes[at].children) take(shorten(child, fields, bytes));
    for (const FieldEdge& edge : nodes[at].fields) take(shorten(edge.node, fields + 1, 0));
    if (below.size() == 1) {
      set_place(below.front(), fields, bytes);
      nodes[at].entries = below;
      nodes[at].children.clear();
      nodes[at].fields.clear();
    }
    return below;
  }

  // The place in the reading's steps that lies so far on its way; the beginning if a field on the way is kept.
  static void set_place(Entry& entry, std::size_t fields, std::size_t bytes) {
    const auto& steps = entry.reading->steps;
    entry.step = entry.bytes = 0;
    std::size_t step = 0;
    for (; fields > 0; ++step) {
      if (steps[step].kind != Step::Kind::field) continue;
      if (steps[step].slot != Slot::none) return;
      --fields;
    }
    entry.step = step;
    entry.bytes = bytes;
  }

  // Goes the ways of a message and tells `visit` of each reading on them; ends when that says so.
  template <class Visit>
  bool walk(const Node* node, const char* at, const char* end, const Visit& visit) const {
    for (const Entry& entry : node->entries) {
      if (visit(entry, at)) return true;
    }
    if (at == end) return false;
    if (const Node* const next = child_of(*node, *at)) {
      const std::size_t length = next->label.size();
      const bool fits = static_cast<std::size_t>(end - at) >= length && equal_bytes(at, next->label.data(), length);
      if (fits && walk(next, at + length, end, visit)) return true;
    }
    for (const FieldEdge& edge : node->fields) {
      const char* const behind = skip_field(*edge.op, at, end);
      if (behind != nullptr && walk(&nodes[edge.node], behind, end, visit)) return true;
    }
    return false;
  }

  const Node* child_of(const Node& node, char byte) const {
    if (&node == nodes.data()) {
      const std::uint32_t root = roots[static_cast<unsigned char>(byte)];
      return root == 0 ? nullptr : &nodes[root];
    }
    for (std::size_t child = 0; child < node.firsts.size(); ++child) {
      if (node.firsts[child] == byte) return &nodes[node.children[child]];
    }
    return nullptr;
  }
};

struct Recognizer::Program {
  std::vector<const Detector*> named;  // the detectors that name it
  const Trie* trie = nullptr;
  const Detector* requests = nullptr;  // its columns are those of a web access log, if it has them
  bool own = false;                    // its name belongs to the message
  bool quiet = false;                  // it never writes of a login

  [[nodiscard]] bool may_begin(std::string_view message) const {
    if (quiet) return false;
    if (own || requests != nullptr || !trie->expressions.empty()) return true;
    return !message.empty() && (message[0] == 'm' || trie->roots[static_cast<unsigned char>(message[0])] != 0);
  }
};

struct Recognizer::ProgramSlot {
  std::uint64_t ends = 0;  // of the name
  std::string name;
  Program* program = nullptr;
};

Recognizer::Recognizer(const DetectorSet& detectors, RecognizerOptions options)
    : detectors_(detectors), options_(std::move(options)), slots_(kSlots) {}
Recognizer::~Recognizer() = default;
Recognizer::Recognizer(Recognizer&&) noexcept = default;

Recognizer::Trie& Recognizer::trie_for(const std::vector<const Detector*>& readers) {
  for (auto& [key, trie] : tries_) {
    if (key == readers) return *trie;
  }
  auto trie = std::make_unique<Trie>();
  std::uint32_t order = 0;
  for (const Detector* detector : readers) {
    for (const Pattern& pattern : detector->patterns) {
      const bool counts = pattern.if_setting.empty() || options_.settings.contains(pattern.if_setting);
      const Kind kind = counts ? pattern.kind : Kind::harmless;
      for (const Reading& reading : pattern.readings)
        trie->insert({detector, &pattern, &reading, kind, false, order++});
      if (pattern.regex) trie->expressions.emplace_back(detector, &pattern);
    }
  }
  trie->finish();
  candidates_.resize(std::max(candidates_.size(), trie->size + 1));
  return *tries_.emplace_back(readers, std::move(trie)).second;
}

Recognizer::Program& Recognizer::make_program(const Header& header, std::string_view name) {
  auto program = std::make_unique<Program>();
  const bool everything = name == kContainer;  // its program is not said
  std::vector<const Detector*> readers;
  const auto add = [&](const Detector* detector) {
    if (detector != nullptr && std::find(readers.begin(), readers.end(), detector) == readers.end())
      readers.push_back(detector);
  };
  for (const auto& detector : detectors_) {
    const auto fits = [&](const std::string& glob) { return glob_match(glob, name); };
    const bool own = std::any_of(detector->own_programs.begin(), detector->own_programs.end(), fits);
    bool named =
        own || (!name.empty() && std::any_of(detector->programs.begin(), detector->programs.end(), fits)) || everything;
    for (const Layout layout : detector->layouts) named = named || (header.program.empty() && layout == header.layout);
    if (!options_.service.empty()) named = detector->name == options_.service;
    if (!named) continue;
    const auto& quiet = detector->quiet_programs;
    program->quiet = program->quiet || (options_.service.empty() && std::any_of(quiet.begin(), quiet.end(), fits));
    program->own = program->own || own || !options_.service.empty();
    program->named.push_back(detector.get());
    add(detector.get());
    if (!detector->requests.empty()) program->requests = detector.get();
    for (const auto& included : detector->includes) add(find_detector(detectors_, included));
  }
  if (options_.service.empty() && !name.empty() && !everything) {
    for (const auto& detector : detectors_) {
      if (detector->any_program) add(detector.get());
    }
  }
  program->trie = &trie_for(readers);
  if (programs_.size() >= kMostPrograms) {
    programs_.clear();
    for (auto& slot : slots_) slot.program = nullptr;
  }
  return *programs_.insert_or_assign(std::string(name), std::move(program)).first->second;
}

Recognizer::Program& Recognizer::program_for(const Header& header) {
  const std::string_view name = !header.program.empty()                             ? header.program
                                : header.contained && header.layout == Layout::none ? kContainer
                                                                                    : layout_name(header.layout);
  const bool read_on = header.from_program.data() == name.data();
  const std::uint64_t word = ends_of(name, read_on ? header.from_program.size() - name.size() : 0);
  ProgramSlot& slot = slots_[((word + name.size()) * 0x9e3779b97f4a7c15ULL) >> 56U];
  if (slot.program != nullptr && slot.ends == word && slot.name.size() == name.size() &&
      (name.size() <= 8 || equal_bytes(slot.name.data(), name.data(), name.size())))
    return *slot.program;
  const auto known = programs_.find(std::string(name));
  Program& program = known != programs_.end() ? *known->second : make_program(header, name);
  slot.ends = word;
  slot.name = name;
  slot.program = &program;
  return program;
}

bool Recognizer::find_reading(const Trie& trie, std::string_view message, Finding& finding) {
  const char* const end = message.data() + message.size();
  const auto fits = [&](const Entry& entry, const char* at, Fields& fields) {
    const bool good = entry.step + entry.bytes == 0
                          ? match(*entry.reading, message, fields)
                          : match_rest(*entry.reading, entry.step, entry.bytes, at, end, fields);
    if (!good) fields.clear();
    return good;
  };
  // What decides is tried at once; of the others the first in the order of the files that fits holds.
  const Entry* found = nullptr;
  for (const auto& shortcuts : trie.shortcuts) {
    if (found == nullptr) found = shortcuts.find(message, finding.fields);
  }
  Candidate* const first = candidates_.data();
  Candidate* last = first;
  if (found == nullptr)
    trie.walk(trie.nodes.data(), message.data(), end, [&](const Entry& entry, const char* at) {
      if (!entry.decides) {
        *last++ = {&entry, at};
        return false;
      }
      if (fits(entry, at, finding.fields)) found = &entry;
      return found != nullptr;
    });
  if (found == nullptr) {
    std::sort(first, last, [](const Candidate& a, const Candidate& b) { return a.entry->order < b.entry->order; });
    for (const Candidate* one = first; one < last && found == nullptr; ++one) {
      if (fits(*one->entry, one->at, finding.fields)) found = one->entry;
    }
  }
  if (found == nullptr) return false;
  if (found->compare && finding.fields.has_address && holds_odd_bytes(finding.fields)) {
    trie.walk(trie.nodes.data(), message.data(), end, [&](const Entry& entry, const char* at) {
      Fields other;
      if (&entry != found && fits(entry, at, other) && other.has_address && other.address != finding.fields.address)
        finding.ambiguous = true;
      return finding.ambiguous;
    });
    if (finding.ambiguous) finding.fields.has_address = false;
  }
  if (finding.fields.extra.empty()) finding.fields.extra = found->pattern->extra;
  finding.detector = found->detector;
  finding.pattern = found->pattern;
  finding.kind = found->kind;
  return true;
}

void Recognizer::read_message(const Program& program, std::string_view message, Finding& finding) {
  if (find_reading(*program.trie, message, finding)) return;
  for (const auto& [detector, pattern] : program.trie->expressions) {
    Fields fields;
    if (!match_expression(*pattern->regex, message, fields)) continue;
    finding.fields = fields;
    finding.detector = detector;
    finding.pattern = pattern;
    finding.kind =
        pattern->if_setting.empty() || options_.settings.contains(pattern->if_setting) ? pattern->kind : Kind::harmless;
    return;
  }
}

void Recognizer::recognize(const Header& header, Finding& finding) {
  const Program& program = program_for(header);
  std::string_view message = header.message;
  if (!program.may_begin(message)) {  // no reading begins so, as most lines of most programs
    if (finding.pattern != nullptr || finding.understood) finding.clear();
    finding.detector = program.named.empty() ? nullptr : program.named.front();
    finding.known_program = !program.named.empty();
    finding.understood = program.quiet;
    return;
  }
  finding.clear();
  finding.known_program = !program.named.empty();
  if (program.requests != nullptr) {
    WebRequest request;
    if (read_web_request(message, request)) {
      finding.detector = program.requests;
      finding.understood = true;
      finding.kind = judge_request(program.requests->requests, request);
      finding.ambiguous = !request.has_address;
      finding.fields.address = request.address;
      finding.fields.has_address = request.has_address;
      finding.fields.has_account = request.has_account;
      finding.fields.account = request.account;
      return;
    }
    if (header.layout == Layout::access) {
      finding.detector = program.requests;
      return;
    }
  }
  if (message.starts_with('m')) finding.repeat = unwrap_repeated(message);
  read_message(program, message, finding);
  if (finding.pattern == nullptr && program.own && header.from_program.size() != header.message.size())
    read_message(program, header.from_program, finding);
  finding.understood = finding.pattern != nullptr;
  if (program.named.empty()) return;
  // the line is the service's, also where an included detector read it
  if (finding.detector == nullptr ||
      std::find(program.named.begin(), program.named.end(), finding.detector) == program.named.end()) {
    finding.detector = program.named.front();
  }
}

}  // namespace tipstaff
