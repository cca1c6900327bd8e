#include "detect/examples.h"

#include <fmt/format.h>

#include "detect/recognizer.h"

namespace tipstaff {
namespace {

Header header_of(const Example& example, const Detector& detector, std::string& scratch) {
  if (example.full) return split_header(example.line, scratch);
  Header header;
  header.layout = detector.layouts.empty() ? Layout::syslog : detector.layouts.front();
  header.message = header.from_program = example.line;
  if (header.layout == Layout::access) return split_header(example.line, scratch);
  return header;
}

// What differs from what the example says; empty: nothing.
std::string difference(const Example& example, const Finding& finding) {
  const Fields& fields = finding.fields;
  const auto differs = [](std::string_view name, std::string_view wanted, std::string_view got) {
    return fmt::format("{} should be '{}', is '{}'", name, wanted, got);
  };
  const std::string address = fields.has_address ? fields.address.to_string() : "";
  if (example.address && *example.address != address) return differs("address", *example.address, address);
  if (example.account && (*example.account != fields.account || (!fields.has_account && !example.account->empty())))
    return differs("account", *example.account, fields.account);
  if (example.extra && *example.extra != fields.extra) return differs("extra", *example.extra, fields.extra);
  if (example.service && *example.service != fields.service)
    return differs("service", *example.service, fields.service);
  if (example.port && *example.port != fields.port)
    return differs("port", std::to_string(*example.port), std::to_string(fields.port));
  if (example.count && *example.count != fields.count)
    return differs("count", std::to_string(*example.count), std::to_string(fields.count));
  return {};
}

}  // namespace

std::size_t test_examples(const DetectorSet& set, const Detector& detector, std::vector<std::string>& problems) {
  RecognizerOptions options;
  options.service = detector.name;
  for (const auto& pattern : detector.patterns()) {
    if (!pattern.if_setting.empty()) options.settings.insert(pattern.if_setting);
  }
  Recognizer recognizer(set, options);
  std::size_t good = 0;
  const auto judge = [&](const Example& example, std::string problem) {
    if (problem.empty()) {
      ++good;
    } else {
      problems.push_back(fmt::format("{}: {} in: {}", example.where, problem, example.line));
    }
  };
  std::string scratch;
  Finding finding;
  for (const auto& pattern : detector.patterns()) {
    for (const auto& example : pattern.examples) {
      const Header header = header_of(example, detector, scratch);
      recognizer.recognize(header, finding);
      if (!finding.understood) {
        judge(example, "no pattern fits");
      } else if (finding.kind != pattern.kind) {
        judge(example, fmt::format("should be {}, is {} by {}", to_text(pattern.kind), to_text(finding.kind),
                                   finding.pattern == nullptr ? "a request" : finding.pattern->where));
      } else {
        judge(example, difference(example, finding));
      }
    }
    if (!pattern.forged) continue;
    const Header header = header_of(*pattern.forged, detector, scratch);
    recognizer.recognize(header, finding);
    const bool told = finding.understood && finding.fields.has_address;
    const std::string address = told ? finding.fields.address.to_string() : "";
    judge(*pattern.forged, !told || address == *pattern.forged->address
                               ? ""
                               : fmt::format("the planted address {} was taken for the true one", address));
  }
  for (const auto& request : detector.requests()) {
    for (const auto& example : request.examples) {
      const Header header = header_of(example, detector, scratch);
      recognizer.recognize(header, finding);
      if (finding.kind != request.kind) {
        judge(example, fmt::format("should be {}, is {}", to_text(request.kind), to_text(finding.kind)));
      } else {
        judge(example, difference(example, finding));
      }
    }
  }
  return good;
}

}  // namespace tipstaff
