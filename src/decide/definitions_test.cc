// The list of keys is the manual: the tables in docs/formats/rules.md are compared with it, row for row.
#include "decide/definitions.h"

#include <gtest/gtest.h>

#include <fstream>
#include <iterator>
#include <string>

namespace tipstaff {
namespace {

TEST(Definitions, TheManualHasTheSameTables) {
  std::ifstream stream(TIPSTAFF_SOURCE_DIR "/docs/formats/rules.md");
  const std::string manual(std::istreambuf_iterator<char>(stream), {});
  ASSERT_FALSE(manual.empty());
  for (const std::string_view section : {"", "rule", "rule.match", "allowlist", "detect", "limits", "protect",
                                         "enforce", "sources", "source", "ledger", "control", "desk"}) {
    const std::string table = key_table(section);
    EXPECT_NE(manual.find(table), std::string::npos)
        << "docs/formats/rules.md lacks this table of [" << section << "]:\n"
        << table;
  }
}

TEST(Definitions, EachKeyStandsOnceAndSaysSomething) {
  for (const KeyDefinition& key : key_definitions()) {
    EXPECT_EQ(find_key(key.section, key.name), &key) << key.section << " " << key.name;
    EXPECT_EQ(find_key(key.section, key.alias.empty() ? key.name : key.alias), &key) << key.alias;
    EXPECT_TRUE(key.sentence.ends_with('.')) << key.name;
    EXPECT_FALSE(type_text(key).empty());
    EXPECT_NE(list_keys().find(key.sentence), std::string::npos) << key.name;
  }
  EXPECT_EQ(find_key("rule", ""), nullptr);
  EXPECT_EQ(find_key("rule", "account"), nullptr);
}

}  // namespace
}  // namespace tipstaff
