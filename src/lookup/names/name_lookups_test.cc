// Against a DNS server of our own that misbehaves in every way it can. No test waits for a time to pass but those whose
// server does not answer, which wait for the look-up's own short limit.
#include "lookup/names/name_lookups.h"

#include <gtest/gtest.h>

#include <atomic>
#include <boost/json.hpp>
#include <condition_variable>
#include <mutex>
#include <thread>

#include "tests/dns_server.h"
#include "tests/run.h"

namespace tipstaff {
namespace {

using namespace std::chrono_literals;
using Manner = DnsServer::Manner;

IpAddress address(std::string_view text) { return *IpAddress::parse(text); }

class NameLookupsTest : public testing::Test {
 protected:
  void start(NameLookupOptions options = {}) {
    options.servers = {server_.address()};
    options.clock = [this] { return clock_.load(); };
    options.answered = [this](const AddressNames& names) {
      const std::scoped_lock lock(mutex_);
      answered_[names.address] = names;
      ++count_;
      changed_.notify_all();
    };
    auto suffixes = PublicSuffixes::open();
    ASSERT_TRUE(suffixes.has_value()) << suffixes.error().message();
    auto started = NameLookups::start(std::move(options), *suffixes);
    ASSERT_TRUE(started.has_value()) << started.error().message();
    lookups_ = std::move(*started);
  }
  AddressNames look(std::string_view text) {
    EXPECT_TRUE(lookups_->ask(address(text)));
    std::unique_lock lock(mutex_);
    EXPECT_TRUE(changed_.wait_for(lock, 30s, [&] { return answered_.contains(address(text)); })) << text;
    return answered_[address(text)];
  }
  void wait_for(std::size_t answers) {
    std::unique_lock lock(mutex_);
    EXPECT_TRUE(changed_.wait_for(lock, 60s, [&] { return count_ >= answers; })) << count_;
  }

