#include "control/service_notify.h"

#include <fmt/format.h>

#include <cstdlib>
#include <string_view>

#include "control/output.h"

namespace tipstaff {

LogSink log_to_standard_error() {
  const char* const stream = std::getenv("JOURNAL_STREAM");
  const bool journal = stream != nullptr && !std::string_view(stream).empty();
  return [journal](Priority priority, const std::string& text) {
    std::string line = journal ? fmt::format("<{}>", static_cast<int>(priority)) : std::string("tipstaff: ");
    for (const char c : text) line += c == '\n' ? ' ' : c;
    line += '\n';
    write_to(stderr, line);
  };
}

}  // namespace tipstaff
