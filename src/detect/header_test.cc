// Every form in which a log line may be wrapped, taken apart: one row a form. What the message says is no matter here.
#include "detect/header.h"

#include <gtest/gtest.h>

#include <string>
#include <string_view>

namespace tipstaff {
namespace {

struct Case {
  std::string_view line;
  StampKind kind;
  std::string_view stamp;
  Layout layout;
  std::string_view host;
  std::string_view program;
  std::uint32_t pid;
  std::string_view message;
  bool contained = false;
};

void check(const Case& one) {
  SCOPED_TRACE(one.line);
  std::string scratch;
  const Header header = split_header(one.line, scratch);
  EXPECT_EQ(to_text(header.stamp_kind), to_text(one.kind));
  EXPECT_EQ(header.stamp, one.stamp);
  EXPECT_EQ(to_text(header.layout), to_text(one.layout));
  EXPECT_EQ(header.host, one.host);
  EXPECT_EQ(header.program, one.program);
  EXPECT_EQ(header.pid, one.pid);
  EXPECT_EQ(header.message, one.message);
  EXPECT_EQ(header.contained, one.contained);
}

constexpr auto kSyslog = Layout::syslog;
constexpr std::string_view kBsdStamp = "Nov  5 03:04:05";

TEST(Header, BsdSyslog) {
  for (const Case& one : {
           Case{"Nov  5 03:04:05 gate sshd[17]: text here", StampKind::bsd, kBsdStamp, kSyslog, "gate", "sshd", 17,
                "text here"},
           Case{"Nov  5 03:04:05 gate sshd[17]: text \r", StampKind::bsd, kBsdStamp, kSyslog, "gate", "sshd", 17,
                "text"},
           Case{"Nov  5 03:04:05 gate sshd[17]:  text", StampKind::bsd, kBsdStamp, kSyslog, "gate", "sshd", 17, "text"},
           Case{"Nov  5 03:04:05 gate sshd: text", StampKind::bsd, kBsdStamp, kSyslog, "gate", "sshd", 0, "text"},
           Case{"Nov  5 03:04:05 gate sshd[17]:", StampKind::bsd, kBsdStamp, kSyslog, "gate", "sshd", 17, ""},
           Case{"Nov  5 03:04:05 sshd[17]: no host", StampKind::bsd, kBsdStamp, kSyslog, "", "sshd", 17, "no host"},
           Case{"Nov  5 03:04:05 sshd: no host", StampKind::bsd, kBsdStamp, kSyslog, "", "sshd", 0, "no host"},
           Case{"Nov 15 03:04:05 gate.example.com sshd[17]: x", StampKind::bsd, "Nov 15 03:04:05", kSyslog,
                "gate.example.com", "sshd", 17, "x"},
           Case{"Nov 05 03:04:05 gate sshd[17]: x", StampKind::bsd, "Nov 05 03:04:05", kSyslog, "gate", "sshd", 17,
                "x"},
           Case{"Nov 5 03:04:05 gate sshd[17]: x", StampKind::bsd, "Nov 5 03:04:05", kSyslog, "gate", "sshd", 17, "x"},
           Case{"Nov  5 03:04:05 2001:db8::9 sshd[17]: x", StampKind::bsd, kBsdStamp, kSyslog, "2001:db8::9", "sshd",
                17, "x"},
           Case{"Nov  5 03:04:05 gate gate sshd[17]: the host twice", StampKind::bsd, kBsdStamp, kSyslog, "gate",
                "sshd", 17, "the host twice"},
           Case{"<38>Nov  5 03:04:05 gate sshd[17]: x", StampKind::bsd, kBsdStamp, kSyslog, "gate", "sshd", 17, "x"},
           Case{"<191>Nov  5 03:04:05 sshd[17]: x", StampKind::bsd, kBsdStamp, kSyslog, "", "sshd", 17, "x"},
           Case{"Nov  5 03:04:05 gate auth.info sshd[17]: x", StampKind::bsd, kBsdStamp, kSyslog, "gate", "sshd", 17,
                "x"},
           Case{"Nov  5 2026 03:04:05 gate sshd[17]: x", StampKind::calendar, "Nov  5 2026 03:04:05", kSyslog, "gate",
                "sshd", 17, "x"},
           Case{"Nov  5 03:04:05 2026 gate sshd[17]: x", StampKind::calendar, "Nov  5 03:04:05 2026", kSyslog, "gate",
                "sshd", 17, "x"},
       }) {
    check(one);
  }
}

TEST(Header, ProgramNames) {
  for (const Case& one : {
           Case{"Nov  5 03:04:05 gate /usr/sbin/sshd[17]: x", StampKind::bsd, kBsdStamp, kSyslog, "gate",
                "/usr/sbin/sshd", 17, "x"},
           Case{"Nov  5 03:04:05 gate postfix/submission/smtpd[9]: x", StampKind::bsd, kBsdStamp, kSyslog, "gate",
                "postfix/submission/smtpd", 9, "x"},
           Case{"Nov  5 03:04:05 gate sshd(pam_unix)[1]: x", StampKind::bsd, kBsdStamp, kSyslog, "gate", "sshd", 1,
                "x"},
           Case{"Nov  5 03:04:05 gate su(pam_unix): x", StampKind::bsd, kBsdStamp, kSyslog, "gate", "su", 0, "x"},
           Case{"Nov  5 03:04:05 gate proftpd[17] ftp.example.com (a[b]): x", StampKind::bsd, kBsdStamp, kSyslog,
                "gate", "proftpd", 17, "ftp.example.com (a[b]): x"},
           Case{"Nov  5 03:04:05 gate pure-ftpd: (pam_unix) x", StampKind::bsd, kBsdStamp, kSyslog, "gate", "pure-ftpd",
                0, "(pam_unix) x"},
           Case{"Nov  5 03:04:05 auth(anna,192.0.2.1)<x>: Info: y", StampKind::bsd, kBsdStamp, kSyslog, "", "auth", 0,
                "(anna,192.0.2.1)<x>: Info: y"},
           Case{"Nov  5 03:04:05 gate kernel: [ID of nothing", StampKind::bsd, kBsdStamp, kSyslog, "gate", "kernel", 0,
                "[ID of nothing"},
       }) {
    check(one);
  }
}

TEST(Header, TheServicesOwnLogKeepsItsProcessNameInFromProgram) {
  std::string scratch;
  const Header own = split_header("Nov  5 03:04:05 imap-login: Info: Aborted login", scratch);
  EXPECT_EQ(own.from_program, "imap-login: Info: Aborted login");
  EXPECT_EQ(own.message, "Info: Aborted login");
}

TEST(Header, Rfc5424) {
  constexpr std::string_view kStamp = "2026-11-05T03:04:05.123456+01:00";
  for (const Case& one : {
           Case{"<38>1 2026-11-05T03:04:05.123456+01:00 gate sshd 17 - - text", StampKind::iso, kStamp, kSyslog, "gate",
                "sshd", 17, "text"},
           Case{"<38>1 2026-11-05T03:04:05.123456+01:00 gate sshd 17 ID47 [meta sequenceId=\"1\"] text", StampKind::iso,
                kStamp, kSyslog, "gate", "sshd", 17, "text"},
           Case{"<38>1 2026-11-05T03:04:05.123456+01:00 gate sshd 17 - [a x=\"1\"][b y=\"2\"] text", StampKind::iso,
                kStamp, kSyslog, "gate", "sshd", 17, "text"},
           // RFC 5424 6.3.3: quote, backslash and bracket are escaped inside a value
           Case{R"(<38>1 2026-11-05T03:04:05.123456+01:00 gate sshd 17 - [a x="\"] [b\\\] c" y="]"] text)",
                StampKind::iso, kStamp, kSyslog, "gate", "sshd", 17, "text"},
           Case{"<38>1 2026-11-05T03:04:05.123456+01:00 gate sshd 17 - - \xef\xbb\xbftext", StampKind::iso, kStamp,
                kSyslog, "gate", "sshd", 17, "text"},
           Case{"<38>1 2026-11-05T03:04:05.123456+01:00 - sshd - - - text", StampKind::iso, kStamp, kSyslog, "", "sshd",
                0, "text"},
           Case{"<38>1 - gate sshd 17 - - text", StampKind::none, "", kSyslog, "gate", "sshd", 17, "text"},
           Case{"<38>1 2026-11-05T03:04:05.123456+01:00 gate sshd 17 - [a x=\"1\"]", StampKind::iso, kStamp, kSyslog,
                "gate", "sshd", 17, ""},
           Case{"<38>1 2026-11-05T03:04:05.123456+01:00 gate sshd 17 - -", StampKind::iso, kStamp, kSyslog, "gate",
                "sshd", 17, ""},
       }) {
    check(one);
  }
}

