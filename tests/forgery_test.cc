// Nobody who types a name, a request or a banner may choose the address that is reported. Made from the compiled patterns,
// so that a new detector is tried without a new test: every reading is written out as its program would write it, with the
// true address where the program writes it; then each field that is another's text gets at least 1,000 forgeries, made of
// planted addresses, whole log lines, the pattern's own literals and what stands around them, quotes, brackets, escaped
// newlines, JSON and key=value fragments, broken UTF-8, and all of these nested. The address reported must be the true one
// or none, whether the service is named or found by the header. Unforged, every line must be read, with its address.
#include <fmt/format.h>
#include <gtest/gtest.h>

#include <array>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <random>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "detect/detector.h"
#include "detect/header.h"
#include "detect/recognizer.h"

namespace tipstaff {
namespace {

constexpr std::string_view kTrue = "192.0.2.1";
constexpr int kForgeriesPerField = 1000;

// Another seed: TIPSTAFF_FORGERY_SEED=7 ./dev test 'Forgery*'
std::uint64_t seed() {
  const char* const given = std::getenv("TIPSTAFF_FORGERY_SEED");
  return given == nullptr ? 20'261'105 : std::strtoull(given, nullptr, 10);
}

const DetectorSet& detectors() {
  static const DetectorSet set = [] {
    auto loaded = load_detectors({});
    EXPECT_TRUE(loaded.has_value()) << (loaded ? std::string() : loaded.error().message());
    return loaded ? std::move(*loaded) : DetectorSet();
  }();
  return set;
}

class Dice {
 public:
  explicit Dice(std::uint64_t start) : engine_(start) {}
  std::size_t below(std::size_t most) { return static_cast<std::size_t>(engine_() % most); }
  bool once_in(std::size_t times) { return below(times) == 0; }
  template <class List>
  const auto& one_of(const List& list) {
    return list[below(list.size())];
  }

 private:
  std::mt19937_64 engine_;
};

// --- writing a reading out -------------------------------------------------------------------------------------------

// The fields of a reading which somebody else writes: open ones, and closed sets of bytes within their set.
void attackers_fields(const std::vector<Step>& steps, std::vector<const Step*>& fields) {
  for (const Step& step : steps) {
    if (step.kind == Step::Kind::field &&
        (step.type == FieldType::open || step.type == FieldType::set || step.type == FieldType::request)) {
      fields.push_back(&step);
    }
    for (const auto& branch : step.branches) attackers_fields(branch, fields);
  }
}

// A step, or one within its branches.
bool holds(const Step& step, const Step* wanted) {
  if (&step == wanted) return true;
  for (const auto& branch : step.branches) {
    for (const Step& inner : branch) {
      if (holds(inner, wanted)) return true;
    }
  }
  return false;
}

bool reads_address(const Step& step) {
  if (step.kind == Step::Kind::field && step.slot == Slot::address) return true;
  for (const auto& branch : step.branches) {
    for (const Step& inner : branch) {
      if (reads_address(inner)) return true;
    }
  }
  return false;
}

std::string within(const ByteSet& set, std::string_view text) {
  std::string kept;
  for (const char c : text) {
    if (set[static_cast<unsigned char>(c)]) kept += c;
  }
  return kept;
}

std::string plain_in(const ByteSet& set) {
  for (const char c : {'a', '1', 'A', '/', '-', ' '}) {
    if (set[static_cast<unsigned char>(c)]) return {c};
  }
  return "~";
}

// Writes the steps as the program would; `forged` is the field that holds `text`, others are plain. Groups take any of
// their branches, as the dice fall, except those around the forged field.
struct Writer {
  Dice& dice;
  std::string_view address;
  const Step* forged = nullptr;
  std::string_view text = {};
  std::string out = {};
  bool told = false;  // the address was written

  void write(const std::vector<Step>& steps) {
    for (const Step& step : steps) write(step);
  }

  void write(const Step& step) {
    if (step.kind == Step::Kind::literal) {
      out += step.text;
    } else if (step.kind == Step::Kind::field) {
      field(step);
    } else {
      const std::vector<Step>* branch = nullptr;
      for (const auto& one : step.branches) {
        for (const Step& inner : one) branch = forged != nullptr && holds(inner, forged) ? &one : branch;
      }
      if (branch == nullptr && step.may_miss && dice.once_in(2)) return;
      write(branch != nullptr ? *branch : dice.one_of(step.branches));
    }
  }

