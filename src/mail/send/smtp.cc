// A mail by SMTP. libcurl's own result says too little: it does not tell a refused recipient from a broken connection,
// goes on without a login where the server offers none, and knows 250 alone as success. So its commands and the server's
// replies are watched (its debug and header functions), and what became of a mail follows from the stage of the dialogue
// and the last reply (RFC 5321 4.2). The transaction is one recipient's, so nothing is ever taken for him and lost for
// another. Mechanisms of login are PLAIN and LOGIN alone: a server cannot ask for NTLM or the like.
#include <fmt/format.h>

#include <algorithm>
#include <chrono>
#include <cstring>
#include <memory>

#include "mail/message.h"
#include "mail/send/send.h"
#include "mail/send/transfer.h"
#include "mail/send/words.h"

namespace tipstaff {
namespace {

using namespace std::chrono_literals;

constexpr auto kLeave = 2s;  // how long the server may take for its answer to QUIT
constexpr std::size_t kMostReplies = 64U << 10U;
constexpr std::size_t kMostWords = 250;

// What is watched of one transaction.
struct Dialogue {
  Transfer* transfer = nullptr;
  std::string_view message;
  std::size_t given = 0;
  SmtpStage stage = SmtpStage::greeting;
  SmtpReply reply;
  std::size_t heard = 0;  // bytes of replies
  bool logged_in = false;
  bool leaving = false;  // QUIT is said: what comes now is no answer to the mail

  void enter(SmtpStage next) {
    if (stage == SmtpStage::login && reply.code() / 100 == 2) logged_in = true;
    stage = next;
    reply.clear();
  }
};

int on_debug(CURL*, curl_infotype type, char* data, std::size_t size, void* to) {
  auto& dialogue = *static_cast<Dialogue*>(to);
  if (type != CURLINFO_HEADER_OUT || dialogue.leaving) return 0;
  const SmtpStage next = stage_of(std::string_view(data, size), dialogue.stage);
  if (next != SmtpStage::quit) {
    dialogue.enter(next);
  } else {
    dialogue.leaving = true;
    dialogue.transfer->hurry(kLeave);
  }
  return 0;
}

std::size_t on_reply(char* data, std::size_t one, std::size_t size, void* to) {
  auto& dialogue = *static_cast<Dialogue*>(to);
  dialogue.heard += one * size;
  if (dialogue.heard > kMostReplies) return 0;  // which ends the transfer
  if (!dialogue.leaving) dialogue.reply.add(std::string_view(data, one * size));
  return one * size;
}

std::size_t on_read(char* data, std::size_t one, std::size_t room, void* to) {
  auto& dialogue = *static_cast<Dialogue*>(to);
  const std::string_view next = dialogue.message.substr(dialogue.given, one * room);
  std::memcpy(data, next.data(), next.size());
  dialogue.given += next.size();
  if (dialogue.given == dialogue.message.size() && !next.empty()) dialogue.enter(SmtpStage::body);
  return next.size();
}

struct SlistEnd {
  void operator()(curl_slist* list) const { curl_slist_free_all(list); }
};
using Slist = std::unique_ptr<curl_slist, SlistEnd>;

// RFC 5321 2.3.8: CR and LF only together. What is not so could end the mail at one server and not at the next.
bool has_whole_line_ends(std::string_view message) {
  for (std::size_t at = 0; (at = message.find_first_of("\r\n", at)) != std::string_view::npos; at += 2) {
    if (message.substr(at, 2) != "\r\n") return false;
  }
  return message.ends_with("\r\n") && !message.contains('\0');
}

bool is_host(std::string_view host) {
  return !host.empty() && host.size() <= 253 && std::ranges::all_of(host, [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '-' || c == '.' ||
           c == ':' || c == '_';
  });
}

class Session {
 public:
  explicit Session(const MailServer& server)
      : server_(server),
        secrets_(server.user, server.password),
        transfer_(server.connect_timeout, server.total_timeout) {}

  // What makes every attempt useless; empty: nothing.
  [[nodiscard]] std::string hindrance() const {
    if (!is_host(server_.host)) return fmt::format("\"{}\" is no name of a server; see server in [mail]", host());
    if (!server_.user.empty() && server_.security == MailServer::Security::none && !is_this_machine(server_.host))
      return fmt::format("{} would get the password in plain text; set security in [mail] to \"starttls\" or \"tls\"",
                         host());
    if (server_.user.contains('\0') || server_.password.contains('\0'))
      return "user and password in [mail] cannot hold NUL bytes";
    if (!transfer_.good()) return "libcurl cannot be used: out of memory";
    return {};
  }

