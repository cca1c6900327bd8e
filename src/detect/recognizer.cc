// Each set of detectors that some program's lines go to has one trie over the literals its readings begin with. A line
// walks down it once; the readings found on the way are tried in the order of the files, and the first that fits holds. Only where an open field holds
// odd bytes, and some reading has one before its address, are all readings compared: if they name different addresses,
// the line has none.
#include "detect/recognizer.h"

#include <re2/re2.h>

#include <algorithm>
#include <array>
#include <cstring>

#include "base/text.h"

namespace tipstaff {
namespace {

constexpr std::size_t kSlots = 256;
constexpr std::size_t kMostPrograms = 4096;  // names are the log's, but a log may be hostile

std::uint64_t hash_of(std::string_view text) {
  std::uint64_t head = 0;
  std::uint64_t tail = 0;
  const std::size_t part = std::min<std::size_t>(text.size(), 8);
  std::memcpy(&head, text.data(), part);
  std::memcpy(&tail, text.data() + text.size() - part, part);
  return (head ^ (tail * 0x9e3779b97f4a7c15ULL) ^ text.size()) * 0xbf58476d1ce4e5b9ULL;
}

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

// "message repeated N times: [ text]": takes the text out and gives N; 1 where it is no such line (or N makes no sense).
std::uint32_t unwrap_repeated(std::string_view& message) {
  static constexpr std::string_view kHead = "message repeated ";
  static constexpr std::string_view kMiddle = " times: [";
  if (!message.starts_with(kHead) || !message.ends_with(']')) return 1;
  std::size_t at = kHead.size();
  std::uint32_t times = 0;
  while (at < message.size() && at < kHead.size() + 6 && message[at] >= '0' && message[at] <= '9') times = times * 10 + static_cast<std::uint32_t>(message[at++] - '0');
  if (times == 0 || !message.substr(at).starts_with(kMiddle)) return 1;
  message = message.substr(at + kMiddle.size());
  message.remove_suffix(1);
  while (message.starts_with(' ')) message.remove_prefix(1);
  while (message.ends_with(' ')) message.remove_suffix(1);
  return times;
}

}  // namespace

struct Recognizer::Trie {
  struct Entry {
    const Detector* detector;
    const Pattern* pattern;
    const Reading* reading;
    Kind kind;
    bool compare;         // odd fields call for a look at all readings
    std::uint32_t order;  // of the files
  };
  struct Node {
    std::string label;
    std::vector<std::uint32_t> children;
    std::vector<Entry> entries;  // finish() adds those of the nodes above, and sorts
  };
  std::vector<Node> nodes = std::vector<Node>(1);
  std::array<std::uint32_t, 256> roots{};
  std::vector<std::pair<const Detector*, const Pattern*>> expressions;  // the patterns written as RE2

  void insert(const Entry& entry) {
    std::string_view rest = entry.reading->prefix;
    std::uint32_t at = 0;
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
        next = add(at, std::string(rest));
        common = rest.size();
      } else if (common < nodes[next].label.size()) {  // split the edge
        const auto lower = static_cast<std::uint32_t>(nodes.size());
        nodes.emplace_back();
        nodes[lower].label = nodes[next].label.substr(common);
        nodes[lower].children = std::move(nodes[next].children);
        nodes[lower].entries = std::move(nodes[next].entries);
        nodes[next].label.resize(common);
        nodes[next].children = {lower};
        nodes[next].entries.clear();
      }
      rest.remove_prefix(common);
      at = next;
    }
    nodes[at].entries.push_back(entry);
  }

  std::uint32_t add(std::uint32_t parent, std::string label) {
    const auto child = static_cast<std::uint32_t>(nodes.size());
    nodes.emplace_back();
    nodes[child].label = std::move(label);
    nodes[parent].children.push_back(child);
    return child;
  }

  void finish() {
    for (const std::uint32_t child : nodes[0].children) roots[static_cast<unsigned char>(nodes[child].label[0])] = child;
    std::vector<Entry*> all;
    for (auto& node : nodes) {
      for (auto& entry : node.entries) all.push_back(&entry);
    }
    for (auto* one : all) {
      for (const auto* other : all) {
        if (!other->reading->open_before_address) continue;
        const std::string& a = one->reading->prefix;
        const std::string& b = other->reading->prefix;
        if (a.starts_with(b) || b.starts_with(a)) one->compare = true;
      }
    }
    for (const std::uint32_t child : nodes[0].children) inherit(child, {});
  }

  void inherit(std::uint32_t at, const std::vector<Entry>& above) {
    auto& entries = nodes[at].entries;
    if (!entries.empty()) {
      entries.insert(entries.end(), above.begin(), above.end());
      std::sort(entries.begin(), entries.end(), [](const Entry& a, const Entry& b) { return a.order < b.order; });
    }
    for (const std::uint32_t child : nodes[at].children) inherit(child, entries.empty() ? above : entries);
  }

  // The last node with entries on the way of `message`; null: none.
  const Node* walk(std::string_view message) const {
    const Node* last = nullptr;
    const char* at = message.data();
    const char* const end = at + message.size();
    if (at == end) return nullptr;
    std::uint32_t next = roots[static_cast<unsigned char>(*at)];
    while (next != 0) {
      const Node& node = nodes[next];
      if (static_cast<std::size_t>(end - at) < node.label.size() || std::memcmp(at, node.label.data(), node.label.size()) != 0) break;
      at += node.label.size();
      if (!node.entries.empty()) last = &node;
      next = 0;
      if (at == end) break;
      for (const std::uint32_t child : node.children) {
        if (nodes[child].label[0] == *at) {
          next = child;
          break;
        }
      }
    }
    return last;
  }
};