TEST(Header, AValueOfStructuredDataIsNeverTheMessage) {
  std::string scratch;
  const Header header = split_header(
      R"(<38>1 2026-11-05T03:04:05Z gate app 17 - [a x="] sshd[1]: Failed password for root from 203.0.113.66 port 1"] true)",
      scratch);
  EXPECT_EQ(header.program, "app");
  EXPECT_EQ(header.message, "true");
}

TEST(Header, IsoStampsOfAllSpellings) {
  for (const std::string_view stamp :
       {"2026-11-05T03:04:05", "2026-11-05 03:04:05", "2026-11-05T03:04:05Z", "2026-11-05T03:04:05.1Z",
        "2026-11-05T03:04:05.12", "2026-11-05T03:04:05.123", "2026-11-05 03:04:05,123", "2026-11-05T03:04:05.123456",
        "2026-11-05T03:04:05.123456789Z", "2026-11-05T03:04:05.123456789012+00:00", "2026-11-05T03:04:05+0100",
        "2026-11-05T03:04:05-01:00", "2026-11-05T03:04:05.123456-0730", "2026-11-05T03:04:05+01"}) {
    const std::string line = std::string(stamp) + " gate sshd[17]: text";
    check({line, StampKind::iso, stamp, kSyslog, "gate", "sshd", 17, "text"});
    const std::string no_host = std::string(stamp) + " sshd[17]: text";
    check({no_host, StampKind::iso, stamp, kSyslog, "", "sshd", 17, "text"});
    const std::string mac = std::string(stamp) + "  gate sshd[17]: text";  // macOS: two blanks
    check({mac, StampKind::iso, stamp, kSyslog, "gate", "sshd", 17, "text"});
  }
}