  void prepare(std::string_view from) {
    CURL* const curl = transfer_.get();
    const bool tls = server_.security == MailServer::Security::tls;
    transfer_.allow(tls ? "smtps" : "smtp", server_.ca_file);
    const bool v6 = server_.host.contains(':');
    const std::string helo = is_mail_address("x@" + server_.helo) ? server_.helo : "localhost";
    const std::string url = fmt::format("{}://{}{}{}:{}/{}", tls ? "smtps" : "smtp", v6 ? "[" : "", server_.host,
                                        v6 ? "]" : "", server_.port, helo);
    curl_easy_setopt(curl, CURLOPT_URL, url.c_str());
    const bool starttls = server_.security == MailServer::Security::starttls;
    curl_easy_setopt(curl, CURLOPT_USE_SSL, static_cast<long>(starttls ? CURLUSESSL_ALL : CURLUSESSL_NONE));
    if (!server_.user.empty()) {
      curl_easy_setopt(curl, CURLOPT_USERNAME, server_.user.c_str());
      curl_easy_setopt(curl, CURLOPT_PASSWORD, server_.password.c_str());
      curl_easy_setopt(curl, CURLOPT_LOGIN_OPTIONS, "AUTH=PLAIN;AUTH=LOGIN");
    }
    curl_easy_setopt(curl, CURLOPT_MAIL_FROM, fmt::format("<{}>", from).c_str());
    curl_easy_setopt(curl, CURLOPT_UPLOAD, 1L);
    curl_easy_setopt(curl, CURLOPT_VERBOSE, 1L);
    curl_easy_setopt(curl, CURLOPT_DEBUGFUNCTION, &on_debug);
    curl_easy_setopt(curl, CURLOPT_HEADERFUNCTION, &on_reply);
    curl_easy_setopt(curl, CURLOPT_READFUNCTION, &on_read);
  }

  // One transaction. `last`: the connection is closed after it. Sets broken() where the next one would fare the same.
  Sent give(const std::string& to, std::string_view message, bool last) {
    CURL* const curl = transfer_.get();
    dialogue_ = {.transfer = &transfer_, .message = message, .reply = {}, .logged_in = logged_in_};
    const Slist recipients(curl_slist_append(nullptr, fmt::format("<{}>", to).c_str()));
    for (const CURLoption option : {CURLOPT_DEBUGDATA, CURLOPT_HEADERDATA, CURLOPT_READDATA})
      curl_easy_setopt(curl, option, &dialogue_);
    curl_easy_setopt(curl, CURLOPT_MAIL_RCPT, recipients.get());
    curl_easy_setopt(curl, CURLOPT_INFILESIZE_LARGE, static_cast<curl_off_t>(message.size()));
    curl_easy_setopt(curl, CURLOPT_FORBID_REUSE, last ? 1L : 0L);
    const CURLcode code = transfer_.run();
    logged_in_ = code == CURLE_OK && dialogue_.logged_in;
    return judge(dialogue_, code);
  }

  [[nodiscard]] bool broken() const { return broken_; }
  [[nodiscard]] bool is_over() const { return transfer_.is_over(); }
  [[nodiscard]] std::string place() const { return fmt::format("{}:{}", host(), server_.port); }

 private:
  [[nodiscard]] std::string host() const { return one_line(server_.host, 100); }

  [[nodiscard]] std::string shown(std::string_view text, bool cut = false) const {
    return one_line(secrets_.struck_out(text, cut), kMostWords);
  }

  Sent judge(const Dialogue& dialogue, CURLcode code) {
    const unsigned reply = dialogue.reply.code();
    const std::string words = shown(dialogue.reply.text(), dialogue.reply.cut());
    const SmtpStage stage = dialogue.stage;
    const Delivery delivery = meaning_of(stage, reply);
    if (delivery == Delivery::sent) return {delivery, fmt::format("{} took it: {}", place(), words)};
    if (delivery == Delivery::refused) {
      const char* const what = stage == SmtpStage::mail        ? "the sender"
                               : stage == SmtpStage::recipient ? "the recipient"
                                                               : "the mail";
      return {delivery, fmt::format("{} refuses {}: {}; see {} in [mail]", place(), what, words,
                                    stage == SmtpStage::mail        ? "from"
                                    : stage == SmtpStage::recipient ? "to"
                                                                    : "from, to and user")};
    }
    const bool of_the_mail = stage >= SmtpStage::mail && stage <= SmtpStage::body;
    if (of_the_mail && reply / 100 == 4 && reply != 421) {
      return {delivery, fmt::format("{} does not take it now: {}", place(), words)};
    }
    broken_ = true;
    Sent sent{delivery, fmt::format("{}: {}", place(), trouble(dialogue, code, words))};
    sent.perhaps = stage == SmtpStage::body && reply < 400;
    if (sent.perhaps) sent.said += "; the mail may have arrived, it was given completely";
    return sent;
  }

