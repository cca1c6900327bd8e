// [mail] and [webhook]: what is taken, what is refused and where the finger points; files with secrets.
#include "mail/mail_settings.h"

#include <gtest/gtest.h>
#include <sys/stat.h>

#include "decide/definitions.h"
#include "tests/run.h"

namespace tipstaff {
namespace {

std::string problems_of(const std::string& text) {
  const TemporaryFolder folder;
  const auto loaded = load_outward_settings({.file = folder.file("t.toml", text)});
  return loaded ? "" : to_text(loaded.error());
}

TEST(MailSettings, AllKeysOverTwoLayers) {
  const TemporaryFolder folder;
  std::filesystem::create_directory(folder.path() / "conf.d");
  folder.file(
      "tipstaff.toml",
      "version = 1\n[mail]\nserver = \"mail.example.com\"\nport = 2525\nsecurity = \"tls\"\nuser = \"anna\"\n"
      "password_file = \"/etc/p\"\nfrom = \"T <t@example.com>\"\nto = \"a@example.com\"\nca_file = \"/etc/ca\"\n");
  folder.file("conf.d/a.toml",
              "version = 1\n[mail]\nto = [\"b@example.com\", \"C <c@example.com>\"]\n[webhook]\n"
              "url = \"https://hooks.example.com/x\"\ntoken_file = \"/etc/t\"\n");
  const auto loaded = load_outward_settings({.directory = folder.path()});
  ASSERT_TRUE(loaded.has_value()) << to_text(loaded.error());
  EXPECT_EQ(loaded->mail.server, "mail.example.com");
  EXPECT_EQ(loaded->mail.effective_port(), 2525);
  EXPECT_EQ(loaded->mail.security, MailServer::Security::tls);
  EXPECT_EQ(loaded->mail.to, (std::vector<std::string>{"b@example.com", "C <c@example.com>"}));
  EXPECT_EQ(loaded->mail.password_file, "/etc/p");
  EXPECT_EQ(loaded->webhook.url, "https://hooks.example.com/x");
  EXPECT_TRUE(load_layers({.directory = folder.path()}).has_value()) << "the guard passes over them";
}

TEST(MailSettings, WrongOnesAreNamedWithTheirLine) {
  EXPECT_EQ(problems_of("version = 1\n"), "");
  const std::string good = "[mail]\nserver = \"m.example.com\"\nfrom = \"a@example.com\"\nto = \"b@example.com\"\n";
  EXPECT_EQ(problems_of(good), "");
  const std::pair<std::string, std::string> cases[] = {
      {good + "sever = \"x\"\n", "t.toml:5: unknown key \"sever\" in [mail] (did you mean \"server\"?)"},
      {good + "security = \"ssl\"\n", "t.toml:5: security cannot be \"ssl\""},
      {good + "port = 0\n", "t.toml:5: port is 0"},
      {good + "user = \"anna\"\n", "[mail] needs both user and password_file"},
      {good + "user = \"anna\"\npassword_file = \"p\"\n", "t.toml:6: password_file: \"p\" is no absolute path"},
      {good + "user = \"a\"\npassword_file = \"/p\"\nsecurity = \"none\"\n", "would send the password in plain text"},
      {"[mail]\nserver = \"a b\"\n", "t.toml:2: server: \"a b\" is no name or address"},
      {"[mail]\nserver = \"m.example.com\"\n", "[mail] names no sender"},
      {"[mail]\nto = [\"a\", \"b@example.com\"]\n", "t.toml:2: to: \"a\" is no mail address"},
      {"[mail]\nfrom = \"a@example.com\"\n", "t.toml:1: [mail] names no server"},
      {"[webhook]\nurl = \"http://hooks.example.com/\"\n", "would tell alerts in plain text"},
      {"[webhook]\nurl = \"ftp://T0KEN\"\n", "t.toml:2: url is no https:// address"},
  };
  for (const auto& [text, says] : cases) {
    const std::string problems = problems_of(text);
    EXPECT_TRUE(problems.contains(says)) << problems << "lacks " << says;
    EXPECT_FALSE(problems.contains("T0KEN"));
  }
  EXPECT_FALSE(parse_rules("[mail]\nsever = \"x\"\n", "t.toml").has_value()) << "the guard sees typing errors too";
}

TEST(MailSettings, SecretsAreClosedToOthers) {
  const TemporaryFolder folder;
  const std::string path = folder.file("secret", "s3cret \r\nmore\n");
  ASSERT_EQ(::chmod(path.c_str(), 0600), 0);
  EXPECT_EQ(read_secret_file(path).value_or("?"), "s3cret ");
  ASSERT_EQ(::chmod(path.c_str(), 0640), 0);
  EXPECT_TRUE(read_secret_file(path).has_value()) << "root's, for the group of the desk";
  for (const mode_t mode : {0644U, 0604U, 0660U, 0602U}) {
    ASSERT_EQ(::chmod(path.c_str(), mode), 0);
    const auto secret = read_secret_file(path);
    ASSERT_FALSE(secret.has_value()) << mode;
    EXPECT_EQ(secret.error().kind, ErrorKind::denied);
    EXPECT_TRUE(secret.error().text.contains("chmod o-rwx,g-w " + path)) << secret.error().text;
  }
  EXPECT_EQ(read_secret_file(folder.path() / "none").error().kind, ErrorKind::not_found);
  EXPECT_EQ(read_secret_file(folder.path()).error().kind, ErrorKind::unavailable);
  for (const std::string& bad : {std::string(), std::string("\nx"), std::string(5'000, 'x'), std::string("a\tb")}) {
    write_file(path, bad);
    ASSERT_EQ(::chmod(path.c_str(), 0600), 0);
    EXPECT_EQ(read_secret_file(path).error().kind, ErrorKind::invalid);
  }
}

TEST(MailSettings, TheManualHasTheKeys) {
  const std::string manual = read_file(TIPSTAFF_SOURCE_DIR "/docs/formats/mail.md");
  for (const std::string section : {"mail", "webhook"}) {
    EXPECT_TRUE(manual.contains(key_table(section))) << "docs/formats/mail.md lacks this table:\n"
                                                     << key_table(section);
  }
}

}  // namespace
}  // namespace tipstaff