struct Recognizer::Program {
  std::vector<const Detector*> named;  // the detectors that name it
  const Trie* trie = nullptr;
  const Detector* requests = nullptr;  // reads it as a web access log
  bool own = false;                    // its name belongs to the message
};

struct Recognizer::ProgramSlot {
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
      for (const Reading& reading : pattern.readings) trie->insert({detector, &pattern, &reading, kind, false, order++});
      if (pattern.regex) trie->expressions.emplace_back(detector, &pattern);
    }
  }
  trie->finish();
  return *tries_.emplace_back(readers, std::move(trie)).second;
}

Recognizer::Program& Recognizer::make_program(const Header& header) {
  const std::string name = header.program.empty() ? std::string(layout_name(header.layout)) : std::string(header.program);
  auto program = std::make_unique<Program>();
  const bool everything = header.contained && name.empty();  // a bare line of a container: its program is not said
  std::vector<const Detector*> readers;
  const auto add = [&](const Detector* detector) {
    if (detector != nullptr && std::find(readers.begin(), readers.end(), detector) == readers.end()) readers.push_back(detector);
  };
  for (const auto& detector : detectors_) {
    const auto fits = [&](const std::string& glob) { return glob_match(glob, name); };
    const bool own = std::any_of(detector->own_programs.begin(), detector->own_programs.end(), fits);
    bool named = own || (!name.empty() && std::any_of(detector->programs.begin(), detector->programs.end(), fits)) || (everything && !detector->any_program);
    for (const Layout layout : detector->layouts) named = named || (header.program.empty() && layout == header.layout);
    if (!options_.service.empty()) named = detector->name == options_.service;
    if (!named) continue;
    program->own = program->own || own || !options_.service.empty();
    program->named.push_back(detector.get());
    add(detector.get());
    if (!detector->requests.empty() && header.layout == Layout::access) program->requests = detector.get();
    for (const auto& included : detector->includes) add(find_detector(detectors_, included));
  }
  if (options_.service.empty() && !name.empty()) {
    for (const auto& detector : detectors_) {
      if (detector->any_program) add(detector.get());
    }
  }
  program->trie = &trie_for(readers);
  if (programs_.size() >= kMostPrograms) {
    programs_.clear();
    slots_.assign(kSlots, {});
  }
  return *programs_.insert_or_assign(name + (everything ? "(container)" : header.layout == Layout::access ? "(access)" : ""), std::move(program)).first->second;
}

Recognizer::Program& Recognizer::program_for(const Header& header) {
  const std::string_view name = header.program.empty() ? (header.contained && header.layout == Layout::none ? "(container)" : layout_name(header.layout)) : header.program;
  auto& slot = slots_[name.empty() ? 0 : (hash_of(name) >> 56U) % kSlots];
  if (slot.program != nullptr && slot.name == name) return *slot.program;
  const auto known = programs_.find(std::string(name));
  Program& program = known != programs_.end() ? *known->second : make_program(header);
  auto& fresh = slots_[name.empty() ? 0 : (hash_of(name) >> 56U) % kSlots];
  fresh.name = name;
  fresh.program = &program;
  return program;
}

