// What a server's words are taken for, and what is left of them before they are shown.
#include "mail/send/words.h"

#include <gtest/gtest.h>

#include "mail/mime.h"

namespace tipstaff {
namespace {

TEST(SmtpReply, TheLastLineDecides) {
  const struct {
    std::vector<std::string> lines;
    unsigned code;
    std::string text;
  } cases[] = {
      {{"250 2.0.0 good\r\n"}, 250, "250 2.0.0 good"},
      {{"250\r\n"}, 250, "250"},
      {{"550-5.1.1 no\r\n", "550 5.1.1 really no\r\n"}, 550, "550-5.1.1 no 550 5.1.1 really no"},
      {{"250-first\n"}, 0, "250-first"},
      {{"hello\r\n"}, 0, "hello"},
      {{"25 x\r\n"}, 0, "25 x"},
      {{"2500 x\r\n"}, 0, "2500 x"},
      {{}, 0, ""},
  };
  for (const auto& one : cases) {
    SmtpReply reply;
    for (const std::string& line : one.lines) reply.add(line);
    EXPECT_EQ(reply.code(), one.code) << one.text;
    EXPECT_EQ(reply.text(), one.text);
    EXPECT_FALSE(reply.cut());
  }
}

TEST(SmtpReply, EndlessOnesAreCut) {
  SmtpReply reply;
  for (int i = 0; i < 10'000; ++i) reply.add("250-" + std::string(100, 'x') + "\r\n");
  reply.add("250 end\r\n");
  EXPECT_LE(reply.text().size(), SmtpReply::kMostHeld + 1);
  EXPECT_TRUE(reply.cut());
  EXPECT_EQ(reply.code(), 250U) << "the code is that of the last line, held or not";
  reply.clear();
  EXPECT_EQ(reply.text(), "");
  EXPECT_FALSE(reply.cut());
}

TEST(SmtpStage, FollowsFromOurCommands) {
  const auto before = SmtpStage::greeting;
  EXPECT_EQ(stage_of("EHLO host\r\n", before), SmtpStage::hello);
  EXPECT_EQ(stage_of("STARTTLS\r\n", SmtpStage::hello), SmtpStage::starttls);
  EXPECT_EQ(stage_of("AUTH PLAIN\r\n", SmtpStage::hello), SmtpStage::login);
  EXPECT_EQ(stage_of("QUIT", SmtpStage::login), SmtpStage::login) << "an answer of the login, whatever it looks like";
  EXPECT_EQ(stage_of("MAIL FROM:<a@example.com>\r\n", SmtpStage::login), SmtpStage::mail);
  EXPECT_EQ(stage_of("RCPT TO:<a@example.com>\r\n", SmtpStage::mail), SmtpStage::recipient);
  EXPECT_EQ(stage_of("DATA\r\n", SmtpStage::recipient), SmtpStage::data);
  EXPECT_EQ(stage_of("QUIT\r\n", SmtpStage::body), SmtpStage::quit);
  EXPECT_EQ(stage_of("NOOP\r\n", SmtpStage::body), SmtpStage::body);
}

TEST(SmtpMeaning, TheFirstDigitDecidesBehindTheRightCommand) {
  EXPECT_EQ(meaning_of(SmtpStage::body, 250), Delivery::sent);
  EXPECT_EQ(meaning_of(SmtpStage::body, 251), Delivery::sent);
  EXPECT_EQ(meaning_of(SmtpStage::body, 354), Delivery::later);
  EXPECT_EQ(meaning_of(SmtpStage::body, 0), Delivery::later);
  for (const SmtpStage stage : {SmtpStage::mail, SmtpStage::recipient, SmtpStage::data, SmtpStage::body}) {
    EXPECT_EQ(meaning_of(stage, 550), Delivery::refused);
    EXPECT_EQ(meaning_of(stage, 451), Delivery::later);
    EXPECT_EQ(meaning_of(stage, 421), Delivery::later);
    for (const unsigned code : {530U, 534U, 535U, 538U}) EXPECT_EQ(meaning_of(stage, code), Delivery::later);
  }
  for (const SmtpStage stage : {SmtpStage::greeting, SmtpStage::hello, SmtpStage::starttls, SmtpStage::login}) {
    EXPECT_EQ(meaning_of(stage, 554), Delivery::later);
    EXPECT_EQ(meaning_of(stage, 250), Delivery::later);
  }
  EXPECT_EQ(meaning_of(SmtpStage::recipient, 250), Delivery::later) << "no answer to the mail";
}

TEST(HttpMeaning, ByStatus) {
  for (const long status : {200L, 201L, 204L}) EXPECT_EQ(meaning_of_status(status), Delivery::sent);
  for (const long status : {400L, 413L, 422L}) EXPECT_EQ(meaning_of_status(status), Delivery::refused);
  for (const long status : {0L, 100L, 302L, 401L, 403L, 404L, 408L, 429L, 500L, 503L, 999L})
    EXPECT_EQ(meaning_of_status(status), Delivery::later) << status;
}

TEST(Secrets, AreStruckOutInEveryForm) {
  const Secrets secrets("anna", "s3cret");
  EXPECT_EQ(secrets.struck_out("535 s3cret is wrong, s3cret!"), "535 *** is wrong, ***!");
  EXPECT_EQ(secrets.struck_out("535 " + base64("s3cret")), "535 ***");
  EXPECT_EQ(secrets.struck_out("535 " + base64(std::string("\0anna\0s3cret", 12))), "535 ***");
  EXPECT_EQ(secrets.struck_out("nothing"), "nothing");
  EXPECT_EQ(secrets.struck_out("cut in the s3cr", true), "cut in the ");
  EXPECT_EQ(secrets.struck_out("cut in the s3cr", false), "cut in the s3cr");
  EXPECT_EQ(Secrets("anna", "").struck_out("anna"), "anna");
  EXPECT_EQ(Secrets().struck_out("x", true), "x");
}

TEST(OneLine, IsPrintableAndBounded) {
  EXPECT_EQ(one_line("a\r\n b\tc \n", 100), "a b c");
  EXPECT_EQ(one_line("a\x1b[2Jb", 100), "a\\x1b[2Jb");
  EXPECT_EQ(one_line(std::string(1'000, 'x'), 20), std::string(17, 'x') + "...");
  std::string wide;
  for (int i = 0; i < 100; ++i) wide += "\u00e9";
  EXPECT_EQ(one_line(wide, 20), wide.substr(0, 16) + "...");
}

TEST(ThisMachine, IsLoopbackAndNothingThatLooksLikeIt) {
  for (const std::string here : {"localhost", "LocalHost", "127.0.0.1", "127.9.9.9", "::1", "[::1]"})
    EXPECT_TRUE(is_this_machine(here)) << here;
  for (const std::string there : {"", "localhost.example.com", "0127.0.0.1", "192.0.2.1", "127.0.0.1.example.com",
                                  "2001:db8::1", "0.0.0.0", "127.1"})
    EXPECT_FALSE(is_this_machine(there)) << there;
}

}  // namespace
}  // namespace tipstaff