  void field(const Step& step) {
    const bool mine = &step == forged;
    switch (step.type) {
      case FieldType::address:
      case FieldType::endpoint:
      case FieldType::peer:
        out += step.slot == Slot::address ? address : std::string_view("198.51.100.250");
        told = told || step.slot == Slot::address;
        break;
      case FieldType::number:
        out += "22";
        break;
      case FieldType::request:  // the server takes the first " HTTP/" for the end of the request line
        out += mine ? "GET /" + without_version() + " HTTP/1.1" : "GET / HTTP/1.1";
        break;
      case FieldType::open:
        out += mine ? text : std::string_view("anna");
        break;
      case FieldType::set: {
        const std::string kept = mine ? within(step.set(), text) : std::string();
        out += kept.empty() ? plain_in(step.set()) : kept;
        break;
      }
    }
  }

  [[nodiscard]] std::string without_version() const {
    std::string kept(text);
    for (std::size_t at = 0; (at = kept.find(" HTTP/", at)) != std::string::npos;) kept.erase(at, 6);
    return kept;
  }
};

// --- forging ---------------------------------------------------------------------------------------------------------

constexpr std::array<std::string_view, 6> kPlanted = {"203.0.113.66",    "2001:db8:bad::66",  "::ffff:203.0.113.66",
                                                      "203.0.113.66:22", "[203.0.113.66]:22", "[2001:db8:bad::66]"};

constexpr std::array<std::string_view, 62> kScraps = {" ",
                                                      "  ",
                                                      "\"",
                                                      "'",
                                                      "`",
                                                      "(",
                                                      ")",
                                                      "[",
                                                      "]",
                                                      "<",
                                                      ">",
                                                      "{",
                                                      "}",
                                                      "\\",
                                                      "|",
                                                      ":",
                                                      ": ",
                                                      ", ",
                                                      "; ",
                                                      "=",
                                                      " - ",
                                                      "\\n",
                                                      "\\r\\n",
                                                      "#012",
                                                      "\\012",
                                                      "\\x0a",
                                                      "\r",
                                                      "\t",
                                                      std::string_view("\0", 1),
                                                      "\xff",
                                                      "\xc3",
                                                      "\xe2\x80",
                                                      "\xed\xa0\x80",
                                                      "\xc0\xaf",
                                                      "root",
                                                      "from",
                                                      "from ",
                                                      " from ",
                                                      " port 22",
                                                      " port 22 ssh2",
                                                      " ssh2: RSA SHA256:x",
                                                      " [preauth]",
                                                      "user=",
                                                      " user=root",
                                                      "rhost=",
                                                      " ruser= rhost=",
                                                      " rip=",
                                                      ", lip=198.51.100.9",
                                                      "client: ",
                                                      ", server: s, request: \"GET / HTTP/1.1\"",
                                                      "Client \"",
                                                      "\", ",
                                                      "\"}",
                                                      "{\"ip\":\"",
                                                      "\",\"remote_addr\":\"",
                                                      "[client ",
                                                      "] ",
                                                      " (Login failed)",
                                                      " HTTP/1.1",
                                                      " SASL LOGIN authentication failed: ",
                                                      "unknown[",
                                                      "]: "};

constexpr std::array<std::string_view, 5> kHeads = {
    "Nov  5 03:04:05 gate sshd[17]: ", "<38>1 2026-11-05T03:04:05Z gate sshd 17 - - ",
    "2026-11-05T03:04:05.123456Z gate app[17]: ", "[Thu Nov 05 03:04:05 2026] [error] ",
    "message repeated 7 times: [ "};

class Forger {
 public:
  Forger(Dice& dice, const Detector& detector, const Reading& reading)
      : dice_(dice), detector_(detector), reading_(reading) {}

  std::string make() {
    std::string text;
    for (std::size_t pieces = 1 + dice_.below(6); pieces > 0; --pieces) {
      text += piece();
      if (dice_.once_in(3)) text += ' ';
    }
    if (dice_.once_in(4)) text = written(reading_, text);  // nested: the forgery in the name of a forged line
    return text;
  }

 private:
  std::string piece() {
    switch (dice_.below(9)) {
      case 0:
      case 1:
        return std::string(dice_.one_of(kPlanted));
      case 2:
      case 3:
        return std::string(dice_.one_of(kScraps));
      case 4:  // the whole line
        return written(reading_, "x");
      case 5:  // what stands around the address, and some of what is beside it
      case 6:
        return part_of(reading_);
      case 7: {  // a line of another pattern of the service
        const Pattern& pattern = dice_.one_of(detector_.patterns());
        if (pattern.readings.empty()) return {};
        const Reading& other = dice_.one_of(pattern.readings);
        return dice_.once_in(2) ? written(other, "x") : part_of(other);
      }
      default:
        return std::string(dice_.one_of(kHeads)) + written(reading_, "x");
    }
  }

