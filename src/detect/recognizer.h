// From header to finding: which detectors read a line, by its program; which of their patterns fits, by a trie over the
// patterns' first literals, in the order of the files; what the fields say. It keeps no state about the lines seen before (that is folder.h), but
// remembers the programs it has met, so each thread has its own.
#pragma once

#include <memory>
#include <set>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "detect/detector.h"
#include "detect/plain_line.h"

namespace tipstaff {

struct ReadingTrie;

/// What one line says.
struct Finding {
  const Detector* detector = nullptr;  ///< the service's detector; null: nothing reads lines of this program
  const Pattern* pattern = nullptr;    ///< null: not understood (or a web request)
  Kind kind = Kind::harmless;
  bool known_program = false;  ///< a detector names this program or kind of log
  bool understood = false;
  bool ambiguous = false;    ///< several readings gave different addresses, so there is none
  std::uint32_t repeat = 1;  ///< N of "message repeated N times"
  Fields fields;

  /// As new.
  void clear() {
    detector = nullptr;
    pattern = nullptr;
    kind = Kind::harmless;
    known_program = understood = ambiguous = false;
    repeat = 1;
    fields.clear();
  }
};

struct RecognizerOptions {
  std::string service;             ///< only this detector reads, whatever the program; empty: by program
  std::set<std::string> settings;  ///< the settings that are on (`if_setting`)
};

class Recognizer {
 public:
  /// `detectors` must outlive it. `options.service` must be the name of one of them.
  Recognizer(const DetectorSet& detectors, RecognizerOptions options);
  ~Recognizer();
  Recognizer(Recognizer&&) noexcept;
  Recognizer(const Recognizer&) = delete;
  Recognizer& operator=(const Recognizer&) = delete;
  Recognizer& operator=(Recognizer&&) = delete;

  /// What a glance shows of a line. From `strange` on: it tells nothing, and so much is known of it.
  enum class Glance : std::uint8_t {
    unknown,     ///< it may not be plain: a whole header has to be made
    more,        ///< it is plain, and recognize() has to look at it
    strange,     ///< no detector names its program
    known,       ///< not understood
    understood,  ///< harmless
  };
  /// From the program's name and the first bytes of the message (which ends at `end`) only. From `strange` on,
  /// recognize() says the same.
  [[nodiscard]] Glance glance(const PlainTail& tail, const char* end) const;

  /// Fills `finding`; its views point into the header's text.
  void recognize(const Header& header, Finding& finding);

 private:
  struct Candidate;
  struct Program;
  struct ProgramSlot;
  Program& program_for(const Header& header);
  Program& make_program(const Header& header, std::string_view name);
  ReadingTrie& trie_for(const std::vector<const Detector*>& readers);
  void read_message(const Program& program, std::string_view message, Finding& finding);
  bool find_reading(const ReadingTrie& trie, std::string_view message, Finding& finding);

  const DetectorSet& detectors_;
  RecognizerOptions options_;
  std::vector<Candidate> candidates_;  // scratch of find_reading(), as large as the largest trie
  std::vector<ProgramSlot> slots_;     // direct-mapped by a hash of the name
  std::unordered_map<std::string, std::unique_ptr<Program>> programs_;
  std::vector<std::pair<std::vector<const Detector*>, std::unique_ptr<ReadingTrie>>> tries_;
};

/// The columns of a web access log line; false where it has none. See web_request.cc for who writes which column.
struct WebRequest {
  IpAddress address;
  bool has_address = false;  ///< false too where two columns could be the client's
  bool has_account = false;
  int status = 0;
  std::string_view account;
  std::string_view method;
  std::string_view path;
  std::string_view query;
};
[[nodiscard]] bool read_web_request(std::string_view line, WebRequest& request);

/// What the requests of a detector make of it; harmless where none fits.
[[nodiscard]] Kind judge_request(const std::vector<RequestPattern>& patterns, const WebRequest& request);

}  // namespace tipstaff
