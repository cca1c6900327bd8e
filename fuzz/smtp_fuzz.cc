// The dialogue with a hostile mail server: all that it will ever say lies ready in a socket pair, whose other end libcurl
// takes for its connection, so nothing waits. Two recipients, with and without a login, by the first byte. Whatever is
// said, each recipient has one fate, in bounded printable words without the password.
#include <sys/socket.h>
#include <unistd.h>

#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <string>
#include <string_view>
#include <vector>

#include "base/text.h"
#include "mail/send/over.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace tipstaff;
  if (size == 0 || size > 60'000) return 0;
  const std::string_view said(reinterpret_cast<const char*>(data) + 1, size - 1);
  std::vector<int> ends;  // the server's, which take what we say
  const Dialer dial = [&] {
    int pair[2];
    if (ends.size() >= 2 || ::socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair) != 0) return -1;
    if (::send(pair[1], said.data(), said.size(), MSG_NOSIGNAL) != static_cast<ssize_t>(said.size())) std::abort();
    ::shutdown(pair[1], SHUT_WR);
    ends.push_back(pair[1]);
    return pair[0];
  };
  MailServer server;
  server.host = "127.0.0.1";
  server.port = 25;
  server.security = (data[0] & 2U) != 0 ? MailServer::Security::starttls : MailServer::Security::none;
  if ((data[0] & 1U) != 0) {
    server.user = "anna";
    server.password = "s3cret-w0rd";
  }
  server.total_timeout = std::chrono::seconds(2);
  const std::vector<std::string> to = {"a@example.com", "b@example.com"};
  const std::vector<Sent> all = send_mail_over(dial, server, "t@example.com", to, "Subject: x\r\n\r\n.\r\n");
  for (const int end : ends) ::close(end);
  if (all.size() != to.size()) std::abort();
  for (const Sent& one : all) {
    if (one.said.empty() || one.said.size() > kMostSaid || printable(one.said) != one.said) std::abort();
    if (!server.password.empty() && one.said.contains(server.password)) std::abort();
    if (one.perhaps && one.delivery != Delivery::later) std::abort();
  }
  return 0;
}
