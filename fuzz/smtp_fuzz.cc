// The dialogue with a hostile mail server on loopback, which says all that it will ever say at once and then ends its side,
// so nothing waits. Two recipients, with and without a login, by the first byte. Whatever is said, each recipient has one
// fate, in bounded printable words without the password.
#include <arpa/inet.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <string>
#include <string_view>
#include <thread>
#include <vector>

#include "base/text.h"
#include "mail/send/send.h"

namespace {

// Says the same to everybody who comes, until it is closed.
class Speaker {
 public:
  explicit Speaker(std::string_view said) : said_(said), socket_(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0)) {
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    socklen_t size = sizeof(address);
    auto* const at = reinterpret_cast<sockaddr*>(&address);
    if (::bind(socket_, at, size) != 0 || ::listen(socket_, 4) != 0 || ::getsockname(socket_, at, &size) != 0)
      std::abort();
    port_ = ntohs(address.sin_port);
    thread_ = std::thread([this] { speak(); });
  }
  ~Speaker() {
    ::shutdown(socket_, SHUT_RDWR);  // which ends accept()
    thread_.join();
    for (const int one : taken_) ::close(one);
    ::close(socket_);
  }
  Speaker(const Speaker&) = delete;
  Speaker& operator=(const Speaker&) = delete;
  [[nodiscard]] std::uint16_t port() const { return port_; }

 private:
  void speak() {
    for (int one = 0; (one = ::accept4(socket_, nullptr, nullptr, SOCK_CLOEXEC)) >= 0; taken_.push_back(one)) {
      (void)::send(one, said_.data(), said_.size(), MSG_NOSIGNAL | MSG_DONTWAIT);
      ::shutdown(one, SHUT_WR);
    }
  }

  std::string_view said_;
  int socket_;
  std::uint16_t port_ = 0;
  std::vector<int> taken_;
  std::thread thread_;
};

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace tipstaff;
  if (size == 0 || size > 60'000) return 0;
  const Speaker speaker({reinterpret_cast<const char*>(data) + 1, size - 1});
  MailServer server;
  server.host = "127.0.0.1";
  server.port = speaker.port();
  server.security = (data[0] & 2U) != 0 ? MailServer::Security::starttls : MailServer::Security::none;
  if ((data[0] & 1U) != 0) {
    server.user = "anna";
    server.password = "s3cret-w0rd";
  }
  server.total_timeout = std::chrono::seconds(2);
  const std::vector<std::string> to = {"a@example.com", "b@example.com"};
  const std::vector<Sent> all = send_mail(server, "t@example.com", to, "Subject: x\r\n\r\n.\r\n");
  if (all.size() != to.size()) std::abort();
  for (const Sent& one : all) {
    if (one.said.empty() || one.said.size() > kMostSaid || printable(one.said) != one.said) std::abort();
    if (!server.password.empty() && one.said.contains(server.password)) std::abort();
    if (one.perhaps && one.delivery != Delivery::later) std::abort();
  }
  return 0;
}