  std::string written(const Reading& reading, std::string_view text) {
    std::vector<const Step*> fields;
    attackers_fields(reading.steps, fields);
    Writer writer{dice_, dice_.one_of(kPlanted), fields.empty() ? nullptr : dice_.one_of(fields), text};
    writer.write(reading.steps);
    return writer.out;
  }

  std::string part_of(const Reading& reading) {
    const std::size_t size = reading.steps.size();
    const std::size_t from = dice_.below(size);
    const std::size_t to = from + 1 + dice_.below(size - from);
    Writer writer{dice_, dice_.one_of(kPlanted)};
    for (std::size_t i = from; i < to; ++i) writer.write(reading.steps[i]);
    return writer.out;
  }

  Dice& dice_;
  const Detector& detector_;
  const Reading& reading_;
};

// --- reading it back -------------------------------------------------------------------------------------------------

// A whole log line of this service around a message.
std::string line_of(const Detector& detector, std::string_view message) {
  for (const Layout layout : detector.layouts) {
    if (layout == Layout::apache_error) return fmt::format("[Thu Nov 05 03:04:05.123456 2026] {}", message);
    if (layout == Layout::nginx_error) return fmt::format("2026/11/05 03:04:05 {}", message);
    if (layout == Layout::ctime) return fmt::format("Thu Nov  5 03:04:05 2026 {}", message);
  }
  for (std::string program : detector.programs) {
    if (program.find('(') != std::string::npos) continue;
    std::erase(program, '*');
    return fmt::format("Nov  5 03:04:05 gate {}[17]: {}", program, message);
  }
  return fmt::format("Nov  5 03:04:05 gate app[17]: {}", message);
}

// The same line read in both ways.
class Judge {
 public:
  explicit Judge(const Detector& detector)
      : detector_(detector),
        named_(detectors(), {detector.name, settings(detector)}),
        by_header_(detectors(), {"", settings(detector)}) {}

  struct Answer {
    bool understood = false;
    std::string address;  // empty: none
  };

  Answer with_service(std::string_view message) { return read(named_, message); }
  Answer by_header(std::string_view message) { return read(by_header_, message); }

 private:
  static std::set<std::string> settings(const Detector& detector) {
    std::set<std::string> all;
    for (const auto& pattern : detector.patterns()) {
      if (!pattern.if_setting.empty()) all.insert(pattern.if_setting);
    }
    return all;
  }

  Answer read(Recognizer& recognizer, std::string_view message) {
    const std::string line = line_of(detector_, message);
    recognizer.recognize(split_header(line, scratch_), finding_);
    if (!finding_.understood) return {};
    return {true, finding_.fields.has_address ? finding_.fields.address.to_string() : std::string()};
  }

