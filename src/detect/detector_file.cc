// Reads detector files. Everything wrong in a file is reported at once, each with file and line and what to do; a key that
// nobody knows is an error, for a misspelt key that is silently ignored is a detector that silently sees nothing.
#include <fmt/format.h>
#include <re2/re2.h>

#include <algorithm>
#include <array>
#include <cstdlib>
#include <filesystem>
#include <initializer_list>
#include <utility>

#include "base/embedded.h"
#include "base/text.h"
#include "base/toml_file.h"
#include "detect/detector.h"

namespace tipstaff {
namespace {

constexpr std::array<std::pair<std::string_view, Kind>, 7> kKinds = {{{"failure", Kind::failure},
                                                                      {"tells", Kind::tells},
                                                                      {"success", Kind::success},
                                                                      {"probe", Kind::probe},
                                                                      {"opens", Kind::opens},
                                                                      {"completes", Kind::completes},
                                                                      {"harmless", Kind::harmless}}};

// One table of a file: takes its keys one after the other and complains of those that are left.
class Table {
 public:
  Table(const TomlValue& value, std::string file, std::string& problems, Examples examples)
      : value_(value), file_(std::move(file)), problems_(problems), examples_(examples) {}

  void complain(unsigned line, std::string_view what) {
    problems_ += fmt::format("{}{}:{}: {}", problems_.empty() ? "" : "\n", file_, line, what);
  }
  [[nodiscard]] std::string where() const { return fmt::format("{}:{}", file_, value_.line); }
  [[nodiscard]] unsigned line() const { return value_.line; }
  [[nodiscard]] const std::string& file() const { return file_; }
  [[nodiscard]] std::string& problems() { return problems_; }
  [[nodiscard]] Examples examples() const { return examples_; }
  void ignore(std::string_view key) { known_.push_back(key); }

  const TomlValue* take(std::string_view key, TomlValue::Kind kind) {
    known_.push_back(key);
    const TomlValue* found = value_.find(key);
    if (found == nullptr || found->kind == kind) return found;
    complain(found->line, fmt::format("'{}' must be {}, not {}", key, to_text(kind), to_text(found->kind)));
    return nullptr;
  }
  std::string text(std::string_view key) {
    const auto* found = take(key, TomlValue::Kind::text);
    return found == nullptr ? std::string() : found->text;
  }
  std::optional<std::string> maybe_text(std::string_view key) {
    const auto* found = take(key, TomlValue::Kind::text);
    return found == nullptr ? std::nullopt : std::optional(found->text);
  }
  std::optional<std::int64_t> maybe_number(std::string_view key) {
    const auto* found = take(key, TomlValue::Kind::integer);
    return found == nullptr ? std::nullopt : std::optional(found->integer);
  }
  std::optional<bool> maybe_flag(std::string_view key) {
    const auto* found = take(key, TomlValue::Kind::flag);
    return found == nullptr ? std::nullopt : std::optional(found->flag);
  }
  // A text, or a list of texts.
  std::vector<std::string> texts(std::string_view key) {
    std::vector<std::string> all;
    const TomlValue* found = value_.find(key);
    known_.push_back(key);
    if (found == nullptr) return all;
    if (found->kind == TomlValue::Kind::text) return {found->text};
    for (const auto& item : found->items) {
      if (item.kind == TomlValue::Kind::text) {
        all.push_back(item.text);
      } else {
        complain(item.line, fmt::format("'{}' must be a list of texts", key));
      }
    }
    if (found->kind != TomlValue::Kind::list)
      complain(found->line, fmt::format("'{}' must be a text or a list of texts", key));
    return all;
  }
  const std::vector<TomlValue>& tables(std::string_view key) {
    static const std::vector<TomlValue> kNone;
    const auto* found = take(key, TomlValue::Kind::list);
    if (found == nullptr) return kNone;
    for (const auto& item : found->items) {
      if (item.kind == TomlValue::Kind::table) continue;
      complain(item.line, fmt::format("'{}' must be a list of tables", key));
      return kNone;
    }
    return found->items;
  }
  void end() {
    for (const auto& entry : value_.entries) {
      if (std::find(known_.begin(), known_.end(), entry.key) != known_.end()) continue;
      const std::string near = nearest(entry.key, known_);
      complain(entry.line, fmt::format("unknown key '{}'{}", entry.key,
                                       near.empty() ? "" : fmt::format("; did you mean '{}'?", near)));
    }
  }

