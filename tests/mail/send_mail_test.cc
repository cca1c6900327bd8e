// Sending against a real SMTP server on loopback that does everything a server can do wrong. No test waits longer than
// the short timeouts that it is about.
#include <gtest/gtest.h>
#include <signal.h>

#include <chrono>
#include <string>
#include <thread>
#include <vector>

#include "mail/message.h"
#include "mail/mime.h"
#include "mail/send/send.h"
#include "tests/certificate.h"
#include "tests/mail/smtp_server.h"
#include "tests/run.h"

namespace tipstaff {
namespace {

using namespace std::chrono_literals;
using Clock = std::chrono::steady_clock;
using Security = MailServer::Security;

constexpr std::string_view kFrom = "tipstaff@example.com";
constexpr auto kLong = 20s;  // never reached where a test passes
const std::vector<std::string> kOne = {"admin@example.com"};

std::string mail() {
  MailMessage message;
  message.from = kFrom;
  message.to = kOne;
  message.subject = "Blocked 192.0.2.7";
  message.text = "Somebody tried.\n.\nhidden?\n";
  message.message_id = "1@example.com";
  return compose(message).value_or("");
}

MailServer to(const SmtpServer& server) {
  MailServer made;
  made.host = "127.0.0.1";
  made.port = server.port();
  made.security = Security::none;
  made.helo = "host.example.com";
  made.connect_timeout = kLong;
  made.total_timeout = kLong;
  return made;
}

Sent send(const MailServer& server) {
  const std::vector<Sent> all = send_mail(server, kFrom, kOne, mail());
  EXPECT_EQ(all.size(), 1U);
  return all.empty() ? Sent{} : all[0];
}

// A folder with server.pem and server.key, and the options of servers that use them.
struct Tls {
  TemporaryFolder folder;
  Tls() { make_certificate(folder.path(), "server", {.names = "IP:127.0.0.1,DNS:localhost"}); }
  [[nodiscard]] SmtpServerOptions options(SmtpServerOptions::Security security) const {
    SmtpServerOptions made;
    made.security = security;
    made.certificate = folder.path() / "server.pem";
    made.key = folder.path() / "server.key";
    return made;
  }
  [[nodiscard]] MailServer to(const SmtpServer& server, Security security) const {
    MailServer made = tipstaff::to(server);
    made.security = security;
    made.ca_file = folder.path() / "server.pem";
    return made;
  }
};

void expect_says(const Sent& sent, const std::string& words) {
  EXPECT_TRUE(sent.said.contains(words)) << "\"" << sent.said << "\" lacks \"" << words << "\"";
  EXPECT_LE(sent.said.size(), kMostSaid);
  EXPECT_FALSE(sent.said.contains('\n'));
}

TEST(SendMail, ArrivesAsItWasComposed) {
  SmtpServer server;
  const Sent sent = send(to(server));
  EXPECT_EQ(sent.delivery, Delivery::sent) << sent.said;
  EXPECT_EQ(sent.said, "127.0.0.1:" + std::to_string(server.port()) + " took it: 250 2.0.0 taken");
  ASSERT_EQ(server.mails().size(), 1U);
  const TakenMail taken = server.mails()[0];
  EXPECT_EQ(taken.data, mail());
  EXPECT_EQ(taken.from, kFrom);
  EXPECT_EQ(taken.to, kOne);
  EXPECT_EQ(taken.helo, "host.example.com");
  EXPECT_FALSE(taken.tls);
  const std::vector<std::string> commands = {"EHLO host.example.com",
                                             "MAIL FROM:<tipstaff@example.com> SIZE=" + std::to_string(mail().size()),
                                             "RCPT TO:<admin@example.com>", "DATA", "QUIT"};
  EXPECT_EQ(server.commands(), commands);
}

TEST(SendMail, DotsAndSizesOfEveryKind) {
  SmtpServer server;
  std::vector<std::string> mails = {".\r\n",     "..\r\n",   ".x\r\n",
                                    "\r\n.\r\n", "\r\n\r\n", "a: b\r\n\r\n.\r\n.\r\n..\r\n"};
  std::string large = "Subject: large\r\n\r\n";
  while (large.size() < 2'000'000) large += ".line that begins with a dot\r\n";
  mails.push_back(large);
  // a dot behind a line end at each place around the size of libcurl's blocks
  for (std::size_t size = 65'530; size < 65'540; ++size) mails.push_back(std::string(size, 'x') + "\r\n.\r\ny\r\n");
  for (const std::string& one : mails) {
    const auto sent = send_mail(to(server), kFrom, kOne, one);
    ASSERT_EQ(sent[0].delivery, Delivery::sent) << sent[0].said;
  }
  ASSERT_EQ(server.mails().size(), mails.size());
  for (std::size_t i = 0; i < mails.size(); ++i) EXPECT_TRUE(server.mails()[i].data == mails[i]) << i;
}

TEST(SendMail, WhatCouldEndAMailEarlyIsNotSent) {
  SmtpServer server;
  for (const std::string& bad : std::vector<std::string>{"a\n.\nMAIL FROM:<x@example.com>\r\n", "a\r.\r\n", "a\rb\r\n",
                                                         "no end", "", std::string("a\0b\r\n", 5)}) {
    EXPECT_EQ(send_mail(to(server), kFrom, kOne, bad)[0].delivery, Delivery::refused);
  }
  for (const std::string bad :
       {"", "a", "a@b\r\nDATA", "<a@example.com>", "a@example.com> SIZE=1", "a b@example.com"}) {
    EXPECT_EQ(send_mail(to(server), kFrom, {bad}, mail())[0].delivery, Delivery::refused) << bad;
    EXPECT_EQ(send_mail(to(server), bad, kOne, mail())[0].delivery, Delivery::refused) << bad;
  }
  EXPECT_EQ(server.connections(), 0U);
  EXPECT_TRUE(send_mail(to(server), kFrom, {}, mail()).empty());
}

TEST(SendMail, TheNameForEhloCannotBringACommand) {
  SmtpServer server;
  MailServer strange = to(server);
  strange.helo = "a\r\nMAIL FROM:<x@example.com>";
  EXPECT_EQ(send(strange).delivery, Delivery::sent);
  EXPECT_EQ(server.mails()[0].helo, "localhost");
}

struct Answered {
  SmtpStep step;
  const char* answer;
  Delivery delivery;
  bool perhaps;
  const char* says;
};

TEST(SendMail, AnswersAreUnderstoodWhereTheyStand) {
  const std::vector<Answered> cases = {
      {SmtpStep::greeting, "554 5.3.2 no service", Delivery::later, false, "before its greeting: 554 5.3.2 no service"},
      {SmtpStep::greeting, "421 4.3.2 busy", Delivery::later, false, "421 4.3.2 busy"},
      {SmtpStep::hello, "550 go away", Delivery::later, false, "550 go away"},
      {SmtpStep::mail, "550 5.7.1 not you", Delivery::refused, false,
       "refuses the sender: 550 5.7.1 not you; see from"},
      {SmtpStep::mail, "552 5.3.4 too big", Delivery::refused, false, "552 5.3.4 too big"},
      {SmtpStep::mail, "451 4.3.0 later", Delivery::later, false, "does not take it now: 451 4.3.0 later"},
      {SmtpStep::mail, "530 5.7.0 log in", Delivery::later, false, "wants a login: 530 5.7.0 log in; set user"},
      {SmtpStep::recipient, "550 5.1.1 nobody", Delivery::refused, false, "refuses the recipient: 550 5.1.1 nobody"},
      {SmtpStep::recipient, "451 4.7.1 greylisted", Delivery::later, false, "not take it now: 451 4.7.1 greylisted"},
      {SmtpStep::recipient, "421 4.7.0 too many", Delivery::later, false, "421 4.7.0 too many"},
      {SmtpStep::recipient, "550-a\r\n550-b\r\n550 c", Delivery::refused, false, "550 c"},
      {SmtpStep::data, "554 5.5.1 no", Delivery::refused, false, "refuses the mail: 554 5.5.1 no"},
      {SmtpStep::data, "451 4.3.0 no", Delivery::later, false, "451 4.3.0 no"},
      {SmtpStep::data, "250 what?", Delivery::later, false, "answers without sense, at DATA: 250 what?"},
      {SmtpStep::body, "550 5.7.1 spam", Delivery::refused, false, "refuses the mail: 550 5.7.1 spam"},
      {SmtpStep::body, "452 4.2.2 full", Delivery::later, false, "does not take it now: 452 4.2.2 full"},
      {SmtpStep::body, "421 4.3.2 going down", Delivery::later, false, "421 4.3.2 going down"},
      {SmtpStep::body, "251 taken elsewhere", Delivery::sent, false, "took it: 251 taken elsewhere"},
      {SmtpStep::body, "250-long\r\n250 story", Delivery::sent, false, "250 story"},
      {SmtpStep::body, "354 more?", Delivery::later, true, "may have arrived"},
      {SmtpStep::quit, "550 no, you stay", Delivery::sent, false, "took it: 250 2.0.0 taken"},
      {SmtpStep::quit, "nonsense", Delivery::sent, false, "took it: 250 2.0.0 taken"},
  };
  for (const Answered& one : cases) {
    SmtpServer server;
    server.at(one.step, Misdeed::say(one.answer));
    const Sent sent = send(to(server));
    EXPECT_EQ(sent.delivery, one.delivery) << one.answer << ": " << sent.said;
    EXPECT_EQ(sent.perhaps, one.perhaps) << one.answer;
    expect_says(sent, one.says);
  }
}

TEST(SendMail, GreylistingPassesTheSecondTime) {
  SmtpServer server;
  server.at(SmtpStep::recipient, Misdeed::say("451 4.7.1 come back").times(1));
  EXPECT_EQ(send(to(server)).delivery, Delivery::later);
  EXPECT_TRUE(server.mails().empty());
  EXPECT_EQ(send(to(server)).delivery, Delivery::sent);
  EXPECT_EQ(server.mails().size(), 1U);
}

TEST(SendMail, EachRecipientHasAFateOfHisOwn) {
  SmtpServer server;
  server.answer_recipient("gone@example.com", "550 5.1.1 gone");
  server.answer_recipient("full@example.com", "452 4.2.2 full");
  const std::vector<std::string> recipients = {"a@example.com", "gone@example.com", "full@example.com",
                                               "no address",    "b@example.com",    "c@example.com"};
  const std::vector<Sent> all = send_mail(to(server), kFrom, recipients, mail());
  ASSERT_EQ(all.size(), recipients.size());
  const std::vector<Delivery> right = {Delivery::sent,    Delivery::refused, Delivery::later,
                                       Delivery::refused, Delivery::sent,    Delivery::sent};
  for (std::size_t i = 0; i < all.size(); ++i) EXPECT_EQ(all[i].delivery, right[i]) << all[i].said;
  ASSERT_EQ(server.mails().size(), 3U);
  EXPECT_EQ(server.mails()[0].to, std::vector<std::string>{"a@example.com"});
  EXPECT_EQ(server.mails()[1].to, std::vector<std::string>{"b@example.com"});
  EXPECT_EQ(server.mails()[2].to, std::vector<std::string>{"c@example.com"});
  EXPECT_EQ(server.connections(), 3U) << "one connection goes on as long as it can";
}

TEST(SendMail, AServerThatFailsIsNotTriedForTheOthers) {
  SmtpServer server;
  server.at(SmtpStep::body, Misdeed::drop().times(1));
  const std::vector<Sent> all =
      send_mail(to(server), kFrom, {"a@example.com", "wrong", "b@example.com", "c@example.com"}, mail());
  ASSERT_EQ(all.size(), 4U);
  EXPECT_EQ(all[0].delivery, Delivery::later);
  EXPECT_TRUE(all[0].perhaps);
  EXPECT_EQ(all[1].delivery, Delivery::refused);
  for (std::size_t i = 2; i < 4; ++i) {
    EXPECT_EQ(all[i].delivery, Delivery::later);
    EXPECT_FALSE(all[i].perhaps) << "nothing was given for him";
  }
  EXPECT_EQ(server.connections(), 1U);
}

TEST(SendMail, ConnectionsThatEndAreTriedLater) {
  for (const auto& misdeed : {Misdeed::drop(), Misdeed::finish()}) {
    for (const SmtpStep step :
         {SmtpStep::greeting, SmtpStep::hello, SmtpStep::mail, SmtpStep::recipient, SmtpStep::data, SmtpStep::body}) {
      SmtpServer server;
      server.at(step, misdeed);
      const Sent sent = send(to(server));
      EXPECT_EQ(sent.delivery, Delivery::later) << sent.said;
      EXPECT_EQ(sent.perhaps, step == SmtpStep::body) << sent.said;
    }
    SmtpServer server;
    server.at(SmtpStep::quit, misdeed);
    EXPECT_EQ(send(to(server)).delivery, Delivery::sent);
  }
}

TEST(SendMail, AMailThatIsCutOffInTheMiddleDidNotArrive) {
  SmtpServer server;
  server.at(SmtpStep::middle, Misdeed::drop());
  std::string large = "Subject: large\r\n\r\n";
  while (large.size() < 20'000'000) large += "a line of a mail that is larger than what sockets hold\r\n";
  const Sent sent = send_mail(to(server), kFrom, kOne, large)[0];
  EXPECT_EQ(sent.delivery, Delivery::later) << sent.said;
  EXPECT_FALSE(sent.perhaps) << sent.said;
}

// Runs while the time is measured: a call ends soon after its total timeout.
Sent send_in_time(MailServer server, std::chrono::milliseconds total) {
  server.total_timeout = total;
  const auto begin = Clock::now();
  const Sent sent = send(server);
  EXPECT_LT(Clock::now() - begin, total + 5s) << sent.said;
  return sent;
}

TEST(SendMail, SilenceEndsAtTheTimeout) {
  for (const SmtpStep step : {SmtpStep::greeting, SmtpStep::hello, SmtpStep::mail, SmtpStep::recipient, SmtpStep::data,
                              SmtpStep::middle, SmtpStep::body}) {
    SmtpServer server;
    server.at(step, Misdeed::hang());
    const Sent sent = send_in_time(to(server), 200ms);
    EXPECT_EQ(sent.delivery, Delivery::later);
    EXPECT_EQ(sent.perhaps, step == SmtpStep::body || step == SmtpStep::middle) << "a small mail is given at once";
    expect_says(sent, "no answer in time");
  }
}

TEST(SendMail, SilenceAfterQuitChangesNothing) {
  SmtpServer server;
  server.at(SmtpStep::quit, Misdeed::hang());
  EXPECT_EQ(send_in_time(to(server), 300ms).delivery, Delivery::sent);
  const auto begin = Clock::now();
  EXPECT_EQ(send(to(server)).delivery, Delivery::sent);
  EXPECT_LT(Clock::now() - begin, 8s) << "whatever the total timeout is";
}

TEST(SendMail, SlowAnswersEndAtTheTimeoutOrArrive) {
  SmtpServer slow;
  slow.at(SmtpStep::hello, Misdeed::slow(1s));
  EXPECT_EQ(send_in_time(to(slow), 200ms).delivery, Delivery::later);
  SmtpServer patient;
  patient.at(SmtpStep::body, Misdeed::slow(1ms));
  EXPECT_EQ(send(to(patient)).delivery, Delivery::sent);
}

TEST(SendMail, EndlessAnswersAreLeft) {
  for (const auto& misdeed : {Misdeed::endless_line(), Misdeed::endless_lines()}) {
    for (const SmtpStep step : {SmtpStep::greeting, SmtpStep::hello, SmtpStep::recipient, SmtpStep::body}) {
      SmtpServer server;
      server.at(step, misdeed);
      const Sent sent = send_in_time(to(server), 10s);
      EXPECT_EQ(sent.delivery, Delivery::later) << sent.said;
      expect_says(sent, "it says more than any mail server");
    }
  }
}

TEST(SendMail, NonsenseIsShownAndTriedLater) {
  for (const std::string words : {"hello there", "SSH-2.0-OpenSSH_9.2", "HTTP/1.1 200 OK\r\n\r\n<html>", "\x01\x02\xff",
                                  "99 bottles", "0 0", "-1 no"}) {
    SmtpServer server;
    server.at(SmtpStep::greeting, Misdeed::say(words));
    const Sent sent = send_in_time(to(server), 200ms);
    EXPECT_EQ(sent.delivery, Delivery::later) << words;
    EXPECT_FALSE(sent.said.contains('\x01'));
  }
}

TEST(SendMail, AClosedPortSaysSo) {
  MailServer nobody = to(SmtpServer());
  nobody.port = closed_port();
  const Sent sent = send(nobody);
  EXPECT_EQ(sent.delivery, Delivery::later);
  expect_says(sent, "it cannot be reached: ");
  expect_says(sent, "see name and port in [mail]");
  nobody.host = "a b";
  expect_says(send(nobody), "is no name of a server");
  nobody.host = "127.0.0.1/x";
  expect_says(send(nobody), "is no name of a server");
}

// --- TLS ---------------------------------------------------------------------------------------------------------------

TEST(SendMailTls, BothWays) {
  const Tls tls;
  SmtpServer upgraded(tls.options(SmtpServerOptions::Security::starttls));
  SmtpServer wrapped(tls.options(SmtpServerOptions::Security::tls));
  EXPECT_EQ(send(tls.to(upgraded, Security::starttls)).delivery, Delivery::sent);
  EXPECT_EQ(send(tls.to(wrapped, Security::tls)).delivery, Delivery::sent);
  for (const SmtpServer* server : {&upgraded, &wrapped}) {
    ASSERT_EQ(server->mails().size(), 1U);
    EXPECT_TRUE(server->mails()[0].tls);
    EXPECT_EQ(server->mails()[0].data, mail());
  }
  MailServer named = tls.to(upgraded, Security::starttls);
  named.host = "localhost";
  EXPECT_EQ(send(named).delivery, Delivery::sent);
}

TEST(SendMailTls, WithoutStartTlsNothingIsSent) {
  const Tls tls;
  SmtpServerOptions options = tls.options(SmtpServerOptions::Security::starttls);
  options.offer_starttls = false;
  options.user = "anna";
  options.password = "s3cret";
  SmtpServer server(options);
  MailServer with_login = tls.to(server, Security::starttls);
  with_login.user = "anna";
  with_login.password = "s3cret";
  const Sent sent = send(with_login);
  EXPECT_EQ(sent.delivery, Delivery::later);
  expect_says(sent, "does not offer STARTTLS");
  EXPECT_TRUE(server.mails().empty());
  for (const std::string& command : server.commands()) EXPECT_TRUE(command.starts_with("EHLO")) << command;

  SmtpServer refusing(tls.options(SmtpServerOptions::Security::starttls));
  for (const char* const answer : {"454 4.7.0 not now", "502 no", "250 good?"}) {
    refusing.at(SmtpStep::starttls, Misdeed::say(answer));
    EXPECT_EQ(send_in_time(tls.to(refusing, Security::starttls), 300ms).delivery, Delivery::later) << answer;
  }
  // what is said in plain text behind the answer to STARTTLS must not count as said in TLS
  refusing.at(SmtpStep::starttls,
              Misdeed::say("220 go on\r\n250-test\r\n250 good\r\n250 taken\r\n250 taken\r\n354 go"));
  EXPECT_EQ(send_in_time(tls.to(refusing, Security::starttls), 300ms).delivery, Delivery::later);
  EXPECT_TRUE(refusing.mails().empty());
  for (const std::string& command : refusing.commands()) EXPECT_FALSE(command.starts_with("MAIL")) << command;
}

TEST(SendMailTls, CertificatesAreChecked) {
  const Tls tls;
  const Tls other;
  TemporaryFolder elsewhere;
  make_certificate(elsewhere.path(), "server", {.names = "DNS:mail.example.com"});
  for (const auto security : {Security::starttls, Security::tls}) {
    const auto way =
        security == Security::tls ? SmtpServerOptions::Security::tls : SmtpServerOptions::Security::starttls;
    SmtpServer server(tls.options(way));
    MailServer trusting = tls.to(server, security);
    trusting.ca_file = other.folder.path() / "server.pem";
    Sent sent = send(trusting);
    EXPECT_EQ(sent.delivery, Delivery::later);
    expect_says(sent, "its certificate is not trusted: ");
    trusting.ca_file.clear();  // the system's authorities
    sent = send(trusting);
    EXPECT_EQ(sent.delivery, Delivery::later);
    expect_says(sent, "set ca_file in [mail]");
    trusting.ca_file = tls.folder.path() / "none.pem";
    sent = send(trusting);
    EXPECT_EQ(sent.delivery, Delivery::later);
    expect_says(sent, "see ca_file in [mail]");
    EXPECT_TRUE(server.mails().empty());

    SmtpServerOptions misnamed = tls.options(way);
    misnamed.certificate = elsewhere.path() / "server.pem";
    misnamed.key = elsewhere.path() / "server.key";
    SmtpServer stranger(misnamed);
    MailServer to_stranger = tls.to(stranger, security);
    to_stranger.ca_file = misnamed.certificate;
    sent = send(to_stranger);
    EXPECT_EQ(sent.delivery, Delivery::later);
    expect_says(sent, "its certificate is not trusted: ");
    EXPECT_TRUE(stranger.mails().empty());
  }
}

TEST(SendMailTls, ThePlainPortOfATlsServerAndTheOtherWayRound) {
  const Tls tls;
  SmtpServer plain;
  Sent sent = send_in_time(tls.to(plain, Security::tls), 2s);
  EXPECT_EQ(sent.delivery, Delivery::later);
  SmtpServer wrapped(tls.options(SmtpServerOptions::Security::tls));
  sent = send_in_time(tls.to(wrapped, Security::starttls), 300ms);
  EXPECT_EQ(sent.delivery, Delivery::later);
}

TEST(SendMailTls, ConnectionsThatEndRaiseNoSignal) {
  // a handler that a SIGPIPE would reach, instead of the default that ends the program
  static volatile sig_atomic_t signals = 0;
  struct sigaction before{};
  struct sigaction counting{};
  counting.sa_handler = [](int) { signals = signals + 1; };
  ASSERT_EQ(::sigaction(SIGPIPE, &counting, &before), 0);
  const Tls tls;
  for (const SmtpStep step : {SmtpStep::hello, SmtpStep::mail, SmtpStep::middle, SmtpStep::body, SmtpStep::quit}) {
    for (const auto& misdeed : {Misdeed::drop(), Misdeed::finish()}) {
      SmtpServer server(tls.options(SmtpServerOptions::Security::tls));
      server.at(step, misdeed);
      std::string large = "Subject: large\r\n\r\n";
      while (large.size() < 3'000'000) large += "a line of a large mail\r\n";
      const auto all = send_mail(tls.to(server, Security::tls), kFrom, {"a@example.com", "b@example.com"}, large);
      EXPECT_EQ(all[0].delivery, step == SmtpStep::quit ? Delivery::sent : Delivery::later) << all[0].said;
    }
  }
  EXPECT_EQ(::sigaction(SIGPIPE, &before, nullptr), 0);
  EXPECT_EQ(signals, 0);
}

// --- logins ------------------------------------------------------------------------------------------------------------

struct Login : Tls {
  [[nodiscard]] SmtpServerOptions options(const std::string& mechanisms) const {
    SmtpServerOptions made = Tls::options(SmtpServerOptions::Security::starttls);
    made.user = "anna@example.com";
    made.password = "s3cret-w\u00f6rd";
    made.mechanisms = mechanisms;
    made.login_required = true;
    return made;
  }
  [[nodiscard]] MailServer to(const SmtpServer& server) const {
    MailServer made = Tls::to(server, Security::starttls);
    made.user = "anna@example.com";
    made.password = "s3cret-w\u00f6rd";
    return made;
  }
};

TEST(SendMailLogin, PlainAndLogin) {
  const Login login;
  for (const std::string mechanisms : {"PLAIN", "LOGIN", "PLAIN LOGIN", "CRAM-MD5 DIGEST-MD5 NTLM GSSAPI LOGIN"}) {
    SmtpServer server(login.options(mechanisms));
    const Sent sent = send(login.to(server));
    EXPECT_EQ(sent.delivery, Delivery::sent) << mechanisms << ": " << sent.said;
    ASSERT_EQ(server.mails().size(), 1U);
    EXPECT_EQ(server.mails()[0].user, "anna@example.com");
    EXPECT_TRUE(server.mails()[0].tls);
  }
}

TEST(SendMailLogin, ARefusedOneIsToldWithoutThePassword) {
  const Login login;
  SmtpServer server(login.options("PLAIN LOGIN"));
  MailServer wrong = login.to(server);
  wrong.password = "wr0ng-s3cret";
  const Sent sent = send(wrong);
  EXPECT_EQ(sent.delivery, Delivery::later);
  expect_says(sent, "refuses the login of anna@example.com: 535 5.7.8 no such user or password");
  expect_says(sent, "see user and password_file in [mail]");

  for (const std::string& evil : {std::string("535 no: wr0ng-s3cret"), "535 no: " + base64("wr0ng-s3cret"),
                                  "535 " + base64(std::string(1, '\0') + "anna@example.com" + '\0' + "wr0ng-s3cret")}) {
    server.at(SmtpStep::hello, Misdeed::say(evil));
    const Sent echoed = send(wrong);
    EXPECT_EQ(echoed.delivery, Delivery::later);
    EXPECT_FALSE(echoed.said.contains("wr0ng")) << echoed.said;
    EXPECT_FALSE(echoed.said.contains(base64("wr0ng-s3cret").substr(0, 8))) << echoed.said;
    expect_says(echoed, "***");
  }
  EXPECT_TRUE(server.mails().empty());
}

TEST(SendMailLogin, NoWayToLogInIsNoRefusalOfTheMail) {
  const Login login;
  SmtpServer other_ways(login.options("CRAM-MD5 NTLM"));
  Sent sent = send(login.to(other_ways));
  EXPECT_EQ(sent.delivery, Delivery::later);
  expect_says(sent, "no way to log in that is used here");
  SmtpServerOptions none = login.options("");
  none.user.clear();
  SmtpServer no_login(none);
  sent = send(login.to(no_login));
  EXPECT_EQ(sent.delivery, Delivery::later) << "530 at MAIL, since libcurl goes on without a login";
  expect_says(sent, "no way to log in that is used here");
  SmtpServer wanting(login.options("PLAIN"));
  MailServer anonymous = login.to(wanting);
  anonymous.user.clear();
  sent = send(anonymous);
  EXPECT_EQ(sent.delivery, Delivery::later);
  expect_says(sent, "it wants a login: 530 5.7.0 authentication required; set user and password_file");
}

TEST(SendMailLogin, AHangingOrLeavingServer) {
  const Login login;
  for (const auto& misdeed :
       {Misdeed::hang(), Misdeed::drop(), Misdeed::say("451 4.7.0 later"), Misdeed::say("what")}) {
    SmtpServer server(login.options("PLAIN"));
    server.at(SmtpStep::login, misdeed);
    const Sent sent = send_in_time(login.to(server), 500ms);
    EXPECT_EQ(sent.delivery, Delivery::later) << sent.said;
    expect_says(sent, "login");
  }
}

TEST(SendMailLogin, APasswordGoesOverTlsOrStaysHere) {
  SmtpServerOptions options;
  options.user = "anna";
  options.password = "s3cret";
  SmtpServer server(options);
  MailServer here = to(server);
  here.user = "anna";
  here.password = "s3cret";
  EXPECT_EQ(send(here).delivery, Delivery::sent) << "this machine's own server";
  EXPECT_EQ(server.mails()[0].user, "anna");
  MailServer there = here;
  there.host = "192.0.2.25";  // which is never asked
  const Sent sent = send(there);
  EXPECT_EQ(sent.delivery, Delivery::later);
  expect_says(sent, "192.0.2.25 would get the password in plain text");
}

// --- around it ---------------------------------------------------------------------------------------------------------

TEST(SendMail, TheEnvironmentChangesNothing) {
  SmtpServer server;
  SmtpServer proxy;
  const std::string url = "http://127.0.0.1:" + std::to_string(proxy.port());
  for (const char* const name : {"http_proxy", "https_proxy", "all_proxy", "ALL_PROXY", "smtp_proxy"})
    ::setenv(name, url.c_str(), 1);
  EXPECT_EQ(send(to(server)).delivery, Delivery::sent);
  for (const char* const name : {"http_proxy", "https_proxy", "all_proxy", "ALL_PROXY", "smtp_proxy"}) ::unsetenv(name);
  EXPECT_EQ(proxy.connections(), 0U);
}

TEST(SendMail, FromSeveralThreads) {
  const Login login;
  SmtpServer server(login.options("PLAIN"));
  std::vector<std::thread> threads;
  for (int i = 0; i < 8; ++i) {
    threads.emplace_back([&] {
      for (int j = 0; j < 3; ++j) EXPECT_EQ(send(login.to(server)).delivery, Delivery::sent);
    });
  }
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(server.mails().size(), 24U);
}

}  // namespace
}  // namespace tipstaff
