// What answers say together, without a network: each test gives answers until nothing is missing.
#include "lookup/names/address_names.h"

#include <gtest/gtest.h>

#include <functional>

#include "tests/run.h"

namespace tipstaff {
namespace {

using namespace std::chrono_literals;

DnsAnswer with_names(std::vector<std::string> names, std::chrono::seconds ttl = 3600s) {
  DnsAnswer answer;
  answer.state = DnsAnswer::State::answered;
  answer.names = std::move(names);
  answer.ttl = ttl;
  return answer;
}

class AddressNamesTest : public testing::Test {
 protected:
  DnsAnswers zone_;                                         // what is not in it does not exist
  std::function<DnsAnswer(const DnsQuestion&)> otherwise_;  // or is made by this
  DnsAnswers given_;
  std::chrono::seconds ttl_{};

  void names(const std::string& name, DnsType type, std::vector<std::string> values) {
    zone_[{name, type}] = with_names(std::move(values));
  }
  void address(const std::string& name, std::string_view text) {
    const IpAddress value = *IpAddress::parse(text);
    DnsAnswer& answer = zone_[{name, value.is_v4() ? DnsType::a : DnsType::aaaa}];
    answer.state = DnsAnswer::State::answered;
    answer.addresses.push_back(value);
    answer.ttl = 3600s;
  }
  void text(const std::string& name, const std::string& value) {
    DnsAnswer& answer = zone_[{name, DnsType::txt}];
    answer.state = DnsAnswer::State::answered;
    answer.texts.push_back(value);
    answer.ttl = 3600s;
  }

  AddressNames look(std::string_view text) {
    static const PublicSuffixes suffixes = *PublicSuffixes::open();
    given_.clear();
    for (int round = 0; round < 100; ++round) {
      std::vector<DnsQuestion> missing;
      AddressNames found = names_of(*IpAddress::parse(text), given_, suffixes, missing, ttl_);
      if (missing.empty()) return found;
      for (const DnsQuestion& question : missing) {
        DnsAnswer none;
        none.state = DnsAnswer::State::no_name;
        none.ttl = 3600s;
        const auto known = zone_.find(question);
        EXPECT_TRUE(
            given_.emplace(question, known != zone_.end() ? known->second
                                     : otherwise_         ? otherwise_(question)
                                                          : none)
                .second);
      }
    }
    ADD_FAILURE() << "it never ends";
    return {};
  }

