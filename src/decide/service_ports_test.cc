#include "decide/service_ports.h"

#include <gtest/gtest.h>

#include <string>

#include "decide/testing.h"

namespace tipstaff {
namespace {

using testing_decide::config_of;

std::string text_of(const std::vector<ServicePort>& ports) {
  std::string text;
  for (const ServicePort& port : ports) text += (text.empty() ? "" : " ") + port.to_string();
  return text;
}

TEST(ServicePort, ReadsWhatItWrites) {
  for (const char* text : {"22/tcp", "1194/udp", "65535/tcp", "1/udp"}) {
    const auto port = ServicePort::parse(text);
    ASSERT_TRUE(port.has_value()) << text;
    EXPECT_EQ(port->to_string(), text);
  }
  for (const char* text : {"", "22", "0/tcp", "65536/tcp", "/tcp", "22/", "22/sctp", "22/TCP", "-1/tcp", " 22/tcp",
                           "22 /tcp", "0x16/tcp", "22/tcp "}) {
    EXPECT_FALSE(ServicePort::parse(text).has_value()) << text;
  }
}

TEST(ServicePorts, EachShippedDetectorOfOneServiceHasSome) {
  const auto detectors = load_detectors({});
  ASSERT_TRUE(detectors.has_value());
  const auto config = config_of("");
  std::size_t seen = 0;
  for (const auto& detector : *detectors) {
    if (detector->any_program) continue;
    ++seen;
    EXPECT_FALSE(service_ports(*config, *detectors, detector->service).empty()) << detector->name;
  }
  EXPECT_GE(seen, 8U);
  EXPECT_EQ(text_of(service_ports(*config, *detectors, "sshd")), "22/tcp");
  EXPECT_EQ(text_of(service_ports(*config, *detectors, "dovecot")), "110/tcp 143/tcp 993/tcp 995/tcp 4190/tcp");
  EXPECT_EQ(text_of(service_ports(*config, *detectors, "cockpit")), "");
}

TEST(ServicePorts, TheSettingGoesBeforeTheDetector) {
  const auto detectors = load_detectors({});
  ASSERT_TRUE(detectors.has_value());
  const auto config =
      config_of("[enforce.ports]\nsshd = [\"2222/tcp\", \"22/tcp\", \"22/tcp\"]\ncockpit = [\"9090/tcp\"]\n");
  EXPECT_EQ(text_of(service_ports(*config, *detectors, "sshd")), "22/tcp 2222/tcp");
  EXPECT_EQ(text_of(service_ports(*config, *detectors, "cockpit")), "9090/tcp");
  EXPECT_EQ(text_of(service_ports(*config, *detectors, "vsftpd")), "21/tcp 990/tcp");
}

TEST(ServicePorts, WrongOnesAreErrorsWithTheirLine) {
  const auto config = parse_rules("[enforce.ports]\nsshd = [\n  \"22/tcp\",\n  \"ssh\",\n]\nftp = 21\nweb = []\n", "p");
  ASSERT_FALSE(config.has_value());
  ASSERT_EQ(config.error().size(), 3U) << to_text(config.error());
  EXPECT_EQ(config.error()[0].where, "p:4");
  EXPECT_EQ(config.error()[1].where, "p:6");
  EXPECT_EQ(config.error()[2].where, "p:7");
}

TEST(ServicePorts, ARuleThatCanShutNothingIsTold) {
  const auto detectors = load_detectors({});
  ASSERT_TRUE(detectors.has_value());
  const std::string rule = "[[rule]]\nname = \"R\"\ntrigger_window = \"1m\"\noccurrences = 3\nlockout = \"1h\"\n";
  EXPECT_TRUE(rules_without_ports(*config_of(rule + "scope = \"service\"\n"), *detectors).empty());
  EXPECT_TRUE(rules_without_ports(*config_of(rule + "match = { service = \"cockpit\" }\n"), *detectors).empty());
  const std::string cockpit = rule + "scope = \"service\"\nmatch = { service = [\"sshd\", \"cockpit\"] }\n";
  const auto told = rules_without_ports(*config_of(cockpit), *detectors);
  ASSERT_EQ(told.size(), 1U);
  EXPECT_TRUE(told[0].starts_with("rules.toml:1: the rule \"R\" shuts one service, but of cockpit no port")) << told[0];
  EXPECT_TRUE(
      rules_without_ports(*config_of("[enforce.ports]\ncockpit = [\"9090/tcp\"]\n" + cockpit), *detectors).empty());
}

}  // namespace
}  // namespace tipstaff
