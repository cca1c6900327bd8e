#include "alert/alert_store.h"

#include <gtest/gtest.h>
#include <sys/stat.h>

#include "ledger/testing.h"

namespace tipstaff {
namespace {

using ledger_test::at;
using ledger_test::TempFolder;

AlertStore open(const TempFolder& folder) {
  auto store = AlertStore::open(folder.path(), Database::Mode::write);
  if (!store) throw std::runtime_error(store.error().message());
  return std::move(*store);
}

StoredMessage message(const std::string& key, const std::string& of = "each") {
  StoredMessage one;
  one.key = key;
  one.of = of;
  one.to = "admin@example.org";
  one.subject = "about " + key;
  one.text = "text";
  one.created = at(0);
  return one;
}

TEST(AlertStore, AnAlertIsToldOnceWhateverIsKilledWhen) {
  const TempFolder folder;
  {
    AlertStore store = open(folder);
    EXPECT_FALSE(store.place());
    ASSERT_TRUE(store.take_up("host", 7, {3, 7}, at(0)));
  }
  {  // died before the message was put in: the rows are still open
    AlertStore store = open(folder);
    EXPECT_EQ(store.place(), 7U);
    EXPECT_EQ(store.ledger(), "host");
    ASSERT_EQ(store.open_rows(10).size(), 2U);
    ASSERT_TRUE(store.put({message("a")}, {3}));
  }
  AlertStore store = open(folder);
  ASSERT_EQ(store.open_rows(10).size(), 1U);
  EXPECT_EQ(store.open_rows(10)[0].row, 7U);
  ASSERT_TRUE(store.put({message("a")}, {7}));  // the same thing again
  EXPECT_TRUE(store.open_rows(10).empty());
  EXPECT_EQ(store.messages(10).size(), 1U);
  StoredMessage other = message("a");
  other.to = "second@example.org";
  ASSERT_TRUE(store.put({other}, {}));
  EXPECT_EQ(store.messages(10).size(), 2U);
}

TEST(AlertStore, WhatCannotWaitGoesFirst) {
  const TempFolder folder;
  AlertStore store = open(folder);
  ASSERT_TRUE(store.put({message("a"), message("b"), message("c", "now")}, {}));
  const auto due = store.due(at(0), 10);
  ASSERT_EQ(due.size(), 3U);
  EXPECT_EQ(due[0].key, "c");
  EXPECT_EQ(due[1].key, "a");
  EXPECT_EQ(store.made_since("each", at(-1)), 2U);
  EXPECT_EQ(store.made_since("each", at(0)), 0U);
}

TEST(AlertStore, TriesAreNotedAndRetryBringsBackWhatWasNotSent) {
  const TempFolder folder;
  AlertStore store = open(folder);
  ASSERT_TRUE(store.put({message("a"), message("b"), message("c")}, {}));
  const auto all = store.due(at(0), 10);
  ASSERT_EQ(all.size(), 3U);
  ASSERT_TRUE(store.tried(all[0].id, MessageState::sent, at(0), at(1), "250 ok"));
  ASSERT_TRUE(store.tried(all[1].id, MessageState::waiting, at(60), at(1), "451 later"));
  ASSERT_TRUE(store.tried(all[2].id, MessageState::refused, at(0), at(1), "550 no"));
  EXPECT_TRUE(store.due(at(59), 10).empty());
  EXPECT_EQ(store.due(at(60), 10).size(), 1U);
  EXPECT_EQ(store.message(all[1].id)->said, "451 later");
  EXPECT_EQ(store.message(all[1].id)->tries, 1U);
  EXPECT_EQ(store.message(all[0].id)->sent_at, at(1));
  EXPECT_EQ(store.retry(0, at(2)).value_or(0), 2U);
  EXPECT_EQ(store.due(at(2), 10).size(), 2U);
  EXPECT_EQ(store.retry(all[0].id, at(2)).value_or(9), 0U);  // was sent
  EXPECT_FALSE(store.message(99));
}

TEST(AlertStore, IsClosedToOthersAndRefusesWhatIsNewer) {
  const TempFolder folder;
  {
    AlertStore store = open(folder);
  }
  struct stat status{};
  ASSERT_EQ(::stat((folder.path() + "/desk.db").c_str(), &status), 0);
  EXPECT_EQ(status.st_mode & 0777U, 0640U);
  {
    auto database = Database::open(folder.path() + "/desk.db", Database::Mode::write);
    ASSERT_TRUE(database);
    database->execute("PRAGMA user_version = 2");
    ASSERT_TRUE(database->ok());
  }
  const auto store = AlertStore::open(folder.path(), Database::Mode::write);
  ASSERT_FALSE(store);
  EXPECT_NE(store.error().message().find("install the newer version"), std::string::npos);
  EXPECT_FALSE(AlertStore::open(folder.path() + "/nowhere", Database::Mode::write));
}

}  // namespace
}  // namespace tipstaff
