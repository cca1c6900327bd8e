// See text_check.h. Single NUL bytes are normal in logs (crashes, hostile clients); a tenth of the bytes is not.
#include "sources/text_check.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>

namespace tipstaff {
namespace {

using std::string_view_literals::operator""sv;

constexpr std::ptrdiff_t kFewBytes = 16;  // so many are no sign, however short the file

struct Kind {
  std::size_t offset;
  std::string_view magic;
  std::string_view what;
  std::string_view advice;  // {} is the file
};

constexpr std::array kKinds = {
    Kind{0, "LPKSHHRH"sv, "a systemd journal file", "journalctl --file {} -o short-iso-precise | tipstaff scan -"},
    Kind{0, "ElfFile\0"sv, "a Windows event log (EVTX)", "it cannot be read yet; support comes with Windows"},
    Kind{0, "\xff\xfe"sv, "UTF-16 text", "iconv -f UTF-16 -t UTF-8 {} | tipstaff scan -"},
    Kind{0, "\xfe\xff"sv, "UTF-16 text", "iconv -f UTF-16 -t UTF-8 {} | tipstaff scan -"},
    Kind{0, "BZh"sv, "compressed with bzip2", "bzip2 -dc {} | tipstaff scan -"},
    Kind{0, "\x04\x22\x4d\x18"sv, "compressed with lz4", "lz4 -dc {} | tipstaff scan -"},
    Kind{257, "ustar"sv, "a tar archive", "tar -xOf {} | tipstaff scan -"},
    Kind{0, "PK\x03\x04"sv, "a ZIP archive", "unzip -p {} | tipstaff scan -"},
    Kind{0, "SQLite format 3\0"sv, "an SQLite database", "name a text log instead"},
    Kind{0,
         "\x7f"
         "ELF"sv,
         "a program", "name a text log instead"},
    Kind{0, "\x89PNG"sv, "a picture (PNG)", "name a text log instead"},
    Kind{0, "%PDF-"sv, "a PDF document", "name a text log instead"},
};

}  // namespace

std::optional<std::string> why_no_text(std::string_view head, const std::string& name) {
  head = head.substr(0, kTextHead);
  const std::string file = name == "-" ? "FILE" : name;
  for (const Kind& kind : kKinds) {
    if (head.size() < kind.offset || !head.substr(kind.offset).starts_with(kind.magic)) continue;
    return fmt::format("is {}, not a text log; {}", kind.what, fmt::format(fmt::runtime(kind.advice), file));
  }
  const auto nuls = static_cast<std::size_t>(std::ranges::count(head, '\0'));
  if (nuls > kFewBytes && nuls * 10 > head.size()) {
    return fmt::format("is a binary file ({} % of its first {} bytes are NUL), not a text log; name a text log instead",
                       nuls * 100 / head.size(), head.size());
  }
  // packed or encrypted data of unknown kind: a tenth of random bytes are control characters, a third are printable
  const auto controls = static_cast<std::size_t>(std::ranges::count_if(
      head, [](unsigned char c) { return c < 0x20 && c != '\0' && c != '\t' && c != '\n' && c != '\r' && c != 0x1b; }));
  const auto plain =
      static_cast<std::size_t>(std::ranges::count_if(head, [](unsigned char c) { return c >= 0x20 && c < 0x7f; }));
  if (controls > kFewBytes && controls * 20 > head.size() && plain * 2 < head.size()) {
    return "is a binary file (hardly any of its first bytes are text), not a text log; name a text log instead";
  }
  return std::nullopt;
}

}  // namespace tipstaff
