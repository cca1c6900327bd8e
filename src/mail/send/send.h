// Gives mails to a mail server and events to a web server, and says what became of them in words an administrator can
// act on. It knows no queue: whoever calls keeps what is to be tried again. Servers are not trusted: whatever they do,
// a call ends at its total timeout, keeps a bounded part of what they said, and shows them the password over TLS alone
// (or on this machine). libcurl does the talking and is seen by this folder alone. Calls may run on several threads.
#pragma once

#include <chrono>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace tipstaff {

enum class Delivery : std::uint8_t {
  sent,     ///< the server took it over
  later,    ///< not now: try again, and say `said` to the administrator
  refused,  ///< never in this form: trying again is of no use
};

/// What became of one mail to one recipient, or of one event.
struct Sent {
  Delivery delivery = Delivery::later;
  /// One line: what happened, the server's last words, what to do. Printable, at most kMostSaid bytes, no password.
  std::string said;
  /// `later`, but all of it was given and only the answer is missing: it may have arrived. The same Message-ID must be
  /// used again, so that a receiver can tell.
  bool perhaps = false;
  bool operator==(const Sent&) const = default;
};
inline constexpr std::size_t kMostSaid = 500;

/// Where mails are given to.
struct MailServer {
  enum class Security : std::uint8_t {
    none,      ///< plain; a password is then sent to this machine's own server alone
    starttls,  ///< plain at first, then TLS, or nothing is sent
    tls,       ///< TLS from the first byte
  };
  std::string host;  ///< name, IPv4 or IPv6 address
  std::uint16_t port = 587;
  Security security = Security::starttls;
  std::string user;      ///< empty: no authentication
  std::string password;  ///< given by AUTH PLAIN or LOGIN
  std::string ca_file;   ///< PEM file with the only authorities that are trusted; empty: the system's
  std::string helo;      ///< name of this machine for EHLO; empty: localhost
  std::chrono::milliseconds connect_timeout = std::chrono::seconds(20);
  std::chrono::milliseconds total_timeout = std::chrono::minutes(2);  ///< of a call, for all recipients
};

/// Gives the mail (as compose() made it) to each recipient in a transaction of its own, over one connection where that
/// holds: the result has one entry for each of `to`, in that order, so that what one server took for one recipient is
/// never given again because of another. Addresses are bare ones; a wrong one is `refused`. Where the server as a whole
/// fails, the recipients not yet tried are `later` with the same words.
///   refused: 5xx to MAIL, RCPT, DATA or the mail itself, but for those that ask for authentication (530, 534, 535, 538)
///   later: everything else, 4xx, timeouts, TLS, authentication and answers without sense among it
[[nodiscard]] std::vector<Sent> send_mail(const MailServer& server, std::string_view from,
                                          const std::vector<std::string>& to, std::string_view message);

/// Where events are posted to.
struct Webhook {
  std::string url;      ///< https://; http:// only to this machine, unless allow_plain. Never shown: it may be secret
  std::string ca_file;  ///< as in MailServer
  std::string bearer_token;  ///< empty: none
  bool allow_plain = false;  ///< http:// to other machines too
  std::chrono::milliseconds connect_timeout = std::chrono::seconds(10);
  std::chrono::milliseconds total_timeout = std::chrono::seconds(30);
};

/// Posts it as application/json. Redirections are not followed.
///   sent: 2xx; refused: 400, 413, 414, 415, 422, 431 (the event itself is not wanted); later: everything else
[[nodiscard]] Sent post_webhook(const Webhook& webhook, std::string_view json);

}  // namespace tipstaff
