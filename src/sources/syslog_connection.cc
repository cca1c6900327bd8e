#include "sources/syslog_connection.h"

#include <fmt/format.h>
#include <openssl/err.h>
#include <openssl/ssl.h>

#include <boost/asio/buffer.hpp>
#include <cerrno>
#include <cstring>
#include <utility>

namespace tipstaff {
namespace {

namespace asio = boost::asio;
namespace ssl = boost::asio::ssl;
using boost::system::error_code;

Error wrong_file(const char* what, const std::string& path, const error_code& error) {
  if (path.empty()) return {ErrorKind::invalid, fmt::format("a tls: listener needs {}; name its PEM file", what), ""};
  if (::access(path.c_str(), R_OK) != 0) {
    return {errno == EACCES ? ErrorKind::denied : ErrorKind::not_found,
            fmt::format("{} cannot be read ({}); it has to be {} in PEM form, readable for the user the guard runs as",
                        path, std::strerror(errno), what),
            ""};
  }
  return {ErrorKind::invalid,
          fmt::format("{} cannot be used as {} ({}); it has to be in PEM form, and a key without a password", path,
                      what, error.message()),
          ""};
}

}  // namespace

Result<std::unique_ptr<ssl::context>> make_tls_context(const SyslogOptions& options) {
  auto context = std::make_unique<ssl::context>(ssl::context::tls_server);
  SSL_CTX* const native = context->native_handle();
  SSL_CTX_set_min_proto_version(native, TLS1_2_VERSION);  // RFC 9662 3
  SSL_CTX_set_options(native, SSL_OP_NO_COMPRESSION | SSL_OP_NO_RENEGOTIATION | SSL_OP_NO_TICKET);
  SSL_CTX_set_session_cache_mode(native, SSL_SESS_CACHE_OFF);
  // Senders do not read: a ticket left in their buffer would make their closing a reset, which costs what was on its way.
  SSL_CTX_set_num_tickets(native, 0);
  SSL_CTX_set_mode(native, SSL_MODE_RELEASE_BUFFERS);  // a silent connection costs 30 KiB less
  error_code error;
  // without it OpenSSL would ask for the password at the terminal
  context->set_password_callback([](std::size_t, ssl::context::password_purpose) { return std::string(); }, error);
  context->use_certificate_chain_file(options.certificate, error);
  if (error) return std::unexpected(wrong_file("the server's certificate", options.certificate, error));
  context->use_private_key_file(options.key, ssl::context::pem, error);
  if (error) return std::unexpected(wrong_file("the private key of its certificate", options.key, error));
  if (!options.client_ca.empty()) {
    context->load_verify_file(options.client_ca, error);
    if (error) return std::unexpected(wrong_file("the certificate of the senders' CA", options.client_ca, error));
    context->set_verify_mode(ssl::verify_peer | ssl::verify_fail_if_no_peer_cert, error);
  }
  return context;
}

SyslogConnection::SyslogConnection(Socket socket, ssl::context* tls, const SyslogOptions& options, SyslogHub& hub)
    : options_(&options),
      hub_(&hub),
      socket_(std::move(socket)),
      timer_(socket_.get_executor()),
      framing_(options.transport == SyslogTransport::unix_stream) {
  if (tls != nullptr) tls_.emplace(socket_, *tls);
}

void SyslogConnection::start() {
  if (tls_) {
    wait(options_->handshake);
    shake_hands();
    return;
  }
  shaken_ = true;
  wait(options_->idle);
  read();
}

void SyslogConnection::shake_hands() {
  tls_->async_handshake(ssl::stream_base::server, [self = shared_from_this()](error_code error) {
    if (self->hub_ == nullptr) return;
    if (error) return self->end(SyslogEnd::handshake_failed, error.message());
    self->shaken_ = true;
    self->wait(self->options_->idle);
    self->read();
  });
}

void SyslogConnection::wait(std::chrono::milliseconds time) {
  last_ = std::chrono::steady_clock::now();
  timer_.expires_after(time);
  timer_.async_wait([self = shared_from_this()](error_code error) {
    if (!error && self->hub_ != nullptr) self->time_is_up();
  });
}

void SyslogConnection::time_is_up() {
  if (!shaken_) return end(SyslogEnd::handshake_late);
  const auto due = last_ + options_->idle;
  if (hub_->paused()) return wait(options_->idle);  // it may well be us who are silent
  if (std::chrono::steady_clock::now() >= due) return end(SyslogEnd::idle);
  timer_.expires_at(due);
  timer_.async_wait([self = shared_from_this()](error_code error) {
    if (!error && self->hub_ != nullptr) self->time_is_up();
  });
}

void SyslogConnection::read() {
  reading_ = true;
  auto done = [self = shared_from_this()](error_code error, std::size_t size) { self->arrived(error, size); };
  if (tls_) {
    tls_->async_read_some(asio::buffer(buffer_), std::move(done));
  } else {
    socket_.async_read_some(asio::buffer(buffer_), std::move(done));
  }
}

void SyslogConnection::arrived(error_code error, std::size_t size) {
  if (hub_ == nullptr) return;
  reading_ = false;
  last_ = std::chrono::steady_clock::now();
  pending_ = {buffer_.data(), size};
  over_ = error.failed();
  go_on();
}

void SyslogConnection::go_on() {
  if (!shaken_ || reading_) return;
  while (!hub_->paused()) {
    const auto message = framing_.next(pending_);
    if (!message) break;
    hub_->take(*message);
  }
  if (hub_->paused()) return;
  if (framing_.broken()) return end(SyslogEnd::framing);
  if (!over_) return read();
  if (const auto rest = framing_.finish()) hub_->take(*rest);
  end(SyslogEnd::closed);
}

void SyslogConnection::close() {
  hub_ = nullptr;
  timer_.cancel();
  error_code ignored;
  socket_.close(ignored);
}

void SyslogConnection::end(SyslogEnd why, const std::string& detail) {
  SyslogHub& hub = *hub_;
  const auto self = shared_from_this();
  close();
  hub.ended(*this, why, detail);
}

}  // namespace tipstaff