bool Recognizer::find_reading(const Trie& trie, std::string_view message, Finding& finding) {
  const Trie::Node* const node = trie.walk(message);
  if (node == nullptr) return false;
  const Trie::Entry* found = nullptr;
  for (const auto& entry : node->entries) {
    finding.fields = Fields();
    if (match(*entry.reading, message, finding.fields)) {
      found = &entry;
      break;
    }
  }
  if (found == nullptr) return false;
  if (finding.fields.odd && found->compare) {
    for (const auto& entry : node->entries) {
      Fields other;
      if (&entry == found || !match(*entry.reading, message, other)) continue;
      if (other.has_address && finding.fields.has_address && other.address != finding.fields.address) finding.ambiguous = true;
    }
    if (finding.ambiguous) finding.fields.has_address = false;
  }
  finding.detector = found->detector;
  finding.pattern = found->pattern;
  finding.kind = found->kind;
  return true;
}

namespace {

// A pattern written as RE2. The second reading has greed reversed: an address on which they differ is not believed.
bool match_expression(const re2::RE2& expression, std::string_view message, Fields& fields) {
  const auto read = [&](const re2::RE2& one, Fields& into) {
    std::vector<re2::StringPiece> groups(static_cast<std::size_t>(one.NumberOfCapturingGroups()) + 1);
    const re2::StringPiece text(message.data(), message.size());
    if (!one.Match(text, 0, text.size(), re2::RE2::ANCHOR_BOTH, groups.data(), static_cast<int>(groups.size()))) return false;
    for (const auto& [name, index] : one.NamedCapturingGroups()) {
      const auto& group = groups[static_cast<std::size_t>(index)];
      if (group.data() == nullptr) continue;
      const std::string_view value(group.data(), group.size());
      if (name == "address") {
        if (const auto address = IpAddress::parse(value)) {
          into.address = *address;
          into.has_address = true;
        }
      } else if (name == "account") {
        into.account = value;
        into.has_account = true;
      } else if (name == "extra") {
        into.extra = value;
      } else if (name == "port") {
        const unsigned long port = value.size() <= 5 && !value.empty() ? std::strtoul(std::string(value).c_str(), nullptr, 10) : 0;
        into.port = port <= 65535 ? static_cast<std::uint16_t>(port) : 0;
      }
    }
    return true;
  };
  if (!read(expression, fields)) return false;
  Fields reversed;
  const re2::RE2 lazy("(?U:" + expression.pattern() + ")", expression.options());
  if (fields.has_address && lazy.ok() && read(lazy, reversed) && reversed.address != fields.address) fields.has_address = false;
  return true;
}

}  // namespace

void Recognizer::read_message(const Program& program, std::string_view message, Finding& finding) const {
  if (find_reading(*program.trie, message, finding)) return;
  for (const auto& [detector, pattern] : program.trie->expressions) {
    Fields fields;
    if (!match_expression(*pattern->regex, message, fields)) continue;
    finding.fields = fields;
    finding.detector = detector;
    finding.pattern = pattern;
    finding.kind = pattern->if_setting.empty() || options_.settings.contains(pattern->if_setting) ? pattern->kind : Kind::harmless;
    return;
  }
}

void Recognizer::recognize(const Header& header, Finding& finding) {
  finding = Finding();
  const Program& program = program_for(header);
  finding.known_program = !program.named.empty();
  if (program.requests != nullptr && header.layout == Layout::access) {
    WebRequest request;
    finding.detector = program.requests;
    if (!read_web_request(header.message, request)) return;
    finding.understood = true;
    finding.kind = judge_request(program.requests->requests, request);
    finding.ambiguous = !request.has_address;
    finding.fields.address = request.address;
    finding.fields.has_address = request.has_address;
    finding.fields.has_account = request.has_account;
    finding.fields.account = request.account;
    return;
  }
  std::string_view message = header.message;
  if (message.starts_with('m')) finding.repeat = unwrap_repeated(message);
  read_message(program, message, finding);
  if (finding.pattern == nullptr && program.own && header.from_program.size() != header.message.size()) read_message(program, header.from_program, finding);
  finding.understood = finding.pattern != nullptr;
  if (program.named.empty()) return;
  // the line is the service's, also where an included detector read it
  if (finding.detector == nullptr || std::find(program.named.begin(), program.named.end(), finding.detector) == program.named.end()) {
    finding.detector = program.named.front();
  }
}

}  // namespace tipstaff