  const Detector& detector_;
  Recognizer named_;
  Recognizer by_header_;
  std::string scratch_;
  Finding finding_;
};

class Forgery : public testing::TestWithParam<std::string> {
 protected:
  const Detector& detector() const { return *find_detector(detectors(), GetParam()); }
};

// Programs for which anchor = "first" is right cannot write the literal behind the open field into it.
bool program_could_write(const Reading& reading, const Step* field, std::string_view text) {
  if (reading.anchor != Anchor::first || field != &reading.steps[reading.pivot]) return true;
  return text.find(reading.steps[reading.pivot + 1].text) == std::string_view::npos;
}

// The tail of a reading without an address takes what the finer ones leave, and most of it is the program's own text: all of
// it forged would be a line that the program cannot write. What others write in such lines is forged in the finer readings.
bool is_leftover(const Reading& reading, const Step* field) {
  if (field != &reading.steps.back() || field->type != FieldType::open || field->slot != Slot::none) return false;
  for (const Step& step : reading.steps) {
    if (reads_address(step)) return false;
  }
  return true;
}

TEST_P(Forgery, NeverMovesTheAddress) {
  Dice dice(seed());
  Judge judge(detector());
  std::size_t forgeries = 0;
  std::size_t read = 0;
  int bad = 0;
  for (const Pattern& pattern : detector().patterns()) {
    for (const Reading& reading : pattern.readings) {
      Forger forger(dice, detector(), reading);
      std::vector<const Step*> fields;
      attackers_fields(reading.steps, fields);
      for (const Step* field : fields) {
        if (is_leftover(reading, field)) continue;
        for (int i = 0; i < kForgeriesPerField; ++i) {
          std::string text = forger.make();
          while (!program_could_write(reading, field, text)) text = forger.make();
          Writer writer{dice, kTrue, field, text};
          writer.write(reading.steps);
          ++forgeries;
          for (const auto& answer : {judge.with_service(writer.out), judge.by_header(writer.out)}) {
            read += answer.understood ? 1U : 0U;
            const bool right = answer.address.empty() || answer.address == kTrue || answer.address == "198.51.100.250";
            if (right || ++bad > 20) continue;
            ADD_FAILURE() << pattern.where << ": a planted address " << answer.address << " was reported (seed "
                          << seed() << ") in: " << writer.out;
          }
        }
      }
    }
  }
  RecordProperty("seed", std::to_string(seed()));
  RecordProperty("forgeries", std::to_string(forgeries));
  std::printf("%s: seed %llu, %zu forged lines, %zu of %zu readings understood\n", GetParam().c_str(),
              static_cast<unsigned long long>(seed()), forgeries, read, forgeries * 2);
  EXPECT_GT(read, 0U);
}

TEST_P(Forgery, UnforgedLinesAreReadWithTheirAddress) {
  Dice dice(seed());
  Judge judge(detector());
  for (const Pattern& pattern : detector().patterns()) {
    if (pattern.kind == Kind::harmless) continue;  // some of these stand there only to be compared with other readings
    for (const Reading& reading : pattern.readings) {
      for (int i = 0; i < 40; ++i) {  // over the branches of its groups
        Writer writer{dice, kTrue};
        writer.write(reading.steps);
        for (const auto& answer : {judge.with_service(writer.out), judge.by_header(writer.out)}) {
          EXPECT_TRUE(answer.understood) << pattern.where << ": " << writer.out;
          if (writer.told) {
            EXPECT_EQ(answer.address, kTrue) << pattern.where << ": " << writer.out;
          }
        }
      }
    }
  }
}

std::vector<std::string> names() {
  std::vector<std::string> all;
  for (const auto& detector : detectors()) {
    if (!detector->patterns().empty()) all.push_back(detector->name);
  }
  return all;
}

INSTANTIATE_TEST_SUITE_P(Detectors, Forgery, testing::ValuesIn(names()), [](const auto& name) {
  std::string text = name.param;
  std::erase(text, '-');
  return text;
});

// Web access logs are read by columns. The client writes the Host header (vhost), its ident answer, the user and the
// request; the server writes quotes and backslashes of these with a backslash, blanks of the Host header it refuses.
TEST(ForgedWebRequest, NeverMovesTheAddress) {
  Dice dice(seed());
  Recognizer recognizer(detectors(), {"http-access", {}});
  const Detector& sshd = *find_detector(detectors(), "sshd");
  Forger forger(dice, sshd, sshd.patterns().front().readings.front());
  const auto escaped = [](std::string_view text) {
    std::string out;
    for (const char c : text) out += c == '"' ? "\\\"" : c == '\\' ? "\\\\" : std::string(1, c);
    return out;
  };
  std::string scratch;
  Finding finding;
  std::size_t read = 0;
  for (int field = 0; field < 6; ++field) {
    for (int i = 0; i < kForgeriesPerField; ++i) {
      std::string text = forger.make();
      if (dice.once_in(3))
        text += fmt::format(" - - [05/Nov/2026:03:04:05 +0000] \"POST /wp-login.php HTTP/1.1\" 200 5 ");
      std::array<std::string, 6> column = {"www.example.com", "-", "-", "POST /wp-login.php HTTP/1.1", "-", "x"};
      column.at(static_cast<std::size_t>(field)) = escaped(text);
      if (field == 0) std::erase(column[0], ' ');
      const bool vhost = field == 0 || dice.once_in(2);
      const std::string line =
          fmt::format("{}{} {} {} [05/Nov/2026:03:04:05 +0000] \"{}\" 200 5120 \"{}\" \"{}\"",
                      vhost ? column[0] + " " : "", kTrue, column[1], column[2], column[3], column[4], column[5]);
      recognizer.recognize(split_header(line, scratch), finding);
      if (!finding.understood) continue;
      ++read;
      if (finding.fields.has_address) {
        ASSERT_EQ(finding.fields.address.to_string(), kTrue) << "seed " << seed() << ": " << line;
      }
    }
  }
  EXPECT_GT(read, 3U * kForgeriesPerField);
}

}  // namespace
}  // namespace tipstaff
