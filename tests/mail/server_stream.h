// The server's end of a connection for the tests' own servers: plain or TLS, each read and write ended by stop(), so that a
// server can be told to hang and yet be taken down at once. Ports are the kernel's choice, on 127.0.0.1.
#pragma once

#include <openssl/ssl.h>

#include <atomic>
#include <chrono>
#include <cstdint>
#include <functional>
#include <memory>
#include <mutex>
#include <string>
#include <string_view>
#include <thread>
#include <vector>

namespace tipstaff {

/// One connection. Every call may be made on its thread alone. What cannot be done any more returns false.
class ServerStream {
 public:
  /// Takes the socket over; `stop` is readable when everything is to end.
  ServerStream(int socket, int stop);
  ~ServerStream();
  ServerStream(const ServerStream&) = delete;
  ServerStream& operator=(const ServerStream&) = delete;

  /// Handshake with a certificate and key (PEM files).
  bool start_tls(const std::string& certificate, const std::string& key);
  [[nodiscard]] bool is_tls() const { return ssl_ != nullptr; }
  bool write(std::string_view bytes);
  /// Byte by byte with a pause after each.
  bool write_slowly(std::string_view bytes, std::chrono::milliseconds pause);
  /// Appends what has come to `to`.
  bool read(std::string& to);
  /// A line with its end, from what came already or comes; false: the end came first.
  bool line(std::string& to);
  /// Exactly so many bytes.
  bool bytes(std::string& to, std::size_t count);
  /// Reads and throws away until the peer is gone, or everything ends.
  void hang();
  /// Ends the connection with a reset where the kernel knows how.
  void drop();
  /// Ends the connection as one does.
  void finish();

 private:
  bool wait(short events, std::chrono::milliseconds most = std::chrono::milliseconds(-1));

  struct SslEnd {
    void operator()(SSL* ssl) const { SSL_free(ssl); }
    void operator()(SSL_CTX* context) const { SSL_CTX_free(context); }
  };
  int socket_;
  int stop_;
  std::string come_;
  std::unique_ptr<SSL_CTX, SslEnd> context_;
  std::unique_ptr<SSL, SslEnd> ssl_;
};

/// Listens and serves each connection on a thread of its own.
class StreamServer {
 public:
  explicit StreamServer(std::function<void(ServerStream&)> serve);
  /// Ends everything that goes on.
  ~StreamServer();
  StreamServer(const StreamServer&) = delete;
  StreamServer& operator=(const StreamServer&) = delete;

  [[nodiscard]] std::uint16_t port() const { return port_; }
  [[nodiscard]] std::size_t connections() const { return connections_; }

 private:
  void listen();

  std::function<void(ServerStream&)> serve_;
  std::uint16_t port_ = 0;  // before socket_, which finds it out
  int socket_;
  int stop_;
  std::atomic<std::size_t> connections_ = 0;
  std::vector<std::thread> threads_;  // of the listener alone, until it has ended
  std::thread listener_;
};

/// A port of 127.0.0.1 on which nobody listens.
[[nodiscard]] std::uint16_t closed_port();

}  // namespace tipstaff
