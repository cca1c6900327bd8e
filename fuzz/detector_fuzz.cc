// Detector files: parsing, the template compiler, and matching of what it lets through. Behind the first line "---" of the
// input stand messages to match. A template that compiles must never read two addresses from one message unless it names
// the anchor.
#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <string_view>

#include "detect/detector.h"
#include "detect/template.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace tipstaff;
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  const std::size_t cut = std::min(text.find("\n---\n"), text.size());
  const auto detector = parse_detector(text.substr(0, cut), "fuzz.toml");
  if (!detector) {
    if (detector.error().text.empty()) std::abort();
    return 0;
  }
  for (const auto& pattern : (*detector)->patterns()) {
    for (const auto& reading : pattern.readings) {
      std::string_view rest = text.substr(cut);
      while (!rest.empty()) {
        const std::string_view message = rest.substr(0, rest.find('\n'));
        rest.remove_prefix(std::min(rest.size(), message.size() + 1));
        if (!reading.open_before_address && possible_addresses(reading, message).size() > 1) std::abort();
      }
      Fields fields;
      (void)match(reading, render(reading, {}), fields);
    }
  }
  return 0;
}
