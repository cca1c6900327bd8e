#include "tests/mail/server_stream.h"

#include <arpa/inet.h>
#include <fcntl.h>
#include <gtest/gtest.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <openssl/err.h>
#include <poll.h>
#include <signal.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <utility>

namespace tipstaff {
namespace {

constexpr std::size_t kMostHeld = 64U << 20U;  // of what a client sends

int bound_socket(std::uint16_t& port) {
  const int made = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  socklen_t size = sizeof(address);
  EXPECT_EQ(::bind(made, reinterpret_cast<sockaddr*>(&address), size), 0);
  EXPECT_EQ(::getsockname(made, reinterpret_cast<sockaddr*>(&address), &size), 0);
  port = ntohs(address.sin_port);
  return made;
}

}  // namespace

ServerStream::ServerStream(int socket, int stop) : socket_(socket), stop_(stop) {
  ::fcntl(socket_, F_SETFL, O_NONBLOCK);
  const int yes = 1;
  ::setsockopt(socket_, IPPROTO_TCP, TCP_NODELAY, &yes, sizeof(yes));
}

ServerStream::~ServerStream() {
  ssl_.reset();
  if (socket_ >= 0) ::close(socket_);
}

bool ServerStream::wait(short events, std::chrono::milliseconds most) {
  std::array<pollfd, 2> all = {pollfd{stop_, POLLIN, 0}, pollfd{socket_, events, 0}};
  const int count = ::poll(all.data(), events == 0 ? 1 : 2, static_cast<int>(most.count()));
  return count >= 0 && all[0].revents == 0 && socket_ >= 0;
}

bool ServerStream::start_tls(const std::string& certificate, const std::string& key) {
  context_.reset(SSL_CTX_new(TLS_server_method()));
  if (SSL_CTX_use_certificate_chain_file(context_.get(), certificate.c_str()) != 1 ||
      SSL_CTX_use_PrivateKey_file(context_.get(), key.c_str(), SSL_FILETYPE_PEM) != 1) {
    ADD_FAILURE() << "no certificate at " << certificate;
    return false;
  }
  std::unique_ptr<SSL, SslEnd> ssl(SSL_new(context_.get()));
  SSL_set_fd(ssl.get(), socket_);
  while (true) {
    ERR_clear_error();
    const int done = SSL_accept(ssl.get());
    if (done == 1) break;
    const int why = SSL_get_error(ssl.get(), done);
    if (why != SSL_ERROR_WANT_READ && why != SSL_ERROR_WANT_WRITE) return false;
    if (!wait(why == SSL_ERROR_WANT_READ ? POLLIN : POLLOUT)) return false;
  }
  come_.clear();  // what was said in plain text counts no more
  ssl_ = std::move(ssl);
  return true;
}

bool ServerStream::write(std::string_view bytes) {
  while (!bytes.empty()) {
    if (socket_ < 0) return false;
    ERR_clear_error();
    const auto size = ssl_ ? SSL_write(ssl_.get(), bytes.data(), static_cast<int>(bytes.size()))
                           : ::send(socket_, bytes.data(), bytes.size(), MSG_NOSIGNAL);
    if (size > 0) {
      bytes.remove_prefix(static_cast<std::size_t>(size));
      continue;
    }
    const int why = ssl_ ? SSL_get_error(ssl_.get(), static_cast<int>(size)) : 0;
    const bool again = ssl_ ? why == SSL_ERROR_WANT_WRITE || why == SSL_ERROR_WANT_READ : errno == EAGAIN;
    if (!again || !wait(why == SSL_ERROR_WANT_READ ? POLLIN : POLLOUT)) return false;
  }
  return true;
}

bool ServerStream::write_slowly(std::string_view bytes, std::chrono::milliseconds pause) {
  for (std::size_t i = 0; i < bytes.size(); ++i) {
    if (!write(bytes.substr(i, 1)) || !wait(0, pause)) return false;
  }
  return true;
}

bool ServerStream::read(std::string& to) {
  std::array<char, 16'384> block{};
  while (socket_ >= 0 && to.size() < kMostHeld) {
    ERR_clear_error();
    const auto size = ssl_ ? SSL_read(ssl_.get(), block.data(), static_cast<int>(block.size()))
                           : ::recv(socket_, block.data(), block.size(), 0);
    if (size > 0) {
      to.append(block.data(), static_cast<std::size_t>(size));
      return true;
    }
    const int why = ssl_ ? SSL_get_error(ssl_.get(), static_cast<int>(size)) : 0;
    const bool again = ssl_ ? why == SSL_ERROR_WANT_WRITE || why == SSL_ERROR_WANT_READ : size < 0 && errno == EAGAIN;
    if (!again || !wait(why == SSL_ERROR_WANT_WRITE ? POLLOUT : POLLIN)) return false;
  }
  return false;
}

bool ServerStream::line(std::string& to) {
  std::size_t from = 0;
  while (true) {
    if (const std::size_t end = come_.find('\n', from); end != std::string::npos) {
      to = come_.substr(0, end + 1);
      come_.erase(0, end + 1);
      return true;
    }
    from = come_.size();
    if (!read(come_)) return false;
  }
}

bool ServerStream::bytes(std::string& to, std::size_t count) {
  while (come_.size() < count) {
    if (!read(come_)) return false;
  }
  to = come_.substr(0, count);
  come_.erase(0, count);
  return true;
}

void ServerStream::hang() {
  std::string ignored;
  while (read(ignored)) ignored.clear();
}

void ServerStream::drop() {
  const linger at_once{1, 0};
  ::setsockopt(socket_, SOL_SOCKET, SO_LINGER, &at_once, sizeof(at_once));
  finish();
}

void ServerStream::finish() {
  ssl_.reset();
  ::close(socket_);
  socket_ = -1;
}

StreamServer::StreamServer(std::function<void(ServerStream&)> serve)
    : serve_(std::move(serve)), socket_(bound_socket(port_)), stop_(::eventfd(0, EFD_CLOEXEC)) {
  EXPECT_EQ(::listen(socket_, 64), 0);
  listener_ = std::thread([this] { listen(); });
}

StreamServer::~StreamServer() {
  EXPECT_EQ(::eventfd_write(stop_, 1), 0);
  listener_.join();
  for (std::thread& thread : threads_) thread.join();
  ::close(socket_);
  ::close(stop_);
}

void StreamServer::listen() {
  // OpenSSL writes with write(2)
  sigset_t pipe;
  sigemptyset(&pipe);
  sigaddset(&pipe, SIGPIPE);
  pthread_sigmask(SIG_BLOCK, &pipe, nullptr);
  while (true) {
    std::array<pollfd, 2> all = {pollfd{stop_, POLLIN, 0}, pollfd{socket_, POLLIN, 0}};
    if (::poll(all.data(), all.size(), -1) < 0 || all[0].revents != 0) return;
    const int come = ::accept4(socket_, nullptr, nullptr, SOCK_CLOEXEC);
    if (come < 0) continue;
    ++connections_;
    threads_.emplace_back([this, come] {  // which inherits the mask
      ServerStream stream(come, stop_);
      serve_(stream);
    });
  }
}

std::uint16_t closed_port() {
  std::uint16_t port = 0;
  ::close(bound_socket(port));
  return port;
}

}  // namespace tipstaff
