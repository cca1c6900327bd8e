#include "sources/text_check.h"

#include <gtest/gtest.h>

namespace tipstaff {
namespace {

using std::string_view_literals::operator""sv;

TEST(TextCheck, NamesWhatIsNoTextAndSaysWhatToDo) {
  const std::string tar = std::string(257, 'x') + "ustar";
  const struct {
    std::string_view head;
    std::string_view what;
    std::string_view advice;
  } cases[] = {
      {"LPKSHHRH\0\0"sv, "systemd journal", "journalctl --file /var/x -o short-iso-precise | tipstaff scan -"},
      {"ElfFile\0"sv, "EVTX", "Windows"},
      {"\xff\xfe"
       "a\0"sv,
       "UTF-16", "iconv -f UTF-16 -t UTF-8 /var/x"},
      {"\xfe\xff\0a"sv, "UTF-16", "iconv"},
      {"SQLite format 3\0"sv, "SQLite", "text log"},
      {"\x7f"
       "ELF\2"sv,
       "program", "text log"},
      {"\x89PNG\r\n"sv, "PNG", "text log"},
      {"PK\x03\x04"sv, "ZIP", "unzip -p /var/x"},
      {"%PDF-1.7"sv, "PDF", "text log"},
      {"BZh9"sv, "bzip2", "bzip2 -dc /var/x"},
      {tar, "tar archive", "tar -xOf /var/x"},
  };
  for (const auto& c : cases) {
    const auto why = why_no_text(c.head, "/var/x");
    ASSERT_TRUE(why) << c.what;
    EXPECT_NE(why->find(c.what), std::string::npos) << *why;
    EXPECT_NE(why->find(c.advice), std::string::npos) << *why;
  }
  EXPECT_NE(why_no_text("LPKSHHRH", "-")->find("--file FILE"), std::string::npos);
}

TEST(TextCheck, CountsNulBytes) {
  const std::string text(1000, 'x');
  EXPECT_FALSE(why_no_text("", "f"));
  EXPECT_FALSE(why_no_text(text, "f"));
  EXPECT_FALSE(why_no_text("a\0b\0\n"sv, "f")) << "a short file with a few";
  EXPECT_FALSE(why_no_text(text + std::string(111, '\0'), "f"));
  EXPECT_TRUE(why_no_text(text + std::string(112, '\0'), "f"));
  EXPECT_FALSE(why_no_text(std::string(kTextHead, 'x') + std::string(kTextHead, '\0'), "f")) << "behind the head";
}

}  // namespace
}  // namespace tipstaff
