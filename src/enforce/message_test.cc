// The packets between guard and enforcer: each type comes back as it went, and whatever is not exactly right is refused.
#include "enforce/message.h"

#include <gtest/gtest.h>

#include <chrono>
#include <random>

namespace tipstaff {
namespace {

using std::chrono::seconds;

IpNetwork network(const char* text) { return IpNetwork::parse(text).value(); }

Entry entry(const char* text) { return {.key = {.network = network(text)}}; }

Message message(MessageType type, std::vector<Entry> entries = {}, std::string text = {}) {
  return {.type = type, .sequence = 7, .entries = std::move(entries), .text = std::move(text)};
}

std::vector<Message> one_of_each() {
  Entry host = entry("203.0.113.7");
  host.until = Instant(seconds(2'000'000'000));
  Entry service{.key = {.network = network("2001:db8:1::/64"), .protocol = 6, .port = 22}, .until = kForever};
  Entry told = host;
  told.dropped = 0x0123'4567'89ab'cdef;
  told.result = EntryResult::full;
  Message hello = message(MessageType::hello);
  hello.events = true;
  Message allow = message(MessageType::allow, {entry("192.0.2.0/24"), entry("0.0.0.0/0"), entry("::/0")});
  allow.first = true;
  return {hello,
          message(MessageType::hello),
          message(MessageType::block, {host, service}),
          message(MessageType::block),
          message(MessageType::unblock, {entry("203.0.113.7"), entry("2001:db8::1")}),
          allow,
          message(MessageType::list),
          message(MessageType::status),
          message(MessageType::clear),
          message(MessageType::done, {told}, "x"),
          message(MessageType::done),
          message(MessageType::denied, {}, "no"),
          message(MessageType::blocks, {told, service}),
          message(MessageType::ended, {told}),
          message(MessageType::repaired, {}, "table inet tipstaff was missing \xe2\x80\x93 put back")};
}

TEST(EnforcerMessage, EachTypeComesBackAsItWent) {
  for (const Message& sent : one_of_each()) {
    const std::string packet = encode(sent);
    const auto got = decode(packet);
    ASSERT_TRUE(got) << got.error().message();
    EXPECT_EQ(*got, sent) << "type " << int(sent.type);
  }
}

// The bytes of docs/formats/enforcer.md.
TEST(EnforcerMessage, BytesAreAsDocumented) {
  Entry entry{.key = {.network = network("203.0.113.0/24"), .protocol = 17, .port = 53},
              .until = Instant(std::chrono::microseconds(0x0000'7766'5544'3322))};
  const std::string packet = encode({.type = MessageType::block, .sequence = 0x01020304, .entries = {entry}});
  const std::string expected(
      "\x01\x02\x00\x00\x01\x02\x03\x04\x00\x01\x00\x00\x00\x00\x00\x00"
      "\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\xff\xff\xcb\x00\x71\x00"
      "\x18\x11\x00\x35\x00\x00\x00\x00\x00\x00\x77\x66\x55\x44\x33\x22"
      "\x00\x00\x00\x00\x00\x00\x00\x00",
      56);
  EXPECT_EQ(packet, expected);
}

TEST(EnforcerMessage, LargestMessageFits) {
  Message all = message(MessageType::done, std::vector<Entry>(Message::kMostEntries, entry("2001:db8::/32")));
  all.text = std::string(Message::kMostText, 'x');
  EXPECT_LE(encode(all).size(), kMostPacket);
  EXPECT_EQ(decode(encode(all)).value(), all);
  Message more = all;
  more.entries.push_back(entry("192.0.2.1"));
  more.text += 'y';
  EXPECT_EQ(encode(more), encode(all)) << "what is too much is cut off";
}

TEST(EnforcerMessage, WhatATypeDoesNotUseIsLeftOut) {
  Entry full{.key = {.network = network("192.0.2.0/24"), .protocol = 6, .port = 25},
             .until = Instant(seconds(5)),
             .dropped = 3,
             .result = EntryResult::failed};
  const auto block = decode(encode({.type = MessageType::block, .events = true, .first = true, .entries = {full}}));
  ASSERT_TRUE(block);
  EXPECT_EQ(block->entries.at(0), (Entry{.key = full.key, .until = full.until}));
  EXPECT_FALSE(block->events || block->first);
  const auto allow = decode(encode({.type = MessageType::allow, .entries = {full}, .text = "x"}));
  ASSERT_TRUE(allow);
  EXPECT_EQ(allow->entries.at(0), entry("192.0.2.0/24"));
  EXPECT_EQ(allow->text, "");
  EXPECT_EQ(decode(encode({.type = MessageType::denied, .text = "a\nb\x7f"})).value().text, "a b ");
}

TEST(EnforcerMessage, EndsBeyondTheCalendar) {
  const auto until = [](Instant instant) {
    return decode(encode({.type = MessageType::block, .entries = {{.key = entry("192.0.2.1").key, .until = instant}}}))
        .value()
        .entries.at(0)
        .until;
  };
  EXPECT_EQ(until(kForever), kForever);
  EXPECT_EQ(until(kForever - seconds(1)), kForever);
  EXPECT_EQ(until(Instant(seconds(253'402'300'799))), Instant(seconds(253'402'300'799)));
  EXPECT_EQ(until(Instant(seconds(-5))), Instant());
  EXPECT_EQ(until(Instant::min()), Instant());
}

// --- refused -----------------------------------------------------------------------------------------------------------

std::string changed(std::string packet, std::size_t at, char byte) {
  packet.at(at) = byte;
  return packet;
}

TEST(EnforcerMessage, WhatIsNotExactlyRightIsRefused) {
  const std::string block = encode({.type = MessageType::block, .entries = {entry("203.0.113.0/24")}});
  const std::string list = encode(message(MessageType::list));
  const std::string denied = encode(message(MessageType::denied, {}, "abc"));
  ASSERT_TRUE(decode(block) && decode(list) && decode(denied));
  struct Case {
    std::string packet;
    const char* says;
  };
  const std::vector<Case> cases = {
      {"", "0 bytes are no header"},
      {list.substr(0, 15), "15 bytes are no header"},
      {list + '\0', "17 bytes where the header says 16"},
      {block.substr(0, 55), "55 bytes where the header says 56"},
      {changed(list, 0, 2), "version 2"},
      {changed(list, 1, 0), "type 0"},
      {changed(list, 1, 8), "type 8"},
      {changed(list, 1, 21), "type 21"},
      {changed(list, 2, 1), "flags 1"},
      {changed(encode(message(MessageType::hello)), 2, 2), "flags 2"},
      {changed(list, 3, 1), "reserved bytes of the header"},
      {changed(list, 15, 1), "reserved bytes of the header"},
      {changed(list, 9, 1), "1 entries of type 5"},
      {changed(list, 11, 1), "1 bytes of text"},
      {changed(block, 8, 4), "entries of type 2"},
      {changed(denied, 10, 17), "bytes of text"},
      {changed(denied, 17, '\n'), "control characters"},
      {changed(block, 32, 33), "entry 0: prefix length"},
      {changed(block, 31, 1), "bits beyond its prefix"},
      {changed(block, 33, 1), "protocol"},
      {changed(block, 33, 6), "protocol and port"},
      {changed(block, 35, 22), "protocol and port"},
      {changed(block, 36, 7), "result"},
      {changed(block, 36, 1), "result where none belongs"},
      {changed(block, 37, 1), "reserved bytes of an entry"},
      {changed(block, 40, '\x80'), "until"},
      {changed(block, 40, 0x7f), "until"},
      {changed(block, 55, 1), "counter"},
      {changed(changed(encode({.type = MessageType::allow, .entries = {entry("192.0.2.1")}}), 33, 6), 35, 22),
       "a port"},
      {changed(encode({.type = MessageType::unblock, .entries = {entry("192.0.2.1")}}), 47, 1), "an end"},
  };
  for (const Case& each : cases) {
    const auto got = decode(each.packet);
    ASSERT_FALSE(got) << each.says;
    EXPECT_EQ(got.error().kind, ErrorKind::invalid);
    EXPECT_NE(got.error().text.find(each.says), std::string::npos) << got.error().text << " instead of " << each.says;
  }
}

// Whatever passes is what encode() writes: there are no two packets for one message, so nothing hides in one.
TEST(EnforcerMessage, WhatPassesIsCanonical) {
  const unsigned seed = std::random_device()();
  SCOPED_TRACE(seed);
  std::minstd_rand dice(seed);
  const std::vector<Message> messages = one_of_each();
  std::size_t passed = 0;
  for (int i = 0; i < 20'000; ++i) {
    std::string packet = encode(messages[dice() % messages.size()]);
    for (auto changes = dice() % 3; changes > 0; --changes) {
      packet[dice() % packet.size()] = static_cast<char>(dice() % 256);
    }
    if (dice() % 8 == 0) packet.resize(dice() % (packet.size() + 4));
    const auto got = decode(packet);
    if (!got) continue;
    ++passed;
    ASSERT_EQ(encode(*got), packet);
  }
  EXPECT_GT(passed, 1'000U);
}

}  // namespace
}  // namespace tipstaff
