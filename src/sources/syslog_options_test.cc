#include "sources/syslog_options.h"

#include <gtest/gtest.h>

#include <string>

namespace tipstaff {
namespace {

TEST(SyslogOptions, AListenerIsOneWord) {
  for (const char* text : {"unix:/run/tipstaff/log", "unix-stream:/run/x y", "udp:127.0.0.1:514", "tcp:[::1]:601",
                           "tls:0.0.0.0:6514", "tcp:127.0.0.1:0"}) {
    const auto options = parse_syslog_listener(text);
    ASSERT_TRUE(options) << options.error().text;
    EXPECT_EQ(options->to_string(), text);
  }
  EXPECT_TRUE(parse_syslog_listener("udp:127.0.0.1:514")->is_datagram());
  EXPECT_TRUE(parse_syslog_listener("unix:/a")->is_datagram());
  EXPECT_FALSE(parse_syslog_listener("unix-stream:/a")->is_datagram());
}

TEST(SyslogOptions, WrongOnesSayWhatToWrite) {
  const struct {
    std::string text;
    const char* said;
  } cases[] = {
      {"", "begins with unix:, unix-stream:, udp:, tcp: or tls:"},
      {"514", "write for example udp:127.0.0.1:514"},
      {"http:127.0.0.1:80", "begins with unix:"},
      {"udp:", "no address with a port"},
      {"udp:514", "write 127.0.0.1:514, or [::1]:514 for IPv6"},
      {"udp:localhost:514", "no address with a port"},
      {"udp:127.0.0.1:65536", "no address with a port"},
      {"udp:127.0.0.1:51x", "no address with a port"},
      {"udp:127.0.0.1:", "no address with a port"},
      {"udp:::1:514", "no address with a port"},
      {"udp:[127.0.0.1]:514", "no address with a port"},
      {"unix:log", "begins with /"},
      {"unix:/" + std::string(107, 'x'), "at most 107 bytes"},
  };
  for (const auto& one : cases) {
    const auto options = parse_syslog_listener(one.text);
    ASSERT_FALSE(options) << one.text;
    EXPECT_EQ(options.error().kind, ErrorKind::invalid);
    EXPECT_NE(options.error().text.find(one.said), std::string::npos) << one.text << ": " << options.error().text;
  }
}

}  // namespace
}  // namespace tipstaff
