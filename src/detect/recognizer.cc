// Each set of detectors that some program's lines go to has one trie (reading_trie.h). A line walks down it once;
// the readings found on the way are tried in the order of the files, and the first that fits holds. Only where an open field holds
// odd bytes, and some reading has one before its address, are all readings compared: if they name different addresses,
// the line has none.
#include "detect/recognizer.h"

#include <algorithm>
#include <array>
#include <cstring>

#include "base/bytes.h"
#include "base/hash.h"
#include "base/text.h"
#include "detect/expression.h"
#include "detect/reading_trie.h"

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

// A reading that fits as far as the trie goes, and the place in the message up to which it does.
struct Recognizer::Candidate {
  const TrieEntry* entry;
  const char* at;
};

struct Recognizer::Program {
  std::vector<const Detector*> named;  // the detectors that name it
  const ReadingTrie* trie = nullptr;
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
  bool plain = false;  // see is_program_name()

  [[nodiscard]] bool holds(std::string_view other, std::uint64_t word) const {
    return program != nullptr && ends == word && name.size() == other.size() &&
           (other.size() <= 8 || equal_bytes(name.data(), other.data(), other.size()));
  }
  static std::size_t of(std::string_view name, std::uint64_t word) {
    return ((word + name.size()) * 0x9e3779b97f4a7c15ULL) >> 56U;
  }
};

Recognizer::Recognizer(const DetectorSet& detectors, RecognizerOptions options)
    : detectors_(detectors), options_(std::move(options)), slots_(kSlots) {}
Recognizer::~Recognizer() = default;
Recognizer::Recognizer(Recognizer&&) noexcept = default;

ReadingTrie& Recognizer::trie_for(const std::vector<const Detector*>& readers) {
  for (auto& [key, trie] : tries_) {
    if (key == readers) return *trie;
  }
  auto trie = std::make_unique<ReadingTrie>();
  std::uint32_t order = 0;
  for (const Detector* detector : readers) {
    for (const Pattern& pattern : detector->patterns()) {
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
    if (!detector->requests().empty()) program->requests = detector.get();
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
  ProgramSlot& slot = slots_[ProgramSlot::of(name, word)];
  if (slot.holds(name, word)) return *slot.program;
  const auto known = programs_.find(std::string(name));
  Program& program = known != programs_.end() ? *known->second : make_program(header, name);
  slot.ends = word;
  slot.name = name;
  slot.program = &program;
  slot.plain = is_program_name(name);
  return program;
}

Recognizer::Glance Recognizer::glance(const PlainTail& tail, const char* end) const {
  const std::string_view name(tail.program, tail.program_end);
  const std::uint64_t word = ends_of(name, static_cast<std::size_t>(end - tail.program_end));
  const ProgramSlot& slot = slots_[ProgramSlot::of(name, word)];
  if (!slot.plain || !slot.holds(name, word)) return Glance::unknown;
  const Program& program = *slot.program;
  const std::string_view message(tail.message, end);
  if (message.empty() || message.back() <= ' ') return Glance::more;  // to be trimmed
  if (!program.may_begin(message)) {
    return program.quiet ? Glance::understood : program.named.empty() ? Glance::strange : Glance::known;
  }
  if (program.requests != nullptr || message[0] == 'm') return Glance::more;
  for (const auto& shortcuts : program.trie->shortcuts) {
    if (const auto* one = shortcuts.find_prefix(message))
      return one->entry->prefix_suffices ? Glance::understood : Glance::more;
  }
  return Glance::more;
}

bool Recognizer::find_reading(const ReadingTrie& trie, std::string_view message, Finding& finding) {
  const char* const end = message.data() + message.size();
  std::string_view sought;  // last, and whether the message holds it
  bool holds = true;
  const auto fits = [&](const TrieEntry& entry, const char* at, Fields& fields) {
    if (entry.needs.data() != nullptr) {
      if (entry.needs != sought) {
        sought = entry.needs;
        holds = find_text(message.data(), end, sought) != nullptr;
      }
      if (!holds) return false;
    }
    const bool good = entry.step + entry.bytes == 0
                          ? match(*entry.reading, message, fields)
                          : match_rest(*entry.reading, entry.step, entry.bytes, at, end, fields);
    if (!good) fields.clear();
    return good;
  };
  // What decides is tried at once; of the others the first in the order of the files that fits holds.
  const TrieEntry* found = nullptr;
  for (const auto& shortcuts : trie.shortcuts) {
    if (found == nullptr) found = shortcuts.find(message, finding.fields);
  }
  Candidate* const first = candidates_.data();
  Candidate* last = first;
  if (found == nullptr)
    trie.walk(trie.nodes.data(), message.data(), end, [&](const TrieEntry& entry, const char* at) {
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
    trie.walk(trie.nodes.data(), message.data(), end, [&](const TrieEntry& entry, const char* at) {
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
      finding.kind = judge_request(program.requests->requests(), request);
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