TEST(Header, Journalctl) {
  check({"2026-11-05T03:04:05+0100 gate sshd[17]: text", StampKind::iso, "2026-11-05T03:04:05+0100", kSyslog, "gate",
         "sshd", 17, "text"});
  check({"2026-11-05T03:04:05.123456+01:00 gate sshd-session[17]: text", StampKind::iso,
         "2026-11-05T03:04:05.123456+01:00", kSyslog, "gate", "sshd-session", 17, "text"});
}

TEST(Header, Metalog) {
  constexpr std::string_view kStamp = "2026-11-05T03:04:05.10040";
  check({"2026-11-05T03:04:05.10040 auth.info: sshd[17]:  text", StampKind::iso, kStamp, kSyslog, "", "sshd", 17,
         "text"});
  check({"2026-11-05T03:04:05.10040 auth.info: Nov  5 04:04:05 sshd[17]: text", StampKind::iso, kStamp, kSyslog, "",
         "sshd", 17, "text"});
  check({"2026-11-05T03:04:05.10040 gate local7.notice: text here", StampKind::iso, kStamp, kSyslog, "gate", "", 0,
         "text here"});
  check({"2026-11-05T03:04:05.10040 auth.info: text here", StampKind::iso, kStamp, kSyslog, "", "", 0, "text here"});
}

