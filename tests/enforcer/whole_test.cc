// From a line in a log to a packet that is dropped, with the real programs: attacker -- host (guard and enforcer) -- server.
#include "tests/enforcer/whole.h"

namespace tipstaff {
namespace {

using std::chrono::milliseconds;

constexpr std::uint16_t kSsh = 22;
constexpr std::uint16_t kOther = 2525;
constexpr const char* kRules = R"(
[allowlist]
networks = ["198.51.100.9"]
sessions = false
[enforce.ports]
sshd = ["22/tcp"]
[[rule]]
name = "one service"
match = { account = "post" }
trigger_window = "30m"
occurrences = 2
lockout = "1h"
scope = "service"
[[rule]]
name = "brief"
match = { account = "brief" }
trigger_window = "30m"
occurrences = 2
lockout = "4s"
count_by = "prefix"
ipv4_prefix = 32
[[rule]]
name = "all"
trigger_window = "30m"
occurrences = 2
lockout = "1h"
count_by = "prefix"
ipv4_prefix = 32
ipv6_prefix = 64
[[rule]]
name = "Catch All Login"
enabled = false
[[rule]]
name = "Spraying"
enabled = false
)";

class WholeTest : public testing::Test, protected AttackedNetworks {
 protected:
  WholeTest() : AttackedNetworks({kSsh, kOther}) {}

  std::unique_ptr<Whole> whole;

  void SetUp() override {
    whole = std::make_unique<Whole>(host, kRules);
    whole->start_guard();
    ASSERT_TRUE(comes_true([&] { return whole->in_guard().has_value(); })) << whole->said();
  }
  void TearDown() override {
    whole->end_guard(SIGTERM);
    if (HasFailure()) ADD_FAILURE() << whole->said();
  }

  void fail_twice(const std::string& address, const std::string& account = "root") {
    whole->fail(address, account);
    whole->fail(address, account);
  }
  bool passes(const std::string& from, const std::string& to, std::uint16_t port = kSsh) const {
    return AttackedNetworks::passes(from, to, port);
  }
  // A connection comes to stand at once, or its first packet was dropped.
  bool is_shut(const std::string& from, const std::string& to, std::uint16_t port = kSsh) {
    return comes_true([&] { return !connects(attacker, from, to, port, milliseconds(300)); });
  }
};

TEST_F(WholeTest, ALineShutsItsAddressOutEverywhere) {
  ASSERT_TRUE(passes("198.51.100.2", "198.51.100.1"));
  ASSERT_TRUE(passes("2001:db8:1::2", "2001:db8:2::2"));
  fail_twice("198.51.100.2");
  fail_twice("2001:db8:1::2");
  for (const std::uint16_t port : {kSsh, kOther}) {
    EXPECT_TRUE(is_shut("198.51.100.2", "198.51.100.1", port));
    EXPECT_TRUE(is_shut("198.51.100.2", "192.0.2.2", port));
    EXPECT_TRUE(is_shut("2001:db8:1::2", "2001:db8:1::1", port));
    EXPECT_TRUE(is_shut("2001:db8:1::2", "2001:db8:2::2", port));
  }
  EXPECT_TRUE(passes("198.51.100.3", "198.51.100.1"));
  ASSERT_TRUE(whole->ask(R"({"command":"unblock","network":"198.51.100.2","why":"test"})"));
  EXPECT_TRUE(passes("198.51.100.2", "198.51.100.1"));
  // not its /64, as the rule would: this machine has an address in it
  EXPECT_EQ(whole->in_guard(), Blocked{"2001:db8:1::2"});
}

TEST_F(WholeTest, AServiceIsShutAlone) {
  fail_twice("198.51.100.3", "post");
  EXPECT_TRUE(is_shut("198.51.100.3", "198.51.100.1", kSsh));
  EXPECT_TRUE(passes("198.51.100.3", "198.51.100.1", kOther));
}

TEST_F(WholeTest, AfterItsTimeItConnectsAgain) {
  fail_twice("198.51.100.4", "brief");
  EXPECT_TRUE(is_shut("198.51.100.4", "198.51.100.1"));
  EXPECT_TRUE(passes("198.51.100.4", "198.51.100.1"));
  EXPECT_TRUE(comes_true([&] { return whole->in_guard() == Blocked{}; }));
}

TEST_F(WholeTest, WhoIsExemptIsNeverShut) {
  write_file(whole->enforcer().allowlist(), "198.51.100.10\n");
  whole->enforcer().signal(SIGHUP);
  fail_twice("198.51.100.9");  // the guard's allowlist
  fail_twice("198.51.100.1");  // this machine
  fail_twice("127.0.0.1");
  EXPECT_FALSE(whole->ask(R"({"command":"block","network":"198.51.100.9"})"));
  EXPECT_FALSE(whole->ask(R"({"command":"block","network":"127.0.0.0/8"})"));
  // a network around both: the others in it are shut out
  ASSERT_TRUE(whole->ask(R"({"command":"block","network":"198.51.100.8/29","why":"test"})"));
  EXPECT_TRUE(is_shut("198.51.100.11", "198.51.100.1"));
  EXPECT_TRUE(passes("198.51.100.9", "198.51.100.1"));
  EXPECT_TRUE(passes("198.51.100.10", "198.51.100.1"));
  // the last one failed after those above, so they have been judged
  fail_twice("198.51.100.5");
  EXPECT_TRUE(is_shut("198.51.100.5", "198.51.100.1"));
  EXPECT_EQ(whole->in_kernel(), Blocked{"198.51.100.5"});
}

TEST_F(WholeTest, AFlushAndARestartOfBothChangeNothing) {
  fail_twice("198.51.100.6");
  ASSERT_TRUE(comes_true([&] { return whole->in_kernel() == Blocked{"198.51.100.6"}; }));
  host.command("nft flush ruleset");
  EXPECT_TRUE(comes_true([&] { return whole->in_kernel() == Blocked{"198.51.100.6"}; }));
  EXPECT_TRUE(is_shut("198.51.100.6", "198.51.100.1"));
  ASSERT_TRUE(comes_true([&] { return whole->in_ledger() == Blocked{"198.51.100.6"}; }));
  // as after a reboot: nothing is left but the ledger
  whole->end_guard(SIGTERM);
  whole->enforcer().end(SIGTERM);
  host.command("nft flush ruleset");
  EXPECT_TRUE(passes("198.51.100.6", "198.51.100.1"));
  whole->enforcer().start();
  whole->start_guard();
  EXPECT_TRUE(comes_true([&] { return whole->in_kernel() == Blocked{"198.51.100.6"}; }));
  EXPECT_TRUE(is_shut("198.51.100.6", "198.51.100.1"));
}

}  // namespace
}  // namespace tipstaff
