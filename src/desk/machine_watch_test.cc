#include "desk/machine_watch.h"

#include <gtest/gtest.h>

#include "ledger/testing.h"

namespace tipstaff {
namespace {

using ledger_test::at;
using ledger_test::TempFolder;
using namespace std::chrono_literals;

constexpr std::string_view kWell =
    R"({"ok":true,"sources":[{"name":"file:/a","alarms":[],"lost":0}],"ledger":{"recording":true},)"
    R"("enforcement":{"enforcing":true,"connected":true,"not_effective":0}})";

TEST(MachineWatch, ReadsTheStatus) {
  EXPECT_TRUE(troubles_of_status(kWell).empty());
  const auto ill = troubles_of_status(
      R"({"sources":[{"name":"file:/a","alarms":["sshd is not understood any more"]}],)"
      R"("ledger":{"recording":false,"problem":"the disk is full"},)"
      R"("enforcement":{"enforcing":true,"connected":false,"problem":"no enforcer","not_effective":2}})");
  ASSERT_EQ(ill.size(), 4U);
  EXPECT_EQ(ill[0].sentence, "blind source file:/a: sshd is not understood any more");
  EXPECT_EQ(ill[1].sentence, "attempts are not recorded: the disk is full");
  EXPECT_EQ(ill[2].sentence, "nobody is shut out: no enforcer");
  EXPECT_EQ(ill[3].sentence, "2 blocks are not effective: attempts come through");
  for (const std::string_view odd : {"", "[]", "{", "null", "{\"sources\":3}", "\xff"})
    EXPECT_LE(troubles_of_status(odd).size(), 1U) << odd;
  EXPECT_EQ(troubles_of_status("{").size(), 1U);
}

TEST(MachineWatch, ADiskThatFillsIsToldBeforeItIsFull) {
  constexpr std::uint64_t kGiB = std::uint64_t{1} << 30U;
  EXPECT_TRUE(troubles_of_disk("/x", {50 * kGiB, 2000 * kGiB}).empty());
  EXPECT_TRUE(troubles_of_disk("/x", {kGiB / 2, 4 * kGiB}).empty());
  EXPECT_EQ(troubles_of_disk("/x", {kGiB / 2, 40 * kGiB}).size(), 1U);
  EXPECT_EQ(troubles_of_disk("/x", {kGiB / 20, kGiB / 10}).size(), 1U);
}

TEST(MachineWatch, TellsOfATroubleWhenItBeginsAndAgainWhenItComesBack) {
  const TempFolder folder;
  Result<std::string> status = std::string(kWell);
  const auto look = [&](Instant now) {
    auto store = AlertStore::open(folder.path(), Database::Mode::write);
    ASSERT_TRUE(store);
    MachineWatch watch({folder.path(), "host-a", {{"admin@example.org"}, false}, TimeZone(), [&] { return status; }},
                       *store);
    ASSERT_TRUE(watch.step(now));
  };
  const auto told = [&folder] { return AlertStore::open(folder.path(), Database::Mode::read)->messages(100).size(); };
  look(at(0));
  const std::size_t before = told();  // this machine's disk may be nearly full
  status = R"({"sources":[{"name":"file:/a","alarms":["blind"]}]})";
  look(at(10));
  look(at(20));  // a new desk each time
  EXPECT_EQ(told(), before + 1);
  status = std::string(kWell);
  look(at(30));
  status = R"({"sources":[{"name":"file:/a","alarms":["blind"]}]})";
  look(at(40));
  EXPECT_EQ(told(), before + 2);
}

TEST(MachineWatch, AGuardThatDoesNotAnswerForAWhileIsMissed) {
  const TempFolder folder;
  auto store = AlertStore::open(folder.path(), Database::Mode::write);
  ASSERT_TRUE(store);
  MachineWatch watch({folder.path(),
                      "host-a",
                      {{"admin@example.org"}, false},
                      TimeZone(),
                      []() -> Result<std::string> { return fail(ErrorKind::not_found, "no guard runs"); }},
                     *store);
  const auto missed = [&store] {
    std::size_t count = 0;
    for (const StoredMessage& one : store->messages(100))
      count += one.subject == "Alert from host-a: the guard does not answer: nobody watches this machine" ? 1 : 0;
    return count;
  };
  ASSERT_TRUE(watch.step(at(0)));
  ASSERT_TRUE(watch.step(at(60)));
  EXPECT_EQ(missed(), 0U);
  ASSERT_TRUE(watch.step(at(0) + MachineWatch::kGuardMissed));
  ASSERT_TRUE(watch.step(at(0) + 2 * MachineWatch::kGuardMissed));
  EXPECT_EQ(missed(), 1U);
}

}  // namespace
}  // namespace tipstaff
