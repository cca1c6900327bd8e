// The way of a log line: header split, clock, recognizer (by program and as one service) and folder, with every shipped
// detector. Whatever the bytes, nothing may crash, run on, or say what cannot be: an attempt stands for at least one try,
// its lines exist, and its address is one.
#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <map>
#include <string>
#include <string_view>

#include "base/address.h"
#include "detect/folder.h"
#include "detect/header.h"
#include "detect/recognizer.h"
#include "detect/stamp.h"

namespace tipstaff {
namespace {

void must(bool good) {
  if (!good) std::abort();
}

const DetectorSet& detectors() {
  static const DetectorSet kAll = *load_detectors({}, Examples::drop);
  return kAll;
}

void check(const Attempt& attempt, std::uint64_t lines) {
  must(attempt.count >= 1 && attempt.count <= 1'000'000);
  must(attempt.line >= 1 && attempt.line <= lines && attempt.lines.size() >= 1);
  for (std::size_t i = 0; i < attempt.lines.size(); ++i) must(attempt.lines[i] >= 1 && attempt.lines[i] <= lines);
  if (attempt.address) must(IpAddress::parse(attempt.address->to_string()) == attempt.address);
}

// The recognizer of a service, or the one that goes by the program; made once, since its tries take time.
Recognizer& recognizer_of(const std::string& service) {
  static std::map<std::string, Recognizer> all;
  const auto known = all.find(service);
  if (known != all.end()) return known->second;
  return all.emplace(service, Recognizer(detectors(), {service, {"count_publickey_failures"}})).first->second;
}

void read(std::string_view text, const std::string& service) {
  Recognizer& recognizer = recognizer_of(service);
  std::uint64_t line = 0;
  Folder folder([&](const Attempt& attempt) { check(attempt, line); });
  SourceClock clock(TimeZone(), std::nullopt, Instant(std::chrono::days(20'000)));
  std::string scratch;
  Finding finding;
  while (!text.empty()) {
    const std::string_view one = text.substr(0, text.find('\n'));
    text.remove_prefix(std::min(text.size(), one.size() + 1));
    ++line;
    const Header header = split_header(one, scratch);
    clock.follow(header);
    recognizer.recognize(header, finding);
    must(!finding.fields.has_address || finding.understood);
    if (finding.understood && finding.kind != Kind::harmless) folder.add(header, finding, clock.time_of(header), line);
  }
  folder.finish();
}

}  // namespace
}  // namespace tipstaff

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  tipstaff::read(text, "");
  const auto& all = tipstaff::detectors();
  if (size > 0) tipstaff::read(text.substr(1), all[data[0] % all.size()]->name);
  return 0;
}
