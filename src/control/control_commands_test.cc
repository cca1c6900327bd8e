// The commands behind the socket: what each answers, who may give which, what is written down, and what is refused.
#include "control/control_commands.h"

#include <fmt/format.h>
#include <gtest/gtest.h>

#include <chrono>

#include "control/control_testing.h"

namespace tipstaff {
namespace {

namespace json = boost::json;
using testing_control::FakeControl;
using testing_control::network;
using testing_control::peer;

std::string kind_of(const json::object& answer) {
  EXPECT_FALSE(answer.at("ok").as_bool()) << json::serialize(answer);
  return answer.at("ok").as_bool() ? "" : json::value_to<std::string>(answer.at("error").at("kind"));
}

std::string message_of(const json::object& answer) {
  EXPECT_FALSE(answer.at("ok").as_bool()) << json::serialize(answer);
  return answer.at("ok").as_bool() ? "" : json::value_to<std::string>(answer.at("error").at("message"));
}

TEST(ControlCommands, StatusIsWhatItWasWithOk) {
  FakeControl control;
  const json::object answer = control.ask(Role::view, R"({"command":"status"})");
  EXPECT_TRUE(answer.at("ok").as_bool());
  EXPECT_TRUE(answer.at("rules").is_array());
  EXPECT_TRUE(parse_status(json::serialize(answer)).has_value());
}

TEST(ControlCommands, ABlockIsSetListedAndEnded) {
  FakeControl control;
  json::object answer = control.ask(
      Role::admin, R"({"command":"block","network":"198.51.100.7","for":"2h","service":"sshd","why":"scans us"})");
  ASSERT_TRUE(answer.at("ok").as_bool()) << json::serialize(answer);
  EXPECT_EQ(answer.at("block").at("until"), "2026-11-25T10:00:00Z");
  EXPECT_EQ(answer.at("block").at("by"), "root");
  ASSERT_EQ(control.changes.size(), 1U);
  EXPECT_EQ(control.changes[0].to_text(),
            "root: block 198.51.100.7, service sshd for 2h (scans us): blocked until 2026-11-25T10:00:00Z");
  EXPECT_TRUE(control.changes[0].done);

  control.guard.add("192.0.2.9", "Five");
  answer = control.ask(Role::view, R"({"command":"blocks"})");
  EXPECT_EQ(answer.at("count"), 2);
  EXPECT_EQ(answer.at("blocks").at(0).at("service"), "sshd");
  EXPECT_EQ(answer.at("blocks").at(1).at("rule"), "Five");
  EXPECT_FALSE(answer.at("blocks").at(1).as_object().contains("by"));
  answer = control.ask(Role::view, R"({"command":"blocks","network":"198.51.100.0/24"})");
  EXPECT_EQ(answer.at("count"), 1);
  answer = control.ask(Role::view, R"({"command":"blocks","rule":"Five"})");
  EXPECT_EQ(answer.at("blocks").at(0).at("network"), "192.0.2.9");
  answer = control.ask(Role::view, R"({"command":"blocks","limit":1})");
  EXPECT_EQ(answer.at("count"), 2);
  EXPECT_EQ(answer.at("blocks").as_array().size(), 1U);
  EXPECT_EQ(kind_of(control.ask(Role::view, R"({"command":"blocks","rule":"Six"})")), "not_found");
  EXPECT_EQ(control.changes.size(), 1U) << "to look is no change";

  answer = control.ask(Role::support, R"({"command":"unblock","network":"198.51.100.7","why":"has called"})");
  EXPECT_EQ(answer.at("count"), 1);
  EXPECT_EQ(answer.at("ended").at(0).at("network"), "198.51.100.7");
  EXPECT_EQ(control.guard.said, "uid 1002 (anna), support: has called");
  EXPECT_EQ(control.changes.back().to_text(),
            "uid 1002 (anna), support: unblock 198.51.100.7 (has called): 1 block ended");
  EXPECT_EQ(kind_of(control.ask(Role::support, R"({"command":"unblock","network":"198.51.100.7","why":"x"})")),
            "not_found");
}

TEST(ControlCommands, ABlockAsARuleWouldSetIt) {
  FakeControl control;
  const json::object answer = control.ask(Role::admin, R"({"command":"block","network":"198.51.100.7","rule":"Five"})");
  ASSERT_TRUE(answer.at("ok").as_bool()) << json::serialize(answer);
  EXPECT_EQ(answer.at("block").at("until"), "2026-11-25T10:00:00Z");
  EXPECT_EQ(kind_of(control.ask(Role::admin, R"({"command":"block","network":"192.0.2.1","rule":"Tell"})")), "invalid");
  EXPECT_EQ(kind_of(control.ask(Role::admin, R"({"command":"unblock","network":"198.51.100.7","rule":"Five"})")),
            "not_found")
      << "that rule has not set it";
  control.guard.add("198.51.100.7", "Five");
  EXPECT_EQ(control.ask(Role::admin, R"({"command":"unblock","network":"198.51.100.7","rule":"Five"})").at("count"), 2);
}

TEST(ControlCommands, WhatTheGuardRefusesIsSaidAndWrittenDown) {
  FakeControl control;
  const json::object answer = control.ask(Role::admin, R"({"command":"block","network":"203.0.113.9"})");
  EXPECT_EQ(kind_of(answer), "denied");
  EXPECT_EQ(message_of(answer), "tipstaff.toml:3: 203.0.113.0/24 is exempt");
  ASSERT_EQ(control.changes.size(), 1U);
  EXPECT_FALSE(control.changes[0].done);
  EXPECT_EQ(control.changes[0].to_text(),
            "root: block 203.0.113.9: refused: tipstaff.toml:3: 203.0.113.0/24 is exempt");
}

TEST(ControlCommands, EachRoleMayWhatItMay) {
  const std::vector<std::pair<std::string, Role>> asks = {
      {R"({"command":"status"})", Role::view},
      {R"({"command":"blocks"})", Role::view},
      {R"({"command":"exemptions"})", Role::view},
      {R"({"command":"explain","subject":"198.51.100.7"})", Role::view},
      {R"({"command":"unblock","network":"198.51.100.7","why":"x"})", Role::support},
      {R"({"command":"unblock","network":"2001:db8::/64","why":"x"})", Role::support},
      {R"({"command":"exempt","network":"198.51.100.7","why":"x"})", Role::support},
      {R"({"command":"exempt","network":"198.51.100.7","for":"1d","why":"x"})", Role::support},
      {R"({"command":"exempt","network":"198.51.100.7","for":"25h","why":"x"})", Role::admin},
      {R"({"command":"exempt","network":"0.0.0.0/0","why":"x"})", Role::admin},
      {R"({"command":"exempt","network":"2001:db8::/32","why":"x"})", Role::admin},
      {R"({"command":"unblock","network":"0.0.0.0/0","why":"x"})", Role::admin},
      {R"({"command":"unblock","all":true})", Role::admin},
      {R"({"command":"block","network":"198.51.100.7"})", Role::admin},
      {R"({"command":"trial","for":"5m"})", Role::admin},
      {R"({"command":"reload"})", Role::admin},
  };
  for (const auto& [line, least] : asks) {
    for (const Role role : {Role::none, Role::view, Role::support, Role::admin}) {
      FakeControl control;
      control.guard.add("198.51.100.7", "Five");
      control.guard.add("2001:db8::1", "Five");
      const json::object answer = control.ask(role, line);
      if (role >= least) {
        EXPECT_TRUE(answer.at("ok").as_bool()) << line << " as " << to_text(role) << json::serialize(answer);
        continue;
      }
      EXPECT_EQ(kind_of(answer), "denied") << line << " as " << to_text(role);
      EXPECT_EQ(control.guard.standing.size(), 2U);
      EXPECT_TRUE(control.guard.timed.empty());
      EXPECT_TRUE(control.asked.empty()) << line << " as " << to_text(role);
    }
  }
}

TEST(ControlCommands, TheRefusalNamesTheGroupToJoin) {
  FakeControl control;
  EXPECT_EQ(message_of(control.ask(Role::none, "no JSON")),
            "uid 1000 (nobody) may not ask this guard: that needs the role view; root gives it with: adduser nobody "
            "tipstaff (then log in again)");
  EXPECT_NE(message_of(control.ask(Role::view, R"({"command":"unblock","network":"192.0.2.1","why":"x"})"))
                .find("adduser victor tipstaff-support"),
            std::string::npos);
  EXPECT_NE(message_of(control.ask(Role::support, R"({"command":"unblock","all":true,"why":"x"})"))
                .find("adduser anna tipstaff-admin"),
            std::string::npos);
  ASSERT_EQ(control.changes.size(), 2U) << "what a stranger wants is not written down";
  EXPECT_FALSE(control.changes[0].done);
}

TEST(ControlCommands, SupportSaysWhy) {
  FakeControl control;
  control.guard.add("198.51.100.7", "Five");
  EXPECT_EQ(kind_of(control.ask(Role::support, R"({"command":"unblock","network":"198.51.100.7"})")), "invalid");
  EXPECT_EQ(control.guard.standing.size(), 1U);
  EXPECT_EQ(kind_of(control.ask(Role::support, R"({"command":"exempt","network":"198.51.100.7"})")), "invalid");
  EXPECT_TRUE(control.ask(Role::admin, R"({"command":"unblock","network":"198.51.100.7"})").at("ok").as_bool());
}

TEST(ControlCommands, AnExemptionIsForADayAndCanBeEnded) {
  FakeControl control;
  json::object answer =
      control.ask(Role::support, R"({"command":"exempt","network":"198.51.100.7","why":"old phone"})");
  EXPECT_EQ(answer.at("exemption").at("until"), "2026-11-26T08:00:00Z");
  ASSERT_EQ(control.guard.timed.size(), 1U);
  EXPECT_EQ(control.guard.timed[0].why, "old phone");
  EXPECT_EQ(control.guard.timed[0].by, "uid 1002 (anna), support");
  answer = control.ask(Role::view, R"({"command":"exemptions"})");
  EXPECT_EQ(answer.at("exemptions").at(0).at("network"), "198.51.100.7");
  EXPECT_EQ(answer.at("settings").at(0).at("network"), "203.0.113.0/24");
  EXPECT_EQ(answer.at("settings").at(0).at("where"), "test.toml:3");
  answer = control.ask(Role::support, R"({"command":"exempt","network":"198.51.100.7","for":"0s","why":"settled"})");
  EXPECT_EQ(control.guard.timed.back().until, control.guard.now);
  EXPECT_EQ(control.changes.back().result, "the exemption is ended");
}

TEST(ControlCommands, TrialConfirmAndReloadGoThroughTheirDoors) {
  FakeControl control;
  EXPECT_EQ(control.ask(Role::admin, R"({"command":"trial","for":"5m"})").at("note"), "on trial");
  EXPECT_EQ(kind_of(control.ask(Role::admin, R"({"command":"confirm"})")), "not_found");
  EXPECT_EQ(control.ask(Role::admin, R"({"command":"reload"})").at("note"), "in force");
  EXPECT_EQ(control.asked, (std::vector<std::string>{"trial 5m root", "confirm root", "reload root"}));
  EXPECT_EQ(kind_of(control.ask(Role::admin, R"({"command":"trial","for":"0s"})")), "invalid");
  EXPECT_EQ(kind_of(control.ask(Role::admin, R"({"command":"trial","for":"2d"})")), "invalid");
  EXPECT_EQ(control.changes.size(), 5U);
}

TEST(ControlCommands, WhatIsNotExactlyRightIsRefused) {
  const std::vector<std::string> wrong = {
      "",
      "status",
      "[]",
      R"({})",
      R"({"command":1})",
      R"({"command":"stauts"})",
      R"({"command":"status","networks":"x"})",
      R"({"command":"block"})",
      R"({"command":"block","network":"198.51.100.7","for":"soon"})",
      R"({"command":"block","network":"198.51.100.7","for":"0s"})",
      R"({"command":"block","network":"198.51.100.7","for":"2h","rule":"Five"})",
      R"({"command":"block","network":"example.com"})",
      R"({"command":"block","network":["198.51.100.7"]})",
      R"({"command":"block","network":"198.51.100.7","why":""})",
      R"({"command":"block","network":"198.51.100.7","why":"a\nb"})",
      R"({"command":"unblock"})",
      R"({"command":"unblock","all":false})",
      R"({"command":"unblock","all":true,"network":"198.51.100.7"})",
      R"({"command":"unblock","all":"yes"})",
      R"({"command":"blocks","limit":0})",
      R"({"command":"explain"})",
      R"({"command":"explain","subject":"a","account":"b"})",
      R"({"command":"trial"})",
      R"({"command":"status"} {"command":"status"})",
      fmt::format(R"({{"command":"block","network":"198.51.100.7","why":"{}"}})", std::string(301, 'x')),
  };
  FakeControl control;
  control.guard.add("198.51.100.7", "Five");
  for (const std::string& line : wrong) EXPECT_EQ(kind_of(control.ask(Role::admin, line)), "invalid") << line;
  EXPECT_EQ(control.guard.standing.size(), 1U);
  EXPECT_NE(message_of(control.ask(Role::admin, R"({"command":"stauts"})")).find("did you mean \"status\"?"),
            std::string::npos);
}

TEST(ControlCommands, HundredThousandBlocksAreListedQuickly) {
  FakeControl control;
  for (std::uint32_t i = 0; i < 100'000; ++i) control.guard.add(IpAddress::v4(0x0a00'0000U + i).to_string(), "Five");
  const auto before = std::chrono::steady_clock::now();
  const std::string answer = control.commands.answer(peer(Role::view), R"({"command":"blocks"})");
  const auto took = std::chrono::steady_clock::now() - before;
  RecordProperty("milliseconds", static_cast<int>(std::chrono::duration_cast<std::chrono::milliseconds>(took).count()));
  EXPECT_LT(answer.size(), 20'000'000U);
  EXPECT_EQ(json::parse(answer).at("blocks").as_array().size(), 100'000U);
}

TEST(TimeLeft, InWords) {
  const Instant now = testing_guard::instant("2026-11-25T08:00:00Z");
  EXPECT_EQ(time_left(kForever, now), "for ever");
  EXPECT_EQ(time_left(now, now), "ends now");
  EXPECT_EQ(time_left(now + std::chrono::seconds(90), now), "90 s left");
  EXPECT_EQ(time_left(now + std::chrono::minutes(90), now), "90 min left");
  EXPECT_EQ(time_left(now + std::chrono::hours(30), now), "30 h left");
  EXPECT_EQ(time_left(now + std::chrono::days(7), now), "7 d left");
}

}  // namespace
}  // namespace tipstaff
