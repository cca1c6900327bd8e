// One sender's connection to the syslog receiver, plain or TLS. It reads a block, hands out the messages in it and only
// then reads on, so a sender that is faster than we are fills its own buffers, not ours. For the receiver alone: this is
// one of the few headers with Asio in it.
#pragma once

#include <array>
#include <boost/asio/generic/stream_protocol.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/ssl/context.hpp>
#include <boost/asio/ssl/stream.hpp>
#include <boost/asio/steady_timer.hpp>
#include <chrono>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "base/result.h"
#include "sources/syslog_framing.h"
#include "sources/syslog_options.h"

namespace tipstaff {

/// What a server with this certificate needs to know. Errors: denied, invalid, with the file and what to do.
[[nodiscard]] Result<std::unique_ptr<boost::asio::ssl::context>> make_tls_context(const SyslogOptions& options);

/// Why a connection ended.
enum class SyslogEnd : std::uint8_t { closed, framing, idle, handshake_late, handshake_failed };

class SyslogConnection;

/// What connections report to.
class SyslogHub {
 public:
  virtual ~SyslogHub() = default;
  [[nodiscard]] virtual bool paused() const = 0;
  virtual void take(const SyslogMessage& message) = 0;
  /// The last call; `detail` says what TLS found wrong.
  virtual void ended(SyslogConnection& connection, SyslogEnd why, const std::string& detail) = 0;
};

class SyslogConnection : public std::enable_shared_from_this<SyslogConnection> {
 public:
  using Socket = boost::asio::generic::stream_protocol::socket;

  /// `tls`: nullptr for plain connections. Hub, options and context must outlive it or close() it.
  SyslogConnection(Socket socket, boost::asio::ssl::context* tls, const SyslogOptions& options, SyslogHub& hub);
  SyslogConnection(const SyslogConnection&) = delete;
  SyslogConnection& operator=(const SyslogConnection&) = delete;
  ~SyslogConnection() = default;

  /// Begins, and with it the life on the loop: pending work holds a pointer to this.
  void start();
  /// The pause is over.
  void go_on();
  /// The hub is called no more.
  void close();

 private:
  void read();
  void arrived(boost::system::error_code error, std::size_t size);
  void shake_hands();
  void wait(std::chrono::milliseconds time);
  void time_is_up();
  void end(SyslogEnd why, const std::string& detail = {});

  const SyslogOptions* options_;
  SyslogHub* hub_;  // nullptr after close()
  Socket socket_;
  std::optional<boost::asio::ssl::stream<Socket&>> tls_;
  boost::asio::steady_timer timer_;
  std::chrono::steady_clock::time_point last_;
  SyslogFraming framing_;
  std::string_view pending_;  // of buffer_, not handed out yet
  bool shaken_ = false;       // the handshake is over, or there is none
  bool reading_ = false;
  bool over_ = false;  // nothing more comes
  std::array<char, 8192> buffer_;
};

}  // namespace tipstaff
