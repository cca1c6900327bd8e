// The live folder: what the guard is told, line by line, and where it would have to read on after a restart.
#include <gtest/gtest.h>

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "detect/folder.h"
#include "detect/testing.h"

namespace tipstaff {
namespace {

using testing_detect::words;
using Texts = std::vector<std::string>;

// "03:04:05 17 message" as a line of sshd.
std::string ssh(std::string_view clock, int pid, std::string_view message) {
  return fmt::format("Nov  5 {} gate sshd[{}]: {}", clock, pid, message);
}
std::string ssh(std::string_view message) { return ssh("03:04:05", 17, message); }

std::string_view to_text(Change change) {
  switch (change) {
    case Change::made:
      return "made";
    case Change::amended:
      return "amended";
    case Change::withdrawn:
      return "withdrawn";
    case Change::closed:
      break;
  }
  return "closed";
}

constexpr const char* kFailed = "Failed password for root from 192.0.2.1 port 40022 ssh2";
constexpr const char* kFailedInvalid = "Failed password for invalid user oracle from 192.0.2.1 port 40022 ssh2";
constexpr const char* kInvalid = "Invalid user oracle from 192.0.2.1 port 40022";
constexpr const char* kNotAllowed = "User root not allowed because account is locked";
constexpr const char* kEnding = "Connection closed by 192.0.2.1 port 40022 [preauth]";
constexpr const char* kAccepted = "Accepted password for root from 192.0.2.1 port 40022 ssh2";
constexpr const char* kPam =
    "pam_unix(sshd:auth): authentication failure; logname= uid=0 euid=0 tty=ssh ruser= rhost=192.0.2.1  user=root";
constexpr const char* kPamNobody =
    "pam_unix(sshd:auth): authentication failure; logname= uid=0 euid=0 tty=ssh ruser= rhost=192.0.2.1";

struct Case {
  const char* title;
  Texts lines;
  Texts told;
};

const Case kCases[] = {
    {"an attempt is told of with the line that makes it",
     {ssh(kFailed)},
     {"made failure 192.0.2.1:40022 root x1 lines 1"}},
    {"a line that completes it amends it",
     {ssh(kInvalid), ssh(kFailedInvalid)},
     {"made failure 192.0.2.1:40022 oracle x1 lines 1", "amended failure 192.0.2.1:40022 oracle x1 lines 1,2"}},
    {"so does one that brings the address",
     {ssh(kNotAllowed), ssh(kEnding)},
     {"made failure -:0 root x1 lines 1", "amended failure 192.0.2.1:40022 root x1 lines 1"}},
    {"or the account",
     {ssh(kPamNobody), ssh(kFailedInvalid)},
     {"made failure 192.0.2.1:0 - x1 lines 1", "amended failure 192.0.2.1:40022 oracle x1 lines 1,2"}},
    {"one line changes several attempts, the oldest first",
     {ssh(kNotAllowed), ssh("User anna not allowed because account is locked"), ssh(kEnding)},
     {"made failure -:0 root x1 lines 1", "made failure -:0 anna x1 lines 2",
      "amended failure 192.0.2.1:40022 root x1 lines 1", "amended failure 192.0.2.1:40022 anna x1 lines 2"}},
    {"one line amends and makes",
     {ssh(kInvalid), ssh(fmt::format("message repeated 3 times: [ {}]", kFailedInvalid))},
     {"made failure 192.0.2.1:40022 oracle x1 lines 1", "amended failure 192.0.2.1:40022 oracle x1 lines 1,2",
      "made failure 192.0.2.1:40022 oracle x2 lines 2"}},
    {"a login withdraws what PAM's line made, and closes what there is",
     {ssh(kPam), ssh(kAccepted)},
     {"made failure 192.0.2.1:0 root x1 lines 1", "withdrawn failure 192.0.2.1:40022 root x1 lines 1,2",
      "made success 192.0.2.1:40022 root x1 lines 2", "closed success 192.0.2.1:40022 root x1 lines 2"}},
    {"an attempt withdraws the probe before it",
     {ssh(kEnding), ssh(kFailed)},
     {"made probe 192.0.2.1:40022 - x1 lines 1", "withdrawn probe 192.0.2.1:40022 - x1 lines 1",
      "made failure 192.0.2.1:40022 root x1 lines 2"}},
    {"a failure behind the login is a try of its own, not the one withdrawn",
     {ssh(kPam), ssh(kAccepted), ssh(kFailed)},
     {"made failure 192.0.2.1:0 root x1 lines 1", "withdrawn failure 192.0.2.1:40022 root x1 lines 1,2",
      "made success 192.0.2.1:40022 root x1 lines 2", "closed success 192.0.2.1:40022 root x1 lines 2",
      "made failure 192.0.2.1:40022 root x1 lines 3", "closed failure 192.0.2.1:40022 root x1 lines 3"}},
    {"a line that says nothing new changes nothing",
     {ssh(kFailed), ssh(kEnding)},
     {"made failure 192.0.2.1:40022 root x1 lines 1"}},
    {"silence closes",
     {ssh("03:00:00", 17, kFailed), ssh("03:10:01", 18, kFailed)},
     {"made failure 192.0.2.1:40022 root x1 lines 1", "made failure 192.0.2.1:40022 root x1 lines 2",
      "closed failure 192.0.2.1:40022 root x1 lines 1"}},
};

TEST(LiveFolder, TellsOfEveryChangeAtOnce) {
  for (const Case& one : kCases) {
    Texts told;
    Folder folder([&](Change change, const Attempt& attempt) {
      told.push_back(fmt::format("{} {}", to_text(change), words(attempt)));
    });
    testing_detect::fold_into(folder, one.lines);
    EXPECT_EQ(told, one.told) << one.title;
  }
}

TEST(LiveFolder, EveryAttemptEndsOnceClosedOrWithdrawn) {
  for (const Case& one : kCases) {
    std::size_t ends = 0;
    std::size_t made = 0;
    Folder folder([&](Change change, const Attempt&) {
      if (change == Change::made) ++made;
      if (change == Change::closed || change == Change::withdrawn) ++ends;
    });
    testing_detect::fold_into(folder, one.lines);
    folder.finish();
    EXPECT_EQ(ends, made) << one.title;
  }
}

TEST(LiveFolder, WhatIsLeftWhenAllIsToldIsWhatAScanFinds) {
  for (const Case& one : kCases) {
    Texts left;
    Folder folder([&](Change change, const Attempt& attempt) {
      if (change == Change::closed) left.push_back(words(attempt));
    });
    testing_detect::fold_into(folder, one.lines);
    folder.finish();
    EXPECT_EQ(left, words(testing_detect::attempts_of(one.lines))) << one.title;
  }
}

TEST(LiveFolder, MoreHeldBackThanItKeepsAreClosedOnce) {
  std::size_t made = 0;
  std::size_t closed = 0;
  Folder folder([&](Change change, const Attempt&) {
    if (change == Change::made) ++made;
    if (change == Change::closed) ++closed;
  });
  std::vector<std::string> lines;
  constexpr std::size_t kMany = Folder::kMostHeldBack + 1'000;
  for (std::size_t i = 0; i < kMany; ++i) lines.push_back(ssh(kFailed));
  testing_detect::fold_into(folder, lines);
  EXPECT_EQ(made, kMany);
  EXPECT_EQ(closed, 1'000U);
  EXPECT_EQ(folder.given_up(), 1'000U);
}

// --- where to read on ------------------------------------------------------------------------------------------------

TEST(LiveFolder, TheOldestOpenLine) {
  struct {
    const char* title;
    Texts lines;
    std::optional<std::uint64_t> oldest;
  } const cases[] = {
      {"nothing", {}, {}},
      {"the line that made the attempt", {ssh(kFailed)}, 1},
      {"a line before it that made none",
       {ssh("Connection from 192.0.2.1 port 40022 on 198.51.100.1 port 22"), ssh(kFailed)},
       1},
      {"harmless lines open nothing", {ssh("Server listening on 0.0.0.0 port 22."), ssh(kFailed)}, 2},
      {"ten minutes are not yet silence", {ssh("03:00:00", 17, kFailed), ssh("03:10:00", 18, kFailed)}, 1},
      {"the silent one is closed", {ssh("03:00:00", 17, kFailed), ssh("03:10:01", 18, kFailed)}, 2},
      {"a number that begins anew", {ssh(kFailed), ssh("Failed password for root from 192.0.2.9 port 1 ssh2")}, 2},
  };
  for (const auto& one : cases) {
    Folder folder([](Change, const Attempt&) {});
    testing_detect::fold_into(folder, one.lines);
    EXPECT_EQ(folder.oldest_open_line(), one.oldest) << one.title;
  }
}

TEST(LiveFolder, TimeThatPassesClosesWithoutALine) {
  std::size_t closed = 0;
  Folder folder([&](Change change, const Attempt&) { closed += change == Change::closed ? 1 : 0; });
  testing_detect::fold_into(folder, {ssh("03:00:00", 17, kFailed)});
  const Instant at = std::chrono::sys_days(std::chrono::year(2026) / 11 / 5) + std::chrono::hours(3);
  folder.pass(at + Folder::kSilence);
  EXPECT_EQ(closed, 0U);
  EXPECT_EQ(folder.oldest_open_line(), 1U);
  folder.pass(at + Folder::kSilence + std::chrono::seconds(1));
  EXPECT_EQ(closed, 1U);
  EXPECT_EQ(folder.oldest_open_line(), std::nullopt);
}

}  // namespace
}  // namespace tipstaff
