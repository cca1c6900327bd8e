#include "tests/mail/smtp_server.h"

#include <algorithm>
#include <cctype>
#include <utility>

#include "mail/mime.h"

namespace tipstaff {
namespace {

std::string argument_of(const std::string& line) {
  const std::size_t space = line.find(' ');
  return space == std::string::npos ? std::string() : line.substr(space + 1);
}

// "FROM:<a@b> SIZE=1" -> "a@b"
std::string path_of(const std::string& argument) {
  const std::size_t open = argument.find('<');
  const std::size_t close = argument.find('>');
  return open == std::string::npos || close == std::string::npos ? argument
                                                                 : argument.substr(open + 1, close - open - 1);
}

std::string upper(std::string text) {
  std::ranges::transform(text, text.begin(), [](unsigned char c) { return static_cast<char>(std::toupper(c)); });
  return text;
}

}  // namespace

struct SmtpServer::Visit {
  ServerStream& stream;
  TakenMail mail;
  bool greeted = false;
};

SmtpServer::SmtpServer(SmtpServerOptions options)
    : options_(std::move(options)), server_([this](ServerStream& stream) { serve(stream); }) {}

std::vector<TakenMail> SmtpServer::mails() const {
  const std::lock_guard lock(mutex_);
  return mails_;
}

std::vector<std::string> SmtpServer::commands() const {
  const std::lock_guard lock(mutex_);
  return commands_;
}

void SmtpServer::at(SmtpStep step, Misdeed misdeed) {
  const std::lock_guard lock(mutex_);
  misdeeds_[step] = std::move(misdeed);
}

void SmtpServer::behave() {
  const std::lock_guard lock(mutex_);
  misdeeds_.clear();
  recipients_.clear();
}

void SmtpServer::answer_recipient(const std::string& address, const std::string& answer) {
  const std::lock_guard lock(mutex_);
  recipients_[address] = answer;
}

Misdeed SmtpServer::due(SmtpStep step, const std::string& right) {
  const std::lock_guard lock(mutex_);
  const auto found = misdeeds_.find(step);
  if (found == misdeeds_.end() || found->second.count == 0) return Misdeed::say(right);
  if (found->second.count > 0) --found->second.count;
  return found->second;
}

bool SmtpServer::answer(ServerStream& stream, SmtpStep step, const std::string& right) {
  return perform(stream, due(step, right), right);
}

bool SmtpServer::perform(ServerStream& stream, const Misdeed& misdeed, const std::string& right) {
  switch (misdeed.kind) {
    case Misdeed::Kind::say:
      return stream.write(misdeed.text + "\r\n") && misdeed.text == right;
    case Misdeed::Kind::slow:
      return stream.write_slowly(right + "\r\n", misdeed.pause);
    case Misdeed::Kind::hang:
      stream.hang();
      return false;
    case Misdeed::Kind::drop:
      stream.drop();
      return false;
    case Misdeed::Kind::finish:
      stream.finish();
      return false;
    case Misdeed::Kind::endless_line:
      if (!stream.write("250-")) return false;
      while (stream.write(std::string(16'384, 'x'))) {
      }
      return false;
    case Misdeed::Kind::endless_lines:
      while (stream.write("250-and so on\r\n")) {
      }
      return false;
  }
  return false;
}

void SmtpServer::serve(ServerStream& stream) {
  Visit visit{stream, {}};
  if (options_.security == SmtpServerOptions::Security::tls && !stream.start_tls(options_.certificate, options_.key))
    return;
  if (!answer(stream, SmtpStep::greeting, "220 test.example.com ESMTP")) {
    stream.hang();  // a wrong greeting is said, and no more
    return;
  }
  std::string line;
  while (stream.line(line)) {
    while (line.ends_with('\n') || line.ends_with('\r')) line.pop_back();
    {
      const std::lock_guard lock(mutex_);
      commands_.push_back(line);
    }
    if (!command(visit, line)) return;
  }
}

bool SmtpServer::command(Visit& visit, const std::string& line) {
  ServerStream& stream = visit.stream;
  const std::string verb = upper(line.substr(0, line.find(' ')));
  // A wrong answer ends a stage, not the connection: what the client does next is seen.
  const auto say = [&](SmtpStep step, const std::string& right) {
    (void)answer(stream, step, right);
    return true;
  };
  if (verb == "EHLO" || verb == "HELO") {
    visit.mail.helo = argument_of(line);
    std::string right = "250-test.example.com\r\n250-SIZE 10000000";
    if (options_.security == SmtpServerOptions::Security::starttls && options_.offer_starttls && !stream.is_tls())
      right += "\r\n250-STARTTLS";
    if (!options_.user.empty()) right += "\r\n250-AUTH " + options_.mechanisms;
    return say(SmtpStep::hello, verb == "HELO" ? "250 test.example.com" : right + "\r\n250 8BITMIME");
  }
  if (verb == "STARTTLS") {
    if (options_.security != SmtpServerOptions::Security::starttls) return stream.write("502 no\r\n");
    return !answer(stream, SmtpStep::starttls, "220 go on") || stream.start_tls(options_.certificate, options_.key);
  }
  if (verb == "AUTH") return login(visit, argument_of(line));
  if (verb == "MAIL") {
    if (options_.login_required && visit.mail.user.empty())
      return stream.write("530 5.7.0 authentication required\r\n");
    visit.mail.from = path_of(line);
    visit.mail.to.clear();
    return say(SmtpStep::mail, "250 2.1.0 good");
  }
  if (verb == "RCPT") {
    const std::string to = path_of(line);
    std::string own;
    {
      const std::lock_guard lock(mutex_);
      if (const auto found = recipients_.find(to); found != recipients_.end()) own = found->second;
    }
    if (!own.empty()) return stream.write(own + "\r\n");
    if (answer(stream, SmtpStep::recipient, "250 2.1.5 good")) visit.mail.to.push_back(to);
    return true;
  }
  if (verb == "DATA") {
    if (visit.mail.to.empty()) return stream.write("503 5.5.1 nobody to send to\r\n");
    return answer(stream, SmtpStep::data, "354 go on") ? take_mail(visit) : true;
  }
  if (verb == "QUIT") {
    (void)answer(stream, SmtpStep::quit, "221 2.0.0 bye");
    return false;
  }
  if (verb == "RSET" || verb == "NOOP") return stream.write("250 2.0.0 good\r\n");
  return stream.write("500 5.5.2 unknown\r\n");
}

bool SmtpServer::take_mail(Visit& visit) {
  visit.mail.data.clear();
  std::string line;
  while (true) {
    if (!visit.stream.line(line)) return false;
    if (line == ".\r\n") break;
    if (visit.mail.data.empty()) {
      if (const Misdeed misdeed = due(SmtpStep::middle, {}); misdeed.kind != Misdeed::Kind::say)
        return perform(visit.stream, misdeed, {});
    }
    visit.mail.data.append(line, line.starts_with('.') ? 1 : 0);
  }
  visit.mail.tls = visit.stream.is_tls();
  // Held before it is acknowledged, so that whoever has seen the answer finds it here; what is refused is not held.
  const std::string right = "250 2.0.0 taken";
  const Misdeed misdeed = due(SmtpStep::body, right);
  const bool says = misdeed.kind == Misdeed::Kind::say;
  visit.mail.acknowledged = misdeed.kind == Misdeed::Kind::slow || (says && misdeed.text.starts_with('2'));
  if (!says || visit.mail.acknowledged) {
    const std::lock_guard lock(mutex_);
    mails_.push_back(visit.mail);
  }
  return perform(visit.stream, misdeed, right) || says;
}

bool SmtpServer::login(Visit& visit, const std::string& argument) {
  ServerStream& stream = visit.stream;
  std::string user = base64(options_.user);
  std::string password = base64(options_.password);
  const std::string plain = base64(std::string(1, '\0') + options_.user + std::string(1, '\0') + options_.password);
  const std::string mechanism = upper(argument.substr(0, argument.find(' ')));
  std::string given = argument_of(argument);
  const auto ask = [&](const std::string& prompt, std::string& to) {
    if (!stream.write("334 " + prompt + "\r\n") || !stream.line(to)) return false;
    while (to.ends_with('\n') || to.ends_with('\r')) to.pop_back();
    return true;
  };
  bool good = false;
  if (mechanism == "PLAIN") {
    if (given.empty() && !ask("", given)) return false;
    good = given == plain;
  } else if (mechanism == "LOGIN") {
    std::string second;
    if (given.empty() && !ask(base64("Username:"), given)) return false;
    if (!ask(base64("Password:"), second)) return false;
    good = given == user && second == password;
  } else {
    return stream.write("504 5.5.4 unknown mechanism\r\n");
  }
  if (!good) return stream.write("535 5.7.8 no such user or password\r\n");
  if (answer(stream, SmtpStep::login, "235 2.7.0 welcome")) visit.mail.user = options_.user;
  return true;
}

}  // namespace tipstaff