  DnsServer server_;
  std::atomic<Instant> clock_ = Instant(std::chrono::seconds(1'767'323'045));
  std::mutex mutex_;
  std::condition_variable changed_;
  std::map<IpAddress, AddressNames> answered_;
  std::size_t count_ = 0;
  std::unique_ptr<NameLookups> lookups_;
};

TEST_F(NameLookupsTest, KnowsTheNamesOfTheStory) {
  const std::string path = std::string(TIPSTAFF_SOURCE_DIR) + "/tests/story/dns.json";
  server_.load(path);
  start();
  const boost::json::value file = boost::json::parse(read_file(path));
  for (const auto& [text, expected] : file.at("expected").as_object()) {
    const AddressNames names = look(text);
    const auto& name = expected.at("ptr");
    EXPECT_EQ(names.name, name.is_null() ? "" : std::string(name.as_string())) << text;
    EXPECT_EQ(names.confirmed, expected.at("confirmed").as_bool()) << text;
    EXPECT_EQ(names.problem, "");
  }
  const AddressNames mail = look("198.51.100.23");
  EXPECT_EQ(mail.domain, "parliament.example");
  EXPECT_EQ(mail.roles, std::vector{DomainRole::mail_server});
  EXPECT_EQ(to_words(mail.roles[0], mail.domain), "the mail server of parliament.example");
  EXPECT_EQ(mail.expires - mail.asked, 300s);  // there is no NS record and no SOA: held for the least time
  EXPECT_TRUE(look("203.0.113.77").roles.empty());
  EXPECT_EQ(look("203.0.113.77").domain, "");
}

TEST_F(NameLookupsTest, KeepsWhatItKnowsUntilItExpires) {
  server_.add("1.2.0.192.in-addr.arpa", "PTR", "host.example", 600);
  start();
  look("192.0.2.1");
  const auto before = server_.asked();
  EXPECT_TRUE(lookups_->ask(address("192.0.2.1")));
  ASSERT_TRUE(lookups_->known(address("192.0.2.1")).has_value());
  EXPECT_EQ(lookups_->known(address("192.0.2.1"))->name, "host.example");
  EXPECT_EQ(server_.asked(), before);
  clock_ = clock_.load() + 301s;
  EXPECT_FALSE(lookups_->known(address("192.0.2.1")).has_value());
  EXPECT_TRUE(lookups_->kept().empty());
  EXPECT_TRUE(lookups_->ask(address("192.0.2.1")));
  wait_for(2);
  EXPECT_GT(server_.asked(), before);
}

TEST_F(NameLookupsTest, IsSavedAndRestored) {
  server_.add("1.2.0.192.in-addr.arpa", "PTR", "host.example.org");
  server_.add("host.example.org", "A", "192.0.2.1");
  start();
  const AddressNames names = look("192.0.2.1");
  std::vector<AddressNames> saved = lookups_->kept();
  EXPECT_EQ(saved, std::vector{names});
  saved.push_back(names);
  saved.back().address = address("192.0.2.2");
  saved.back().name = "<b>.example";
  saved.push_back(names);
  saved.back().address = address("192.0.2.3");
  saved.back().expires = clock_.load() + std::chrono::days(400);
  saved.push_back(names);
  saved.back().address = address("192.0.2.4");
  saved.back().expires = clock_.load();
  start();
  lookups_->restore(saved);
  EXPECT_EQ(lookups_->kept(), std::vector{names});
  EXPECT_EQ(lookups_->known(address("192.0.2.1")), names);
}

TEST_F(NameLookupsTest, TellsTheRolesOfAnAddress) {
  server_.add("1.2.0.192.in-addr.arpa", "PTR", "A.Example.ORG.");
  server_.add("a.example.org", "A", "192.0.2.1");
  server_.add("example.org", "MX", "10 mx.elsewhere.example");
  server_.add("mx.elsewhere.example", "A", "192.0.2.1");
  server_.add("example.org", "NS", "a.example.org");
  server_.add("example.org", "TXT", "v=spf1 include:_spf.example.net -all");
  server_.add("example.org", "TXT", "other text");
  server_.add("_spf.example.net", "TXT", "v=spf1 ip4:192.0.2.0/24 ~all");
  start();
  const AddressNames names = look("192.0.2.1");
  EXPECT_EQ(names.name, "a.example.org");
  EXPECT_EQ(names.domain, "example.org");
  EXPECT_EQ(names.roles, (std::vector{DomainRole::mail_server, DomainRole::name_server, DomainRole::mail_sender}));
  EXPECT_EQ(names.problem, "");
}

// Whatever is wrong, there is a result in time, it names the trouble, and another address is answered meanwhile.
TEST_F(NameLookupsTest, BearsServersThatMisbehave) {
  server_.add("1.2.0.192.in-addr.arpa", "PTR", "good.example.org");
  server_.add("good.example.org", "A", "192.0.2.1");
  std::size_t i = 10;
  const Manner manners[] = {Manner::silent,         Manner::refuse,         Manner::garbage,      Manner::wrong_id,
                            Manner::wrong_question, Manner::alias_loop,     Manner::pointer_loop, Manner::cut_then_hang,
                            Manner::cut_then_drip,  Manner::lie_about_count};
  for (const Manner manner : manners) {
    const std::string name = std::to_string(i++) + ".2.0.192.in-addr.arpa";
    server_.add(name, "PTR", "bad.example.org");
    server_.set_manner(name, manner);
  }
  start({.timeout = 100ms, .tries = 2, .longest = 2s});
  for (std::size_t j = 10; j < i; ++j) EXPECT_TRUE(lookups_->ask(address("192.0.2." + std::to_string(j))));
  EXPECT_TRUE(look("192.0.2.1").confirmed);
  for (std::size_t j = 10; j < i; ++j) {
    const AddressNames names = look("192.0.2." + std::to_string(j));
    EXPECT_EQ(names.name, "") << j;
    const Manner manner = manners[j - 10];
    if (manner == Manner::alias_loop || manner == Manner::pointer_loop) {
      EXPECT_GT(names.dropped, 0U) << j;
    } else {
      EXPECT_TRUE(names.problem.starts_with("PTR of ")) << j << names.problem;
      EXPECT_EQ(names.expires - names.asked, 120s) << j;
    }
  }
  const auto counters = lookups_->counters();
  EXPECT_EQ(counters.waiting, 0U);
  EXPECT_GE(counters.failed, 8U);
}

TEST_F(NameLookupsTest, TakesCutAnswersByTcpAndNoMoreThanItMust) {
  server_.add("1.2.0.192.in-addr.arpa", "PTR", "good.example.org");
  server_.add("good.example.org", "A", "192.0.2.1");
  server_.set_manner("1.2.0.192.in-addr.arpa", Manner::cut);
  server_.set_manner("2.2.0.192.in-addr.arpa", Manner::huge);
  server_.set_manner("example.org", Manner::huge);
  start();
  const AddressNames names = look("192.0.2.1");
  EXPECT_TRUE(names.confirmed);
  EXPECT_TRUE(names.roles.empty());
  EXPECT_GT(names.dropped, 0U);
  EXPECT_LE(lookups_->counters().questions, kMostQuestions);
  const AddressNames huge = look("192.0.2.2");
  EXPECT_EQ(huge.name, "n0.example");
  EXPECT_GT(huge.dropped, 200U);
  EXPECT_EQ(server_.asked("n20.example", "A"), 0U);
}

TEST_F(NameLookupsTest, LetsNoNameThroughThatIsNone) {
  for (const char* name : {"<script>alert(1)</script>.example", "a\\013\\010b.example", "-rf.example", "a b.example",
                           "\\195\\164.example", "a\\046b.example", "\\000.example", "1.2.3.4", "."}) {
    server_.add("1.2.0.192.in-addr.arpa", "PTR", name);
  }
  start();
  const AddressNames names = look("192.0.2.1");
  EXPECT_EQ(names.name, "");
  EXPECT_EQ(names.dropped, 8U);  // the root is no name to be dropped
  server_.add("2.2.0.192.in-addr.arpa", "PTR", "<b>.example");
  server_.add("2.2.0.192.in-addr.arpa", "PTR", "x_1.example.");
  EXPECT_EQ(look("192.0.2.2").name, "x_1.example");
}

TEST_F(NameLookupsTest, IsBoundedWhileNobodyAnswers) {
  server_.set_manner("*", Manner::held);
  start({.timeout = 60s, .tries = 1, .longest = 60s, .at_a_time = 4, .most_waiting = 10, .most_kept = 5});
  std::size_t taken = 0;
  for (int i = 1; i <= 100; ++i) taken += lookups_->ask(address("192.0.2." + std::to_string(i))) ? 1U : 0U;
  EXPECT_GE(taken, 10U);
  EXPECT_LE(taken, 14U);
  EXPECT_EQ(lookups_->counters().refused, 100 - taken);
  EXPECT_LE(server_.asked(), 4U);
  server_.release();
  wait_for(taken);
  EXPECT_EQ(lookups_->counters().kept, 5U);
  EXPECT_EQ(lookups_->counters().evicted, taken - 5);
  EXPECT_EQ(lookups_->counters().waiting, 0U);
}

TEST_F(NameLookupsTest, EndsAtOnceWhateverIsOut) {
  server_.set_manner("*", Manner::silent);
  start({.timeout = 60s, .tries = 1, .longest = 600s});
  for (int i = 1; i <= 50; ++i) EXPECT_TRUE(lookups_->ask(address("192.0.2." + std::to_string(i))));
  const auto before = std::chrono::steady_clock::now();
  lookups_.reset();
  EXPECT_LT(std::chrono::steady_clock::now() - before, 5s);
}

TEST_F(NameLookupsTest, AsksNobodyAboutAddressesOfThisMachineOrLink) {
  start();
  for (const char* text : {"127.0.0.1", "::1", "169.254.1.1", "fe80::1", "224.0.0.1", "ff02::1", "0.0.0.0", "::"}) {
    EXPECT_TRUE(lookups_->ask(address(text)));
    ASSERT_TRUE(lookups_->known(address(text)).has_value()) << text;
    EXPECT_EQ(lookups_->known(address(text))->name, "");
  }
  EXPECT_EQ(server_.asked(), 0U);
}

}  // namespace
}  // namespace tipstaff