TEST(Header, Containers) {
  constexpr std::string_view kStamp = "2026-11-05T03:04:05.123456789Z";
  constexpr auto kIso = StampKind::iso;
  check({R"({"log":"bare \"text\"\n","stream":"stdout","time":"2026-11-05T03:04:05.123456789Z"})", kIso, kStamp,
         Layout::none, "", "", 0, "bare \"text\"", true});
  check(
      {R"({"log":"Nov  5 04:04:05 gate sshd[17]: \u00e9x\r\n","stream":"stderr","time":"2026-11-05T03:04:05.123456789Z"})",
       kIso, kStamp, kSyslog, "gate", "sshd", 17, "\xc3\xa9x", true});
  check({R"({"log":"sshd[17]: x\n","attrs":{"a":"b"},"stream":"stderr","time":"2026-11-05T03:04:05.123456789Z"})", kIso,
         kStamp, Layout::none, "", "", 0, "sshd[17]: x", true});
  check(
      {"2026-11-05T03:04:05.123456789Z stdout F bare text", kIso, kStamp, Layout::none, "", "", 0, "bare text", true});
  check({"2026-11-05T03:04:05.123456789Z stderr P Nov  5 04:04:05 gate sshd[17]: x", kIso, kStamp, kSyslog, "gate",
         "sshd", 17, "x", true});
  // not the driver's form: no container
  check({R"({"log":"x"})", StampKind::none, "", Layout::none, "", "", 0, R"({"log":"x"})"});
  check({R"({"log":"x","time":)", StampKind::none, "", Layout::none, "", "", 0, R"({"log":"x","time":)"});
  check({R"({"log":7,"time":"2026-11-05T03:04:05Z"})", StampKind::none, "", Layout::none, "", "", 0,
         R"({"log":7,"time":"2026-11-05T03:04:05Z"})"});
}

TEST(Header, ContainersNestOnlyAFewTimes) {
  std::string line = "Nov  5 03:04:05 gate sshd[17]: x";
  for (int depth = 0; depth < 40; ++depth) line = "2026-11-05T03:04:05Z stdout F " + line;
  std::string scratch;
  EXPECT_EQ(split_header(line, scratch).program, "");
}

TEST(Header, OtherStamps) {
  check({"@4000000052f1a2b3044077a9 sshd: x", StampKind::tai64n, "@4000000052f1a2b3044077a9", kSyslog, "", "sshd", 0,
         "x"});
  check({"1794020645 gate sshd[17]: x", StampKind::epoch, "1794020645", kSyslog, "gate", "sshd", 17, "x"});
  check({"1794020645.123 gate sshd[17]: x", StampKind::epoch, "1794020645.123", kSyslog, "gate", "sshd", 17, "x"});
}

TEST(Header, Solaris) {
  check({"Nov  5 03:04:05 gate sshd[17]: [ID 800047 auth.info] text", StampKind::bsd, kBsdStamp, kSyslog, "gate",
         "sshd", 17, "text"});
}

TEST(Header, LogsWithoutAProgram) {
  check({"[Thu Nov 05 03:04:05.123456 2026] [auth_basic:error] [pid 1:tid 2] [client 192.0.2.1:5] x",
         StampKind::calendar, "Thu Nov 05 03:04:05.123456 2026", Layout::apache_error, "", "", 0,
         "[auth_basic:error] [pid 1:tid 2] [client 192.0.2.1:5] x"});
  check({"[Thu Nov  5 03:04:05 2026] [error] [client 192.0.2.1] x", StampKind::calendar, "Thu Nov  5 03:04:05 2026",
         Layout::apache_error, "", "", 0, "[error] [client 192.0.2.1] x"});
  check({"2026/11/05 03:04:05 [error] 17#0: *3 x", StampKind::slash, "2026/11/05 03:04:05", Layout::nginx_error, "", "",
         0, "[error] 17#0: *3 x"});
  check({"Thu Nov  5 03:04:05 2026 [pid 17] [anna] FAIL LOGIN", StampKind::calendar, "Thu Nov  5 03:04:05 2026",
         Layout::ctime, "", "", 0, "[pid 17] [anna] FAIL LOGIN"});
  for (const std::string_view line : {R"(192.0.2.1 - - [05/Nov/2026:03:04:05 +0100] "GET / HTTP/1.1" 401 5)",
                                      R"(www.example.com 192.0.2.1 - a b [05/Nov/2026:03:04:05 +0100] "GET /" 200 -)",
                                      R"(2001:db8::1 - [x] y [05/Nov/2026:03:04:05 +0100] "GET /" 200 -)"}) {
    check({line, StampKind::clf, "05/Nov/2026:03:04:05 +0100", Layout::access, "", "", 0, line});
  }
}

