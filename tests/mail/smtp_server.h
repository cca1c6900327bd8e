// A small real SMTP server on 127.0.0.1 (RFC 5321, STARTTLS, TLS, AUTH PLAIN and LOGIN) that keeps the mails it took and
// misbehaves as it is told, at one stage of the dialogue:
//   SmtpServer server;
//   server.at(SmtpStep::recipient, Misdeed::say("451 4.7.1 greylisted").times(1));
//   ... send to 127.0.0.1:server.port() ...
//   EXPECT_EQ(server.mails()[0].data, mail);
#pragma once

#include <chrono>
#include <map>
#include <mutex>
#include <string>
#include <vector>

#include "tests/mail/server_stream.h"

namespace tipstaff {

/// When a misdeed is done: in the place of the answer to this.
/// `middle`: after the first line of the mail, where nothing is said. `body`: after its end.
enum class SmtpStep { greeting, hello, starttls, login, mail, recipient, data, middle, body, quit };

/// What is done there instead of the right answer.
struct Misdeed {
  enum class Kind { say, hang, drop, finish, endless_line, endless_lines, slow };

  Kind kind = Kind::say;
  std::string text;                   ///< of say: lines, CRLF is added at the end
  std::chrono::milliseconds pause{};  ///< of slow: after each byte of the right answer
  int count = -1;                     ///< how often; -1: always

  static Misdeed say(std::string text) { return {Kind::say, std::move(text), {}, -1}; }
  static Misdeed hang() { return {Kind::hang, {}, {}, -1}; }      ///< reads, says nothing more
  static Misdeed drop() { return {Kind::drop, {}, {}, -1}; }      ///< reset of the connection
  static Misdeed finish() { return {Kind::finish, {}, {}, -1}; }  ///< closes the connection
  static Misdeed endless_line() { return {Kind::endless_line, {}, {}, -1}; }
  static Misdeed endless_lines() { return {Kind::endless_lines, {}, {}, -1}; }
  static Misdeed slow(std::chrono::milliseconds pause) { return {Kind::slow, {}, pause, -1}; }
  [[nodiscard]] Misdeed times(int most) const {
    Misdeed made = *this;
    made.count = most;
    return made;
  }
};

/// A mail that came to its end.
struct TakenMail {
  std::string helo, from;
  std::vector<std::string> to;
  std::string data;  ///< dots taken away
  std::string user;  ///< who had logged in
  bool tls = false;
  bool acknowledged = true;  ///< the server said 250 to it
};

struct SmtpServerOptions {
  enum class Security { none, starttls, tls } security = Security::none;
  std::string certificate, key;  ///< PEM files, for TLS
  std::string user, password;    ///< empty: no login is offered
  bool login_required = false;   ///< MAIL is answered by 530 before
  std::string mechanisms = "PLAIN LOGIN";
  bool offer_starttls = true;
};

class SmtpServer {
 public:
  explicit SmtpServer(SmtpServerOptions options = {});

  [[nodiscard]] std::uint16_t port() const { return server_.port(); }
  /// In the order in which they came.
  [[nodiscard]] std::vector<TakenMail> mails() const;
  /// All commands of all connections, as they came.
  [[nodiscard]] std::vector<std::string> commands() const;
  [[nodiscard]] std::size_t connections() const { return server_.connections(); }

  /// What is done at a step from now on; a later word for the same step takes the place of the earlier one.
  void at(SmtpStep step, Misdeed misdeed);
  /// No misdeeds any more.
  void behave();
  /// The answer to RCPT for one recipient.
  void answer_recipient(const std::string& address, const std::string& answer);

 private:
  struct Visit;
  void serve(ServerStream& stream);
  bool command(Visit& visit, const std::string& line);
  bool take_mail(Visit& visit);
  bool login(Visit& visit, const std::string& argument);
  /// Says the right answer, or does the misdeed that is due. False: the connection is over.
  bool answer(ServerStream& stream, SmtpStep step, const std::string& right);
  static bool perform(ServerStream& stream, const Misdeed& misdeed, const std::string& right);
  Misdeed due(SmtpStep step, const std::string& right);

  SmtpServerOptions options_;
  mutable std::mutex mutex_;
  std::map<SmtpStep, Misdeed> misdeeds_;
  std::map<std::string, std::string> recipients_;
  std::vector<TakenMail> mails_;
  std::vector<std::string> commands_;
  StreamServer server_;  // the last: it ends before what it uses
};

}  // namespace tipstaff
