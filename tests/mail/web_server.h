// A small real web server on 127.0.0.1, plain or TLS, that keeps what was posted to it and gives the answer it is told, as
// bytes, or none.
#pragma once

#include <mutex>
#include <string>
#include <vector>

#include "tests/mail/server_stream.h"

namespace tipstaff {

struct WebServerOptions {
  std::string certificate, key;  ///< PEM files; empty: plain
  /// Said as it is once a request has come whole.
  std::string answer = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok";
  std::string then_for_ever;          ///< said after it again and again, until the client leaves
  std::chrono::milliseconds pause{};  ///< after each byte of the answer
  bool silent = false;                ///< reads the request and says nothing
};

/// What came.
struct TakenPost {
  std::string head;  ///< request line and headers
  std::string body;
};

class WebServer {
 public:
  explicit WebServer(WebServerOptions options = {});

  [[nodiscard]] std::uint16_t port() const { return server_.port(); }
  [[nodiscard]] std::vector<TakenPost> posts() const;
  [[nodiscard]] std::size_t connections() const { return server_.connections(); }

 private:
  void serve(ServerStream& stream);

  WebServerOptions options_;
  mutable std::mutex mutex_;
  std::vector<TakenPost> posts_;
  StreamServer server_;  // the last: it ends before what it uses
};

}  // namespace tipstaff