 private:
  const TomlValue& value_;
  std::string file_;
  std::string& problems_;
  Examples examples_;
  std::vector<std::string_view> known_;
};

Kind read_kind(Table& table) {
  const std::string name = table.text("kind");
  const auto* found = std::find_if(kKinds.begin(), kKinds.end(), [&](const auto& kind) { return kind.first == name; });
  if (found != kKinds.end()) return found->second;
  table.complain(
      table.line(),
      fmt::format("'kind' must be one of failure, tells, success, probe, opens, completes, harmless, not '{}'", name));
  return Kind::harmless;
}

Example read_example(Table table) {
  Example example;
  example.where = table.where();
  example.line = table.text("line");
  example.full = table.maybe_flag("full").value_or(false);
  example.address = table.maybe_text("address");
  example.account = table.maybe_text("account");
  example.extra = table.maybe_text("extra");
  example.service = table.maybe_text("service");
  example.port = table.maybe_number("port");
  example.count = table.maybe_number("count");
  table.end();
  if (example.line.empty()) table.complain(table.line(), "an example needs its 'line'");
  return example;
}

std::vector<Example> read_examples(Table& table) {
  std::vector<Example> examples;
  if (table.examples() == Examples::drop) {
    table.ignore("examples");
    return examples;
  }
  for (const auto& value : table.tables("examples"))
    examples.push_back(read_example({value, table.file(), table.problems(), table.examples()}));
  if (examples.empty())
    table.complain(table.line(), "a pattern needs at least one entry in 'examples', so that the tests can try it");
  return examples;
}

Pattern read_pattern(Table table) {
  Pattern pattern;
  pattern.where = table.where();
  pattern.kind = read_kind(table);
  pattern.texts = table.texts("text");
  pattern.once = table.maybe_flag("once").value_or(false);
  pattern.withdrawn_by_success = table.maybe_flag("withdrawn_by_success").value_or(false);
  pattern.extra = table.text("extra");
  pattern.if_setting = table.text("if_setting");
  pattern.reason = table.text("reason");
  const std::string anchor = table.text("anchor");
  pattern.anchor = anchor == "first" ? Anchor::first : anchor == "last" ? Anchor::last : Anchor::none;
  if (!anchor.empty() && pattern.anchor == Anchor::none)
    table.complain(table.line(), fmt::format("'anchor' must be \"first\" or \"last\", not '{}'", anchor));
  if (const auto* forged = table.take("forged", TomlValue::Kind::table))
    pattern.forged = read_example({*forged, table.file(), table.problems(), table.examples()});
  const std::string expression = table.text("regex");
  pattern.examples = read_examples(table);
  table.end();

  if (pattern.texts.empty() == expression.empty())
    table.complain(table.line(), "a pattern needs either 'text' or 'regex'");
  bool open_before_address = false;
  for (const auto& text : pattern.texts) {
    auto readings = compile_template(text, pattern.anchor);
    if (!readings) {
      table.complain(table.line(), fmt::format("{} (in '{}')", readings.error().text, text));
      continue;
    }
    for (auto& reading : *readings) {
      open_before_address = open_before_address || reading.open_before_address;
      pattern.readings.push_back(std::move(reading));
    }
  }
  pattern.readings.shrink_to_fit();
  if (open_before_address && (pattern.reason.empty() || !pattern.forged || !pattern.forged->address)) {
    table.complain(table.line(),
                   "a pattern with 'anchor' needs the 'reason' and a 'forged' example with the true address");
  }
  if (!expression.empty()) {
    pattern.regex = std::make_unique<re2::RE2>(expression, re2::RE2::Quiet);
    if (!pattern.regex->ok())
      table.complain(table.line(), fmt::format("the regular expression is wrong: {}", pattern.regex->error()));
  }
  return pattern;
}

RequestPattern read_request(Table table) {
  RequestPattern pattern;
  pattern.where = table.where();
  pattern.kind = read_kind(table);
  pattern.methods = table.texts("method");
  pattern.paths = table.texts("path");
  pattern.queries = table.texts("query");
  if (const auto* statuses = table.take("status", TomlValue::Kind::list)) {
    for (const auto& status : statuses->items) {
      if (status.kind == TomlValue::Kind::integer) {
        pattern.statuses.push_back(status.integer);
      } else {
        table.complain(status.line, "'status' must be a list of numbers, such as [200, 401]");
      }
    }
  }
  pattern.account = table.maybe_flag("account");
  pattern.examples = read_examples(table);
  table.end();
  return pattern;
}

Layout read_layout(Table& table, std::string_view name) {
  if (name == "access") return Layout::access;
  if (name == "apache-error") return Layout::apache_error;
  if (name == "nginx-error") return Layout::nginx_error;
  if (name == "ctime") return Layout::ctime;
  table.complain(table.line(),
                 fmt::format("'layouts' must name access, apache-error, nginx-error or ctime, not '{}'", name));
  return Layout::none;
}

enum class Part : std::uint8_t { head, body };  // of a shipped file: what stands before the first [[...]], and the rest

// A part of a shipped file without its examples, which are most of its bytes and written `examples = [` ... `]`: a program
// that starts to scan does not want them. What is left out becomes empty lines, so that lines keep their numbers.
std::string part_of(std::string_view text, Part part) {
  std::string out;
  out.reserve(text.size());
  bool head = true;
  bool examples = false;
  while (!text.empty()) {
    const std::string_view line = text.substr(0, text.find('\n'));
    head = head && !line.starts_with("[[");
    if (!head && part == Part::head) break;
    examples = examples || line == "examples = [";
    if (!examples && head == (part == Part::head)) out += line;
    examples = examples && line != "]";
    out += '\n';
    text.remove_prefix(std::min(line.size() + 1, text.size()));
  }
  return out;
}

void read_body(Table& table, DetectorBody& body) {
  for (const auto& value : table.tables("pattern"))
    body.patterns.push_back(read_pattern({value, table.file(), table.problems(), table.examples()}));
  for (const auto& value : table.tables("request"))
    body.requests.push_back(read_request({value, table.file(), table.problems(), table.examples()}));
}

}  // namespace

// Makes detectors of files.
class DetectorFile {
 public:
  static Result<std::unique_ptr<const Detector>> build(const TomlValue& root, const std::string& file,
                                                       Examples examples);
  static Result<std::unique_ptr<const Detector>> shipped(const EmbeddedFile& file);

