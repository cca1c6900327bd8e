#include "alert/possible_victim.h"

#include <gtest/gtest.h>

namespace tipstaff {
namespace {

IpAddress address(std::string_view text) { return IpAddress::parse(text).value_or(IpAddress()); }

TEST(PossibleVictim, NamesOfSuchBodiesAreKnownByTheirSuffixesAndWords) {
  const auto kind = [](std::string_view name, std::string_view domain) { return kind_of_name(name, domain); };
  EXPECT_EQ(kind("mail.agency.gov", "agency.gov"), "government");
  EXPECT_EQ(kind("mx1.council.gov.uk", "council.gov.uk"), "government");
  EXPECT_EQ(kind("smtp.prefecture.gouv.fr", "prefecture.gouv.fr"), "government");
  EXPECT_EQ(kind("www.trust.nhs.uk", "trust.nhs.uk"), "health");
  EXPECT_EQ(kind("lab.college.edu", "college.edu"), "education");
  EXPECT_EQ(kind("cs.college.ac.at", "college.ac.at"), "education");
  EXPECT_EQ(kind("mail.parliament.example", "parliament.example"), "government");
  EXPECT_EQ(kind("mail.uni-example.example", "uni-example.example"), "education");
}

TEST(PossibleVictim, OthersAreNot) {
  const auto kind = [](std::string_view name, std::string_view domain) { return kind_of_name(name, domain); };
  EXPECT_EQ(kind("vps200.cloud.example", "cloud.example"), "");
  EXPECT_EQ(kind("gov.cloud.example", "cloud.example"), "");         // a host of somebody's called so
  EXPECT_EQ(kind("parliament.dyn.isp.example", "isp.example"), "");  // likewise
  EXPECT_EQ(kind("mail.union.example", "union.example"), "");        // not "uni"
  EXPECT_EQ(kind("go.se", "go.se"), "");                             // nobody's suffix with two labels
  EXPECT_EQ(kind("", ""), "");
}

TEST(PossibleVictim, SaysWhyWithRoleAndCountry) {
  VictimFacts facts{address("198.51.100.23"),
                    "mail.parliament.example",
                    "parliament.example",
                    {"the mail server of parliament.example"},
                    "XX"};
  EXPECT_EQ(possible_victim(facts, {}), "the mail server of parliament.example (government, XX)");
  facts.roles.clear();
  facts.country.clear();
  EXPECT_EQ(possible_victim(facts, {}), "mail.parliament.example (government)");
}

TEST(PossibleVictim, TheAdministratorsWordsAndNetworksCount) {
  const VictimSigns signs{{"rival"}, {*IpNetwork::parse("203.0.113.0/24")}};
  EXPECT_EQ(possible_victim({address("192.0.2.1"), "mx.RIVAL.example", "rival.example", {}, "SE"}, signs),
            "mx.RIVAL.example (\"rival\" is on your list, SE)");
  EXPECT_EQ(possible_victim({address("192.0.2.1"), "mx.rivals.example", "rivals.example", {}, ""}, signs), "");
  EXPECT_EQ(possible_victim({address("203.0.113.9"), "", "", {}, ""}, signs),
            "an address of 203.0.113.0/24 (203.0.113.0/24 is on your list)");
  EXPECT_EQ(possible_victim({address("198.51.100.9"), "", "", {}, "XX"}, signs), "");
}

}  // namespace
}  // namespace tipstaff
