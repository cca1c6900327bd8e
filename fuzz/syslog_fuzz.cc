// The way of received syslog: framing and header split. However a stream is cut into blocks, its messages are the same, at
// most kMaxLine long and without line feeds; the parts of a header lie within its message. The first byte chooses how lines
// end and how long the blocks are.
#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <functional>
#include <string>
#include <string_view>
#include <vector>

#include "detect/header.h"
#include "sources/source.h"
#include "sources/syslog_framing.h"

namespace tipstaff {
namespace {

void must(bool good) {
  if (!good) std::abort();
}

void check(std::string_view line) {
  must(!line.empty() && line.size() <= kMaxLine && !line.contains('\n'));
  std::string scratch;
  const Header header = split_header(line, scratch);
  const auto lies_within = [](std::string_view part, std::string_view whole) {
    return std::greater_equal<>()(part.data(), whole.data()) &&
           std::less_equal<>()(part.data() + part.size(), whole.data() + whole.size());
  };
  for (const auto part : {header.stamp, header.host, header.program, header.message, header.from_program}) {
    must(part.empty() || lies_within(part, line) || lies_within(part, scratch));
  }
}

std::vector<std::string> read(std::string_view bytes, std::size_t step, bool nul_ends) {
  std::vector<std::string> all;
  SyslogFraming framing(nul_ends);
  while (!bytes.empty() && !framing.broken()) {
    std::string_view block = bytes.substr(0, step);
    bytes.remove_prefix(block.size());
    while (const auto message = framing.next(block)) all.emplace_back(message->text);
    must(block.empty() || framing.broken());
  }
  const auto rest = framing.finish();
  must(!rest || rest->cut);
  if (rest) all.emplace_back(rest->text);
  return all;
}

}  // namespace
}  // namespace tipstaff

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace tipstaff;
  if (size == 0) return 0;
  const std::string_view bytes(reinterpret_cast<const char*>(data) + 1, size - 1);
  const bool nul_ends = (data[0] & 1U) != 0;
  const std::vector<std::string> all = read(bytes, bytes.size() + 1, nul_ends);
  must(all == read(bytes, 1 + data[0] / 2U, nul_ends));
  for (const std::string& line : all) check(line);
  std::string datagram(bytes.substr(0, kMaxLine));
  if (const std::string_view line = to_line(datagram.data(), datagram.size()); !line.empty()) check(line);
  return 0;
}