 private:
  static std::unique_ptr<Detector> read_head(Table& table);
};

std::unique_ptr<Detector> DetectorFile::read_head(Table& table) {
  auto detector = std::make_unique<Detector>();
  detector->where = table.file();
  const auto version = table.maybe_number("version");
  if (version != 1) table.complain(1, "the file needs 'version = 1', the only version there is");
  detector->name = table.text("name");
  if (detector->name.empty()) table.complain(1, "the file needs a 'name'");
  detector->title = table.text("title");
  detector->service = table.maybe_text("service").value_or(detector->name);
  detector->limits = table.text("limits");
  detector->programs = table.texts("programs");
  detector->own_programs = table.texts("own_programs");
  detector->quiet_programs = table.texts("quiet_programs");
  for (const auto& name : table.texts("layouts")) detector->layouts.push_back(read_layout(table, name));
  detector->includes = table.texts("includes");
  detector->journal_units = table.texts("journal_units");
  detector->journal_comm = table.texts("journal_comm");
  for (const auto& text : table.texts("ports")) {
    if (const auto port = ServicePort::parse(text)) {
      detector->ports.push_back(*port);
    } else {
      table.complain(table.line(), fmt::format("'ports' must list ports such as \"22/tcp\", not '{}'", text));
    }
  }
  detector->any_program = table.maybe_flag("any_program").value_or(false);
  const std::string grouping = table.maybe_text("connection").value_or("process");
  detector->grouping = grouping == "account" ? Grouping::account
                       : grouping == "none"  ? Grouping::none
                                             : Grouping::process;
  if (detector->grouping == Grouping::process && grouping != "process")
    table.complain(1, fmt::format("'connection' must be process, account or none, not '{}'", grouping));
  if (detector->programs.empty() && detector->own_programs.empty() && detector->layouts.empty() &&
      !detector->any_program) {
    table.complain(1, "the file names no line it could read: it needs 'programs', 'layouts' or 'any_program'");
  }
  return detector;
}

Result<std::unique_ptr<const Detector>> DetectorFile::build(const TomlValue& root, const std::string& file,
                                                            Examples examples) {
  std::string problems;
  Table table(root, file, problems, examples);
  auto detector = read_head(table);
  read_body(table, detector->body_);
  table.end();
  if (detector->patterns().empty() && detector->requests().empty())
    table.complain(1, "the file has no [[pattern]] and no [[request]]");
  if (!problems.empty()) return fail(ErrorKind::invalid, problems);
  return detector;
}

Result<std::unique_ptr<const Detector>> DetectorFile::shipped(const EmbeddedFile& file) {
  const std::string name(file.name);
  const auto root = parse_toml(part_of(file.text, Part::head), name);
  if (!root) return std::unexpected(root.error());
  std::string problems;
  Table table(*root, name, problems, Examples::drop);
  auto detector = read_head(table);
  table.end();
  if (!problems.empty()) return fail(ErrorKind::invalid, problems);
  detector->unread_ = file.text;
  return detector;
}

const DetectorBody& Detector::body() const {
  if (unread_.empty()) return body_;
  std::call_once(asked_, [this] {
    const auto root = parse_toml(part_of(unread_, Part::body), where);
    std::string problems;
    if (root) {
      Table table(*root, where, problems, Examples::drop);
      read_body(table, body_);
      table.end();
    }
    if (!root || !problems.empty()) std::abort();  // it is compiled in, and the tests read all of it
  });
  return body_;
}

Pattern::Pattern() = default;
Pattern::~Pattern() = default;
Pattern::Pattern(Pattern&&) noexcept = default;
Pattern& Pattern::operator=(Pattern&&) noexcept = default;

std::string_view to_text(Kind kind) {
  for (const auto& [name, value] : kKinds) {
    if (value == kind) return name;
  }
  return "";
}

Result<std::unique_ptr<const Detector>> parse_detector(std::string_view text, const std::string& file) {
  const auto root = parse_toml(text, file);
  if (!root) return std::unexpected(root.error());
  return DetectorFile::build(*root, file, Examples::keep);
}

Result<DetectorSet> load_detectors(std::span<const std::string> paths, Examples examples) {
  DetectorSet set;
  std::string problems;
  const auto add = [&](Result<std::unique_ptr<const Detector>> detector) {
    if (!detector) {
      problems += fmt::format("{}{}", problems.empty() ? "" : "\n", detector.error().message());
      return;
    }
    const auto known =
        std::find_if(set.begin(), set.end(), [&](const auto& other) { return other->name == (*detector)->name; });
    if (known == set.end()) {
      set.push_back(std::move(*detector));
    } else {
      *known = std::move(*detector);
    }
  };
  const auto read = [examples](const Result<TomlValue>& root, const std::string& file) {
    return root ? DetectorFile::build(*root, file, examples) : std::unexpected(root.error());
  };
  for (const auto& file : embedded_files()) {
    if (!file.name.starts_with("detectors/")) continue;
    if (examples == Examples::drop) {
      add(DetectorFile::shipped(file));
    } else {
      add(read(parse_toml(file.text, std::string(file.name)), std::string(file.name)));
    }
  }
  for (const auto& path : paths) {
    std::vector<std::string> files;
    std::error_code error;
    if (std::filesystem::is_directory(path, error)) {
      for (std::filesystem::directory_iterator it(path, error), end; !error && it != end; it.increment(error)) {
        if (it->path().extension() == ".toml") files.push_back(it->path().string());
      }
      std::sort(files.begin(), files.end());
    } else {
      files.push_back(path);
    }
    if (error) return fail(ErrorKind::unavailable, fmt::format("cannot be read: {}", error.message()), path);
    for (const auto& file : files) add(read(read_toml_file(file), file));
  }
  for (const auto& detector : set) {
    for (const auto& included : detector->includes) {
      if (find_detector(set, included) == nullptr)
        problems += fmt::format("{}{}: 'includes' names '{}', which no detector is called",
                                problems.empty() ? "" : "\n", detector->where, included);
    }
  }
  if (!problems.empty()) return fail(ErrorKind::invalid, problems);
  return set;
}

const Detector* find_detector(const DetectorSet& set, std::string_view name) {
  for (const auto& detector : set) {
    if (detector->name == name) return detector.get();
  }
  return nullptr;
}

}  // namespace tipstaff
