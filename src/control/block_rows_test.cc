// The list of blocks as people read it: columns from the guard's answer, whatever order its members have.
#include "control/block_rows.h"

#include <gtest/gtest.h>

namespace tipstaff {
namespace {

std::string lines_of(std::string_view answer) {
  const auto rows = BlockRows::read(answer, Instant{});
  return rows ? rows->text() : "error: " + rows.error().message();
}

TEST(BlockRows, CutsTheAnswerIntoColumns) {
  EXPECT_EQ(
      lines_of(
          R"({"ok":true,"now":"2026-11-28T10:00:00Z","watch_only":false,"blocks":[)"
          R"({"id":7,"network":"192.0.2.1","at":"2026-11-28T09:00:00Z","until":"2026-11-28T11:00:00Z",)"
          R"("rule":"Catch \"all\"","enforced":true,"dropped":12},)"
          R"-({"id":123,"network":"2001:db8::/64","until":null,"service":"sshd","by":"uid 1 (anna)","why":"a\nb",)-"
          R"("exempt":true,"enforced":true,"dropped":0},)"
          R"({"id":8,"network":"192.0.2.2","until":"2026-11-28T10:00:30Z","rule":"x","enforced":false,"dropped":0},)"
          R"({"id":9,"network":"192.0.2.3","until":null,"effective":false,"enforced":true,"dropped":1}],"count":4})"),
      "#7    192.0.2.1      all   60 min left  rule \"Catch \"all\"\"      dropped 12\n"
      "#123  2001:db8::/64  sshd  for ever     by uid 1 (anna) (a\\nb)  dropped 0, observed: exempt\n"
      "#8    192.0.2.2      all   30 s left    rule \"x\"                dropped 0, would be blocked\n"
      "#9    192.0.2.3      all   for ever     by hand                 dropped 1, NOT EFFECTIVE\n");
}

TEST(BlockRows, TellsNothingBlockedFromNoAnswer) {
  const auto none = BlockRows::read(R"({"ok":true,"blocks":[],"count":0})", Instant{});
  ASSERT_TRUE(none);
  EXPECT_TRUE(none->empty());
  EXPECT_EQ(none->text(), "");
  for (const char* bad : {"", "{", R"({"ok":true})", R"({"blocks":[{"id":1})", R"({"blocks":[]} x)", R"(["blocks"])"})
    EXPECT_FALSE(BlockRows::read(bad, Instant{})) << bad;
}

TEST(BlockRows, WhatElseAnAnswerHoldsIsPassedOver) {
  EXPECT_EQ(lines_of(R"({"blocks":[{"id":1,"network":"192.0.2.1","more":{"id":2},"some":[3,{"id":4}],"rule":"r",)"
                     R"("enforced":true,"dropped":-1}],"other":[{"id":5}]})"),
            "#1  192.0.2.1  all  for ever  rule \"r\"  dropped 0\n");
}

}  // namespace
}  // namespace tipstaff