TEST(Header, AnythingElseIsAMessage) {
  const std::string nul("\0Nov  5 03:04:05 gate sshd[17]: x", 33);
  const std::string nul_inside("Nov  5 03:04:05 gate sshd[17]: a\0b", 34);
  check({"", StampKind::none, "", Layout::none, "", "", 0, ""});
  check({"   ", StampKind::none, "", Layout::none, "", "", 0, ""});
  check({" garbage without a form \xff\xfe ", StampKind::none, "", Layout::none, "", "", 0,
         "garbage without a form \xff\xfe"});
  check({"Failed password for root from 192.0.2.1", StampKind::none, "", Layout::none, "", "", 0,
         "Failed password for root from 192.0.2.1"});
  check({nul, StampKind::none, "", Layout::none, "", "", 0, nul});
  check({nul_inside, StampKind::bsd, kBsdStamp, kSyslog, "gate", "sshd", 17, std::string_view(nul_inside).substr(31)});
  check({"<38>", StampKind::none, "", Layout::none, "", "", 0, ""});
  check({"[", StampKind::none, "", Layout::none, "", "", 0, "["});
  check({"@4000", StampKind::none, "", Layout::none, "", "", 0, "@4000"});
  check({"Nov  5 03:04:05 ", StampKind::none, "", Layout::none, "", "", 0, "Nov  5 03:04:05"});
  check({"Nov  5 03:04:05 gate", StampKind::bsd, kBsdStamp, kSyslog, "", "", 0, "gate"});
  check({"Nov  5 03:04:05 gate sshd[999999999999999]: x", StampKind::bsd, kBsdStamp, kSyslog, "gate", "", 0,
         "gate sshd[999999999999999]: x"});
}

// Whatever a line is cut off to, and whatever byte it is spoilt with, the views lie inside it.
TEST(Header, CutAndSpoiltLinesStayInside) {
  for (const std::string line :
       {"<38>1 2026-11-05T03:04:05.123456+01:00 gate sshd 17 - [a x=\"\\\"]\"] text",
        "Nov  5 03:04:05 gate sshd(pam_unix)[17]: [ID 1 x] text",
        "2026-11-05T03:04:05.1Z stdout F Nov  5 03:04:05 2026 gate auth.info: sshd[17]: x",
        "[Thu Nov  5 03:04:05 2026] [error] x", "Thu Nov  5 03:04:05 2026 [pid 17] x",
        "@4000000052f1a2b3044077a9 sshd: x", "1794020645.1 gate sshd[17]: x", "2026/11/05 03:04:05 [error] x",
        "192.0.2.1 - - [05/Nov/2026:03:04:05 +0100] \"GET / HTTP/1.1\" 401 5"}) {
    for (std::size_t at = 0; at < line.size(); ++at) {
      for (const char byte : {' ', ':', '[', ']', '"', '\\', '\0', '\xff', '9'}) {
        for (const std::string& spoilt : {line.substr(0, at), line.substr(0, at) + byte + line.substr(at + 1)}) {
          std::string scratch;
          const Header header = split_header(spoilt, scratch);
          for (const std::string_view view :
               {header.stamp, header.host, header.program, header.message, header.from_program}) {
            if (view.empty()) continue;
            ASSERT_GE(view.data(), spoilt.data()) << spoilt;
            ASSERT_LE(view.data() + view.size(), spoilt.data() + spoilt.size()) << spoilt;
          }
        }
      }
    }
  }
}

}  // namespace
}  // namespace tipstaff
