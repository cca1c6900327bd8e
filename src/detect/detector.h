// A detector: the data that says how one service writes its attempts (docs/formats/detectors.md). Loaded once, then
// immutable and shared by all threads.
#pragma once

#include <cstdint>
#include <memory>
#include <mutex>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "base/service_port.h"
#include "detect/attempt.h"
#include "detect/header.h"
#include "detect/template.h"

namespace re2 {
class RE2;
}

namespace tipstaff {

/// What a line says; docs/formats/detectors.md tells each.
enum class Kind : std::uint8_t { failure, tells, success, probe, opens, completes, harmless };

[[nodiscard]] std::string_view to_text(Kind kind);

/// A line and what must be read from it; members without a value are not compared, an empty address means none.
struct Example {
  std::string line;
  bool full = false;  ///< the whole log line, not only the message
  std::optional<std::string> address;
  std::optional<std::string> account;
  std::optional<std::string> extra;
  std::optional<std::string> service;
  std::optional<std::int64_t> port;
  std::optional<std::int64_t> count;
  std::string where;  ///< file:line
};

struct Pattern {
  Pattern();
  ~Pattern();
  Pattern(Pattern&&) noexcept;
  Pattern& operator=(Pattern&&) noexcept;

  Kind kind = Kind::harmless;
  bool once = false;
  bool withdrawn_by_success = false;
  Anchor anchor = Anchor::none;
  std::vector<std::string> texts;
  std::vector<Reading> readings;
  std::unique_ptr<re2::RE2> regex;  ///< instead of readings
  std::string extra;                ///< what such a line says of the method without naming it in a field
  std::string if_setting;           ///< counts only where this setting is on
  std::string reason;
  std::optional<Example> forged;
  std::vector<Example> examples;
  std::string where;  ///< file:line
};

/// A rule over the columns of a web access log.
struct RequestPattern {
  Kind kind = Kind::harmless;
  std::vector<std::string> methods;
  std::vector<std::string> paths;
  std::vector<std::string> queries;
  std::vector<std::int64_t> statuses;
  std::optional<bool> account;
  std::vector<Example> examples;
  std::string where;
};

/// What lines belong together.
enum class Grouping : std::uint8_t { process, account, none };

/// What the lines of a detector look like.
struct DetectorBody {
  std::vector<Pattern> patterns;
  std::vector<RequestPattern> requests;
};

/// A detector. Of a shipped file that is loaded without examples the patterns are read when somebody first asks for them
/// (any thread may): a log holds the lines of few services.
struct Detector {
  std::string name;
  std::string title;
  std::string service;
  std::string limits;
  std::string where;  ///< file it came from
  std::vector<std::string> programs;
  std::vector<std::string> own_programs;
  std::vector<std::string> quiet_programs;  ///< never write of a login: their lines are harmless, unread
  std::vector<Layout> layouts;
  std::vector<std::string> includes;
  std::vector<std::string> journal_units;
  std::vector<std::string> journal_comm;
  std::vector<ServicePort> ports;  ///< what a block of the service alone shuts
  bool any_program = false;
  Grouping grouping = Grouping::process;

  [[nodiscard]] const std::vector<Pattern>& patterns() const { return body().patterns; }
  [[nodiscard]] const std::vector<RequestPattern>& requests() const { return body().requests; }

 private:
  friend class DetectorFile;
  const DetectorBody& body() const;

  std::string_view unread_;  // the shipped file, where its patterns are not read yet
  mutable std::once_flag asked_;
  mutable DetectorBody body_;
};

using DetectorSet = std::vector<std::unique_ptr<const Detector>>;

/// Parses one detector file; `file` is its name for messages. All problems of the file are reported, one a line.
[[nodiscard]] Result<std::unique_ptr<const Detector>> parse_detector(std::string_view text, const std::string& file);

/// Whether detectors are loaded with their examples, or without: quicker, for those who only read logs.
enum class Examples : std::uint8_t { keep, drop };

/// The detectors compiled into the program, then the files and folders (*.toml, sorted) of `paths`: one with the name of an
/// earlier one replaces it. Checks that `includes` name detectors that exist.
[[nodiscard]] Result<DetectorSet> load_detectors(std::span<const std::string> paths,
                                                 Examples examples = Examples::keep);

[[nodiscard]] const Detector* find_detector(const DetectorSet& set, std::string_view name);

}  // namespace tipstaff
