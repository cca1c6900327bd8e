// The texts are OpenSSH's own, as it writes them since version 7. Each kind of connection is one branch of a switch.
#include "tests/guard/session.h"

#include <fmt/format.h>

namespace tipstaff {
namespace {

constexpr const char* kPam = "pam_unix(sshd:auth): authentication failure; logname= uid=0 euid=0 tty=ssh ruser= rhost=";

std::string some_address(std::mt19937_64& random) {
  const auto host = random() % 250 + 1;
  switch (random() % 4) {
    case 0:
      return fmt::format("192.0.2.{}", host);
    case 1:
      return fmt::format("198.51.100.{}", host);
    case 2:
      return fmt::format("203.0.113.{}", host);
    default:
      return fmt::format("2001:db8::{:x}", host);
  }
}

}  // namespace

Session make_session(std::uint32_t n, std::mt19937_64& random) {
  Session session{.number = 1000 + n,
                  .address = some_address(random),
                  .port = static_cast<std::uint16_t>(1024 + n % 64'000),
                  .messages = {},
                  .tries = {}};
  const std::string account = fmt::format("u{}", n);
  const std::string peer = fmt::format("{} port {}", session.address, session.port);
  const std::string failed = fmt::format("Failed password for {} from {} ssh2", account, peer);
  const std::string accepted = fmt::format("Accepted password for {} from {} ssh2", account, peer);
  const std::string pam = fmt::format("{}{}  user={}", kPam, session.address, account);
  const std::string closed = fmt::format("Connection closed by authenticating user {} {} [preauth]", account, peer);
  const auto tell = [&](std::size_t line, const char* outcome, std::uint32_t count = 1) {
    session.tries.push_back({line, outcome, account, count});
  };
  switch (random() % 9) {
    case 0:  // a name that does not exist
    case 1:
      session.messages = {fmt::format("Invalid user {} from {}", account, peer),
                          "pam_unix(sshd:auth): check pass; user unknown", kPam + session.address,
                          fmt::format("Failed password for invalid user {} from {} ssh2", account, peer),
                          fmt::format("Connection closed by invalid user {} {} [preauth]", account, peer)};
      tell(0, "failure");
      break;
    case 2:  // tried a name and left
      session.messages = {fmt::format("Invalid user {} from {}", account, peer),
                          fmt::format("Connection closed by invalid user {} {} [preauth]", account, peer)};
      tell(0, "failure");
      break;
    case 3:  // twice the wrong password
      session.messages = {pam, failed, failed, closed};
      tell(0, "failure");
      tell(2, "failure");
      break;
    case 4:  // three times, told in short
      session.messages = {failed, fmt::format("message repeated 2 times: [ {}]", failed), closed};
      tell(0, "failure");
      tell(1, "failure", 2);
      break;
    case 5:  // by key
      session.messages = {
          fmt::format("Accepted publickey for {} from {} ssh2: ED25519 SHA256:Zm9yZXhhbXBsZQ", account, peer),
          fmt::format("pam_unix(sshd:session): session opened for user {}(uid=1000) by (uid=0)", account),
          fmt::format("Received disconnect from {}:11: disconnected by user", peer),
          fmt::format("Disconnected from user {} {}", account, peer)};
      tell(0, "success");
      break;
    case 6:  // at the second go
      session.messages = {
          pam, failed, accepted,
          fmt::format("pam_unix(sshd:session): session opened for user {}(uid=1000) by (uid=0)", account)};
      tell(0, "failure");
      tell(2, "success");
      break;
    case 7:  // PAM's failure is taken back: another of its modules let the user in
      session.messages = {pam, accepted};
      tell(1, "success");
      break;
    default:  // somebody looks who is there
      session.messages = {fmt::format("Did not receive identification string from {}", peer)};
      session.tries.push_back({0, "probe", "", 1});
      break;
  }
  return session;
}

}  // namespace tipstaff