  // Example.org's own mail host at 192.0.2.1.
  void confirmed() {
    names("1.2.0.192.in-addr.arpa", DnsType::ptr, {"mail.example.org"});
    address("mail.example.org", "192.0.2.1");
  }
};

TEST_F(AddressNamesTest, ReverseNames) {
  EXPECT_EQ(reverse_name(*IpAddress::parse("198.51.100.23")), "23.100.51.198.in-addr.arpa");
  EXPECT_EQ(reverse_name(*IpAddress::parse("2001:db8:77::5")),
            "5.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.7.7.0.0.8.b.d.0.1.0.0.2.ip6.arpa");
}

TEST_F(AddressNamesTest, OnlyANameThatLeadsBackGetsADomain) {
  names("1.2.0.192.in-addr.arpa", DnsType::ptr, {"mail.bank.example"});
  address("mail.bank.example", "192.0.2.99");
  names("bank.example", DnsType::mx, {"mail.bank.example"});
  const AddressNames found = look("192.0.2.1");
  EXPECT_EQ(found.name, "mail.bank.example");
  EXPECT_FALSE(found.confirmed);
  EXPECT_EQ(found.domain, "");
  EXPECT_TRUE(found.roles.empty());
  EXPECT_EQ(given_.size(), 2U);  // nor is anybody asked about it
}

TEST_F(AddressNamesTest, TakesTheConfirmedOneOfSeveralNamesTheSameEachTime) {
  names("1.2.0.192.in-addr.arpa", DnsType::ptr,
        {"z.example", "b.example.com", "a.example", "c.example.com", "y.example"});
  address("b.example.com", "192.0.2.1");
  address("c.example.com", "192.0.2.1");
  const AddressNames found = look("192.0.2.1");
  EXPECT_EQ(found.name, "b.example.com");
  EXPECT_TRUE(found.confirmed);
  EXPECT_EQ(found.domain, "example.com");
  EXPECT_EQ(found.dropped, 1U);
}

TEST_F(AddressNamesTest, AddressesOfBothKinds) {
  names(reverse_name(*IpAddress::parse("2001:db8::1")), DnsType::ptr, {"www.example.co.uk"});
  address("www.example.co.uk", "2001:db8::1");
  const AddressNames found = look("2001:db8::1");
  EXPECT_TRUE(found.confirmed);
  EXPECT_EQ(found.domain, "example.co.uk");
}

TEST_F(AddressNamesTest, RolesByNameAndByAddress) {
  confirmed();
  names("example.org", DnsType::mx, {"mail.example.org"});
  EXPECT_EQ(look("192.0.2.1").roles, std::vector{DomainRole::mail_server});
  names("example.org", DnsType::mx, {"mx.elsewhere.example"});
  names("example.org", DnsType::ns, {"ns.elsewhere.example"});
  EXPECT_TRUE(look("192.0.2.1").roles.empty());
  address("ns.elsewhere.example", "192.0.2.1");
  EXPECT_EQ(look("192.0.2.1").roles, std::vector{DomainRole::name_server});
}

TEST_F(AddressNamesTest, SpfNamesAnAddress) {
  const auto sender = [this](const std::string& record) {
    zone_.clear();
    confirmed();
    names("example.org", DnsType::mx, {"mx.example.net"});
    address("example.org", "192.0.2.77");
    text("_a.example.net", "v=spf1 ip4:192.0.2.1 -all");
    text("_loop.example.net", "v=spf1 include:_loop.example.net include:example.org redirect=_a.example.net");
    text("example.org", record);
    return !look("192.0.2.1").roles.empty();
  };
  for (const char* good : {"v=spf1 ip4:192.0.2.1", "v=spf1 +ip4:192.0.2.0/24 -all", "v=spf1 a:mail.example.org ~all",
                           "v=spf1 A:x a:MAIL.Example.org", "v=spf1 include:_a.example.net -all",
                           "v=spf1 redirect=_a.example.net", "v=spf1 include:_loop.example.net"}) {
    EXPECT_TRUE(sender(good)) << good;
  }
  for (const char* bad : {"v=spf1 +all", "v=spf1", "v=spf10 ip4:192.0.2.1", "spf1 ip4:192.0.2.1",
                          "v=spf1 -ip4:192.0.2.1", "v=spf1 ip4:0.0.0.0/0", "v=spf1 ip4:192.0.0.0/8", "v=spf1 ip4",
                          "v=spf1 ip4:", "v=spf1 a mx", "v=spf1 a:%{i}.example.org", "v=spf1 ptr exists:x",
                          "v=spf1 include:", "v=spf1 ip4:192.0.2.2", "v=spf1 a:mail.example.org/8"}) {
    EXPECT_FALSE(sender(bad)) << bad;
  }
  sender("v=spf1 ip4:192.0.2.1");
  text("example.org", "v=spf1 -all");  // two records are none
  EXPECT_TRUE(look("192.0.2.1").roles.empty());
}

// Whoever answers can lead us on for ever; we stop.
TEST_F(AddressNamesTest, AsksABoundedNumberOfQuestions) {
  confirmed();
  otherwise_ = [](const DnsQuestion& question) {
    DnsAnswer answer = with_names({});
    for (int i = 0; i < 32; ++i) {
      const std::string deeper = "x" + std::to_string(i) + "." + question.name.substr(0, 150);
      answer.names.push_back(deeper);
      answer.texts.push_back((i == 0 ? "v=spf1 include:" : "include:") + deeper + " include:y" + deeper);
    }
    if (question.type == DnsType::txt) answer.texts.resize(1);
    return answer;
  };
  const AddressNames found = look("192.0.2.1");
  EXPECT_TRUE(found.confirmed);
  EXPECT_LE(given_.size(), kMostQuestions);
  EXPECT_GT(given_.size(), 20U);
  EXPECT_GT(found.dropped, 0U);
}

TEST_F(AddressNamesTest, TellsWhatCouldNotBeFoundOutAndHowLongItHolds) {
  confirmed();
  DnsAnswer failed;
  failed.problem = "no answer";
  zone_[{"example.org", DnsType::ns}] = failed;
  zone_[{"example.org", DnsType::mx}] = with_names({"mail.example.org"}, 60s);
  const AddressNames found = look("192.0.2.1");
  EXPECT_EQ(found.problem, "NS of example.org: no answer");
  EXPECT_EQ(found.roles, std::vector{DomainRole::mail_server});
  EXPECT_EQ(ttl_, 60s);
}

TEST(PublicSuffixes, KnowsWhereADomainBegins) {
  const auto suffixes = PublicSuffixes::open();
  ASSERT_TRUE(suffixes.has_value());
  EXPECT_EQ(suffixes->registrable_domain("Mail.Example.CO.UK."), "example.co.uk");
  EXPECT_EQ(suffixes->registrable_domain("example.org"), "example.org");
  EXPECT_EQ(suffixes->registrable_domain("mail.parliament.example"), "parliament.example");
  for (const char* none : {"co.uk", "org", "", "192.0.2.1", "a b.org", "-x.org"})
    EXPECT_EQ(suffixes->registrable_domain(none), "") << none;
  EXPECT_EQ(suffixes->public_suffix("mail.example.co.uk"), "co.uk");
  TemporaryFolder folder;
  const auto path = folder.path() / "list.dat";
  write_file(path, "gov.example\n");
  const auto own = PublicSuffixes::of_file(path.string());
  ASSERT_TRUE(own.has_value());
  EXPECT_EQ(own->registrable_domain("a.b.gov.example"), "b.gov.example");
  EXPECT_FALSE(PublicSuffixes::of_file("/nonexistent").has_value());
}

}  // namespace
}  // namespace tipstaff