  // Why the server as a whole is of no use at present.
  [[nodiscard]] std::string trouble(const Dialogue& dialogue, CURLcode code, const std::string& words) const {
    const unsigned reply = dialogue.reply.code();
    const SmtpStage stage = dialogue.stage;
    if (asks_for_login(reply) || code == CURLE_LOGIN_DENIED || (stage == SmtpStage::login && reply >= 400))
      return login_trouble(dialogue, words);
    if (reply >= 400) return fmt::format("it does not serve us now, {}: {}", where(stage), words);
    if (code == CURLE_USE_SSL_FAILED)
      return fmt::format("it does not offer STARTTLS, without which nothing is sent; see port and security in [mail]");
    // Debian's libcurl 7.88 has a bound of its own on what it reads as headers, with no code of its own
    if (transfer_.too_much() || code == CURLE_WRITE_ERROR || transfer_.error(code).starts_with("Too large"))
      return fmt::format("it says more than any mail server, {}; see server and port in [mail]", where(stage));
    if (code == CURLE_OPERATION_TIMEDOUT || code == CURLE_ABORTED_BY_CALLBACK) return late(stage, words);
    const std::string below = shown(transfer_.error(code));
    if (code == CURLE_COULDNT_RESOLVE_HOST || code == CURLE_COULDNT_CONNECT || code == CURLE_PEER_FAILED_VERIFICATION ||
        code == CURLE_SSL_CACERT_BADFILE || code == CURLE_SSL_CONNECT_ERROR)
      return explain_failure(code, below, "[mail]");
    if (reply != 0 || !words.empty())
      return fmt::format("it answers without sense, {}: {}; see server and port in [mail]", where(stage), words);
    return fmt::format("it ended the connection, {} ({})", where(stage), below);
  }

  [[nodiscard]] std::string login_trouble(const Dialogue& dialogue, const std::string& words) const {
    if (server_.user.empty()) return fmt::format("it wants a login: {}; set user and password_file in [mail]", words);
    const std::string user = shown(server_.user);
    if (dialogue.stage != SmtpStage::login && !dialogue.logged_in)
      return fmt::format(
          "it offers {} no way to log in that is used here (PLAIN, LOGIN): {}; see port and security in "
          "[mail]",
          user, words);
    return fmt::format("it refuses the login of {}: {}; see user and password_file in [mail]", user, words);
  }

  [[nodiscard]] std::string late(SmtpStage stage, const std::string& words) const {
    const std::string last = words.empty() ? std::string() : fmt::format(" (its last words: {})", words);
    return fmt::format("no answer in time, {}{}; see server and port in [mail]", where(stage), last);
  }

  static std::string_view where(SmtpStage stage) {
    switch (stage) {
      case SmtpStage::greeting:
        return "before its greeting";
      case SmtpStage::hello:
        return "at EHLO";
      case SmtpStage::starttls:
        return "at STARTTLS";
      case SmtpStage::login:
        return "at the login";
      case SmtpStage::mail:
        return "at MAIL FROM";
      case SmtpStage::recipient:
        return "at RCPT TO";
      case SmtpStage::data:
        return "at DATA";
      case SmtpStage::body:
        return "after the mail";
      case SmtpStage::quit:
        return "at QUIT";
    }
    return "";
  }

  const MailServer& server_;
  Secrets secrets_;
  Dialogue dialogue_;  // before transfer_, which may still tell of its end
  Transfer transfer_;
  bool logged_in_ = false;
  bool broken_ = false;
};

}  // namespace

std::vector<Sent> send_mail(const MailServer& server, std::string_view from, const std::vector<std::string>& to,
                            std::string_view message) {
  const auto all = [&](const Sent& sent) { return std::vector<Sent>(to.size(), sent); };
  if (!is_mail_address(from))
    return all({Delivery::refused, fmt::format("\"{}\" is no mail address; see from in [mail]", one_line(from, 100))});
  if (!has_whole_line_ends(message)) return all({Delivery::refused, "the mail has broken line ends; this is a bug"});
  Session session(server);
  if (const std::string why = session.hindrance(); !why.empty()) return all({Delivery::later, why});
  session.prepare(from);

  std::vector<Sent> result;
  Sent broken;
  const auto last = std::find_if(to.rbegin(), to.rend(), is_mail_address).base();  // one behind it
  for (auto one = to.begin(); one != to.end(); ++one) {
    if (!is_mail_address(*one)) {
      result.push_back(
          {Delivery::refused, fmt::format("\"{}\" is no mail address; see to in [mail]", one_line(*one, 100))});
    } else if (session.broken()) {
      result.push_back(broken);
    } else if (session.is_over() && one != to.begin()) {
      result.push_back({Delivery::later, fmt::format("{}: no time was left for this recipient", session.place())});
    } else {
      result.push_back(session.give(*one, message, one + 1 == last));
      broken = {result.back().delivery, result.back().said};
    }
  }
  return result;
}

}  // namespace tipstaff
