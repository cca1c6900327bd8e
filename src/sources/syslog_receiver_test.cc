#include "sources/syslog_receiver.h"

#include <gtest/gtest.h>
#include <sys/stat.h>

#include <algorithm>
#include <chrono>
#include <deque>
#include <string>
#include <vector>

#include "sources/file_testing.h"
#include "sources/syslog_testing.h"

namespace tipstaff {
namespace {

using Lines = std::vector<std::string>;
using namespace std::string_literals;
using std::chrono::milliseconds;
using std::chrono::seconds;

constexpr const char* kOld = "<38>Nov 25 03:04:05 host sshd[17]: Failed password for root from 192.0.2.1 port 22 ssh2";
constexpr const char* kNew = "<38>1 2026-11-25T03:04:05Z host sshd 17 - - Failed password for root from 192.0.2.1";

SyslogOptions options_of(const std::string& listener) { return *parse_syslog_listener(listener); }

TEST(SyslogReceiver, TakesBothFormsFromEveryKindOfSocket) {
  TestFolder folder;
  {
    TestReceiver receiver("unix:" + (folder / "log"));
    const ::mode_t mask = ::umask(0027);
    receiver.start();
    ::umask(mask);
    const TestSender sender = TestSender::unix_socket(SOCK_DGRAM, folder / "log");
    sender.send(kOld + "\n"s);
    sender.send(kNew + "\0"s);
    sender.send("");
    sender.send("<13>a\nb");
    ASSERT_TRUE(receiver.until_got(3));
    EXPECT_EQ(receiver.lines(), (Lines{kOld, kNew, "<13>a b"}));
    EXPECT_FALSE(receiver.got[0].untrusted);
    struct stat facts{};
    ASSERT_EQ(::stat((folder / "log").c_str(), &facts), 0);
    EXPECT_EQ(facts.st_mode & 0777U, 0660U);
  }
  EXPECT_FALSE(folder.has("log"));
  {
    TestReceiver receiver("unix-stream:" + (folder / "stream"));
    receiver.start();
    TestSender::unix_socket(SOCK_STREAM, folder / "stream").send(kOld + "\0"s + kNew + "\0"s);
    ASSERT_TRUE(receiver.until_got(2));
    EXPECT_EQ(receiver.lines(), (Lines{kOld, kNew}));
  }
  for (const std::string listener : {"tcp:127.0.0.1:0", "tcp:[::1]:0"}) {
    TestReceiver receiver(listener);
    const TestSender sender =
        TestSender::network(SOCK_STREAM, receiver.start().port(), listener.contains("::1") ? "::1" : "127.0.0.1");
    sender.send(kOld + "\n"s + kNew + "\n");
    ASSERT_TRUE(receiver.until_got(2)) << listener;
    EXPECT_EQ(receiver.lines(), (Lines{kOld, kNew}));
    EXPECT_FALSE(receiver.got[0].untrusted);
    EXPECT_EQ(receiver->name(), "syslog:" + listener);
  }
  for (const std::string listener : {"udp:127.0.0.1:0", "udp:[::1]:0"}) {
    TestReceiver receiver(listener);
    const TestSender sender =
        TestSender::network(SOCK_DGRAM, receiver.start().port(), listener.contains("::1") ? "::1" : "127.0.0.1");
    sender.send(kOld);
    sender.send(kNew);
    ASSERT_TRUE(receiver.until_got(2)) << listener;
    EXPECT_EQ(receiver.lines(), (Lines{kOld, kNew}));
    EXPECT_TRUE(receiver.got[0].untrusted);
  }
}

TEST(SyslogReceiver, PlacesRiseOverRestartsWhateverTheClockDoes) {
  Place last;
  std::string checkpoint;
  Place oldest;
  {
    TestReceiver receiver("udp:127.0.0.1:0");
    receiver.start();
    EXPECT_GT(receiver->position(), Place{});
    const TestSender sender = TestSender::network(SOCK_DGRAM, receiver->port());
    for (int i = 0; i < 3; ++i) sender.send(kOld);
    ASSERT_TRUE(receiver.until_got(3));
    for (int i = 1; i < 3; ++i) {
      EXPECT_EQ(receiver.got[static_cast<std::size_t>(i)].place, receiver.got[static_cast<std::size_t>(i) - 1].next);
    }
    EXPECT_EQ(receiver->position(), receiver.got[2].next);
    EXPECT_LT(receiver.got[0].place.generation, 1U << 20U);
    EXPECT_LT(receiver.got[0].place.offset, 1ULL << 44U);
    oldest = receiver.got[0].place;
    last = receiver.got[2].place;
    checkpoint = receiver->checkpoint(oldest);
    EXPECT_LE(checkpoint.size(), kMaxCheckpoint);
  }
  for (const auto clock : {seconds(-86'400), seconds(0), seconds(86'400)}) {
    TestReceiver receiver("udp:127.0.0.1:0", SavedPlace{oldest, checkpoint});
    receiver.now += clock;
    receiver.start();
    EXPECT_GT(receiver->position(), last);
    TestSender::network(SOCK_DGRAM, receiver->port()).send(kOld);
    ASSERT_TRUE(receiver.until_got(1));
    EXPECT_GT(receiver.got[0].place, last);
  }
}

TEST(SyslogReceiver, SendersThatAreNotAllowedAreRefusedAndCounted) {
  for (const std::string kind : {"udp", "tcp"}) {
    SyslogOptions options = options_of(kind + ":127.0.0.1:0");
    options.allow = {*IpNetwork::parse("127.0.0.2"), *IpNetwork::parse("2001:db8::/32")};
    TestReceiver receiver(options);
    const std::uint16_t port = receiver.start().port();
    const int type = kind == "udp" ? SOCK_DGRAM : SOCK_STREAM;
    const TestSender stranger = TestSender::network(type, port, "127.0.0.3");
    stranger.send("<13>no\n");
    const TestSender sender = TestSender::network(type, port, "127.0.0.2");
    sender.send("<13>yes\n");
    ASSERT_TRUE(receiver.until_got(1));
    EXPECT_EQ(receiver.lines(), Lines{"<13>yes"});
    EXPECT_EQ(receiver->counters().not_allowed, 1U);
    const std::string said = receiver->health().sentence;
    EXPECT_NE(said.find("of senders that are not allowed (last: 127.0.0.3): add"), std::string::npos) << said;
    EXPECT_EQ(stranger.is_closed(), type == SOCK_STREAM);
  }
}

TEST(SyslogReceiver, OneSenderOfUdpCannotTakeTheShareOfOthers) {
  SyslogOptions options = options_of("udp:127.0.0.1:0");
  options.udp_rate = 2;
  TestReceiver receiver(options);
  const std::uint16_t port = receiver.start().port();
  const TestSender noisy = TestSender::network(SOCK_DGRAM, port, "127.0.0.2");
  for (int i = 0; i < 25; ++i) noisy.send("<13>noise");
  TestSender::network(SOCK_DGRAM, port, "127.0.0.3").send("<13>quiet");
  ASSERT_TRUE(receiver.until_got(11));
  EXPECT_EQ(receiver.got.back().line, "<13>quiet");
  EXPECT_EQ(receiver->counters().over_rate, 15U);
  EXPECT_EQ(receiver->health().dropped, 15U);
  EXPECT_EQ(receiver->health().state, SourceHealth::State::following);
  EXPECT_EQ(receiver->health().sentence, "15 messages dropped above 2 a second from one sender");
  receiver.now += seconds(1);
  for (int i = 0; i < 3; ++i) noisy.send("<13>later");
  ASSERT_TRUE(receiver.until([&] { return receiver->counters().over_rate == 16; }));
  EXPECT_EQ(receiver.got.size(), 13U);
}

TEST(SyslogReceiver, LongMessagesAreCut) {
  TestFolder folder;
  const std::string longer = "<13>" + std::string(kMaxLine, 'x');
  TestReceiver receiver("unix:" + (folder / "log"));
  receiver.start();
  const TestSender sender = TestSender::unix_socket(SOCK_DGRAM, folder / "log");
  sender.send(longer);
  ASSERT_TRUE(receiver.until_got(1));
  EXPECT_EQ(receiver.lines(), Lines{longer.substr(0, kMaxLine) + "~"});
  EXPECT_EQ(receiver->health().cut, 1U);

  TestReceiver stream("tcp:127.0.0.1:0");
  const TestSender other = TestSender::tcp(stream.start().port());
  other.send(std::to_string(longer.size()) + " " + longer + "5 <13>y");
  ASSERT_TRUE(stream.until_got(2));
  EXPECT_EQ(stream.lines(), (Lines{longer.substr(0, kMaxLine) + "~", "<13>y"}));
}

TEST(SyslogReceiver, HalfAMessageAtTheEndIsCut) {
  TestReceiver receiver("tcp:127.0.0.1:0");
  const TestSender sender = TestSender::tcp(receiver.start().port());
  sender.send("<13>whole\n<13>Failed for 192.0.2.1");
  sender.finish();
  ASSERT_TRUE(receiver.until_got(2));
  EXPECT_EQ(receiver.lines(), (Lines{"<13>whole", "<13>Failed for 192.0.2.1~"}));
  EXPECT_EQ(receiver->connections(), 0U);
  EXPECT_TRUE(sender.is_closed());
}

TEST(SyslogReceiver, GarbageEndsItsConnectionAlone) {
  TestReceiver receiver("tcp:127.0.0.1:0");
  const std::uint16_t port = receiver.start().port();
  const TestSender good = TestSender::tcp(port);
  const TestSender huge = TestSender::tcp(port);
  const TestSender garbage = TestSender::tcp(port);
  huge.send("5 <13>a99999999999999999999 <13>b");
  garbage.send("5 <13>c\xff\xfe\x01\x02");
  ASSERT_TRUE(receiver.until([&] { return receiver->counters().broken == 2; }));
  EXPECT_TRUE(huge.is_closed());
  EXPECT_TRUE(garbage.is_closed());
  good.send("5 <13>d");
  ASSERT_TRUE(receiver.until_got(3));
  EXPECT_EQ(receiver.got[2].line, "<13>d");
  EXPECT_EQ(receiver->health().sentence, "2 connections closed, since what they sent is no syslog");
}

TEST(SyslogReceiver, ConnectionsAreBoundedAndThoseThatAreHeldGoOn) {
  TestReceiver receiver("tcp:127.0.0.1:0");
  const std::uint16_t port = receiver.start().port();
  std::deque<TestSender> all;
  for (int i = 0; i < 300; ++i) {
    all.push_back(TestSender::tcp(port));
    ASSERT_TRUE(receiver.until(
        [&] { return receiver->connections() + receiver->counters().refused == static_cast<std::size_t>(i) + 1; }));
  }
  EXPECT_EQ(receiver->connections(), 256U);
  EXPECT_EQ(receiver->counters().refused, 44U);
  EXPECT_TRUE(all.back().is_closed());
  for (std::size_t i = 0; i < 256; ++i) all[i].send("<13>x\n");
  ASSERT_TRUE(receiver.until_got(256));
  all.pop_front();
  ASSERT_TRUE(receiver.until([&] { return receiver->connections() == 255; }));
  const TestSender late = TestSender::tcp(port);
  late.send("<13>late\n");
  ASSERT_TRUE(receiver.until_got(257));
  EXPECT_EQ(receiver.got.back().line, "<13>late");
}

TEST(SyslogReceiver, ASlowSenderHoldsUpNobody) {
  TestReceiver receiver("tcp:127.0.0.1:0");
  const std::uint16_t port = receiver.start().port();
  const TestSender slow = TestSender::tcp(port);
  const TestSender quick = TestSender::tcp(port);
  const std::string line = "17 <13>slow as it is";
  for (std::size_t i = 0; i < line.size(); ++i) {
    slow.send(line.substr(i, 1));
    quick.send("<13>quick\n");
    ASSERT_TRUE(receiver.until_got(i + 1));
  }
  ASSERT_TRUE(receiver.until_got(line.size() + 1));
  const Lines lines = receiver.lines();
  EXPECT_EQ(std::ranges::count(lines, "<13>quick"), static_cast<std::ptrdiff_t>(line.size()));
  EXPECT_EQ(std::ranges::count(lines, "<13>slow as it is"), 1);
}

TEST(SyslogReceiver, SilentConnectionsAreClosed) {
  SyslogOptions options = options_of("tcp:127.0.0.1:0");
  options.idle = milliseconds(1);
  TestReceiver receiver(options);
  const TestSender sender = TestSender::tcp(receiver.start().port());
  ASSERT_TRUE(receiver.until([&] { return receiver->counters().idle == 1; }));
  EXPECT_TRUE(sender.is_closed());
  EXPECT_EQ(receiver->connections(), 0U);
}

TEST(SyslogReceiver, APauseHoldsEverySenderAfterTheRecordInHand) {
  TestFolder folder;
  for (const std::string kind : {"udp", "tcp", "unix"}) {
    TestReceiver receiver(kind == "unix" ? "unix:" + (folder / "log") : kind + ":127.0.0.1:0");
    receiver.pause_after_each = true;
    const std::uint16_t port = receiver.start().port();
    const TestSender sender = kind == "unix" ? TestSender::unix_socket(SOCK_DGRAM, folder / "log")
                                             : TestSender::network(kind == "udp" ? SOCK_DGRAM : SOCK_STREAM, port);
    for (const char* line : {"<13>1\n", "<13>2\n", "<13>3\n"}) sender.send(line);
    sender.finish();
    for (std::size_t count = 1; count <= 3; ++count) {
      ASSERT_TRUE(receiver.until_got(count));
      receiver.run_due();
      EXPECT_EQ(receiver.got.size(), count) << kind;
      receiver->pause(false);
      receiver->pause(false);
    }
    EXPECT_EQ(receiver.lines(), (Lines{"<13>1", "<13>2", "<13>3"}));
    EXPECT_TRUE(receiver.until([&] { return receiver->connections() == 0; }));
  }
}

TEST(SyslogReceiver, WhatTheSystemDropsIsCounted) {
  SyslogOptions options = options_of("udp:127.0.0.1:0");
  options.udp_rate = 1'000'000;
  TestReceiver receiver(options);
  const TestSender sender = TestSender::network(SOCK_DGRAM, receiver.start().port());
  receiver->pause(true);
  receiver.run_due();
  const std::string big(60'000, 'x');
  for (int i = 0; i < 400; ++i) sender.send(big);
  receiver->pause(false);
  receiver.run_due();
  const std::size_t held = receiver.got.size();
  sender.send("<13>after");  // the system tells with the next one
  ASSERT_TRUE(receiver.until_got(held + 1));
  EXPECT_EQ(receiver->counters().kernel_dropped, 400 - held);
  EXPECT_GT(receiver->health().dropped, 0U);
}

TEST(SyslogReceiver, EndsInTheMiddleOfEverything) {
  TestReceiver receiver("tcp:127.0.0.1:0");
  const std::uint16_t port = receiver.start().port();
  const TestSender one = TestSender::tcp(port);
  const TestSender other = TestSender::tcp(port);
  one.send("<13>1\n<13>2\n");
  other.send("<13>half");
  receiver.pause_after_each = true;
  ASSERT_TRUE(receiver.until_got(1));
  receiver->pause(false);
  receiver.end();
  receiver.run_due();
  EXPECT_EQ(receiver.got.size(), 1U);
  EXPECT_TRUE(one.is_closed());
}

TEST(SyslogReceiver, AListenerThatCannotBeOpenedSaysWhyAndIsTriedAgain) {
  TestFolder folder;
  TestReceiver first("tcp:127.0.0.1:0");
  const std::uint16_t port = first.start().port();
  SyslogOptions options = options_of("tcp:127.0.0.1:" + std::to_string(port));
  options.retry = milliseconds(1);
  TestReceiver second(options);
  second.start();
  EXPECT_EQ(second->health().state, SourceHealth::State::unreadable);
  EXPECT_EQ(second->health().sentence, "another program listens at 127.0.0.1:" + std::to_string(port) +
                                           " already (`ss -lntup` names it); end it or choose another port");
  first.end();
  ASSERT_TRUE(second.until([&] { return second->port() == port; }));
  EXPECT_EQ(second->health().state, SourceHealth::State::following);
  EXPECT_EQ(second->health().sentence, "");
  TestSender::tcp(port).send("<13>x\n");
  EXPECT_TRUE(second.until_got(1));

  const struct {
    std::string listener;
    const char* said;
  } cases[] = {
      {"udp:192.0.2.1:5514", "192.0.2.1 is no address of this machine (`ip address` lists them)"},
      {"unix:" + (folder / "none/log"), "does not exist; make it"},
  };
  for (const auto& one : cases) {
    TestReceiver receiver(one.listener);
    receiver.start();
    EXPECT_NE(receiver->health().sentence.find(one.said), std::string::npos) << receiver->health().sentence;
    EXPECT_EQ(receiver->port(), 0);
  }
}

TEST(SyslogReceiver, ASocketFileIsReplacedOnlyWhereNobodyListens) {
  TestFolder folder;
  for (const std::string kind : {"unix:", "unix-stream:"}) {
    const auto open = [&](const std::string& name) { return open_listener(options_of(kind + (folder / name))); };
    {
      ASSERT_TRUE(open(kind + "left"));
    }  // closed without being taken away, as after a crash
    ASSERT_TRUE(folder.has(kind + "left"));
    const auto again = open(kind + "left");
    ASSERT_TRUE(again);
    const auto third = open(kind + "left");
    ASSERT_FALSE(third);
    EXPECT_EQ(third.error().kind, ErrorKind::conflict);
    folder.replace(kind + "file", "a file is never taken away");
    EXPECT_FALSE(open(kind + "file"));
    EXPECT_TRUE(folder.has(kind + "file"));
  }
}

}  // namespace
}  // namespace tipstaff
