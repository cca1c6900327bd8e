// See transfer.h. Signals: with NOSIGNAL libcurl neither sets nor ignores any; what it writes to sockets it writes with
// MSG_NOSIGNAL. TCP_INFO counts what was read of a connection, whatever it was: libcurl tells of whole lines alone, and
// a server can send one without end.
#include "mail/send/transfer.h"

#include <fmt/format.h>
#include <linux/tcp.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>

namespace tipstaff {
namespace {

// Once for the process, whichever thread comes first; libcurl is never taken down, since others may use it at the end.
bool started() {
  static const bool good = curl_global_init(CURL_GLOBAL_DEFAULT) == CURLE_OK;
  return good;
}

template <class Value>
void set(CURL* handle, CURLoption option, Value value) {
  curl_easy_setopt(handle, option, value);
}

}  // namespace

Transfer::Transfer(std::chrono::milliseconds connect, std::chrono::milliseconds total)
    : handle_(started() ? curl_easy_init() : nullptr),
      connect_(std::max(connect, std::chrono::milliseconds(1))),
      deadline_(Clock::now() + total) {
  if (handle_ == nullptr) return;
  set(handle_, CURLOPT_NOSIGNAL, 1L);
  set(handle_, CURLOPT_QUICK_EXIT, 1L);  // a resolver that hangs is not waited for at the end
  set(handle_, CURLOPT_PROXY, "");       // nor is the environment's asked
  set(handle_, CURLOPT_NETRC, static_cast<long>(CURL_NETRC_IGNORED));
  set(handle_, CURLOPT_FOLLOWLOCATION, 0L);
  set(handle_, CURLOPT_SSL_VERIFYPEER, 1L);
  set(handle_, CURLOPT_SSL_VERIFYHOST, 2L);
  set(handle_, CURLOPT_SSLVERSION, static_cast<long>(CURL_SSLVERSION_TLSv1_2));
  set(handle_, CURLOPT_ERRORBUFFER, words_);
  set(handle_, CURLOPT_OPENSOCKETFUNCTION, &Transfer::open);
  set(handle_, CURLOPT_OPENSOCKETDATA, this);
  set(handle_, CURLOPT_CLOSESOCKETFUNCTION, &Transfer::close);
  set(handle_, CURLOPT_CLOSESOCKETDATA, this);
  set(handle_, CURLOPT_XFERINFOFUNCTION, &Transfer::progress);
  set(handle_, CURLOPT_XFERINFODATA, this);
  set(handle_, CURLOPT_NOPROGRESS, 0L);
}

Transfer::~Transfer() {
  if (handle_ == nullptr) return;
  // A connection that is still open would be taken leave of politely, with a clock of libcurl's own.
  if (socket_ != CURL_SOCKET_BAD) ::shutdown(socket_, SHUT_RDWR);
  curl_easy_cleanup(handle_);
}

void Transfer::allow(const char* protocols, const std::string& ca_file) {
  set(handle_, CURLOPT_PROTOCOLS_STR, protocols);
  set(handle_, CURLOPT_REDIR_PROTOCOLS_STR, "https");
  if (ca_file.empty()) return;
  set(handle_, CURLOPT_CAINFO, ca_file.c_str());
  set(handle_, CURLOPT_CAPATH, nullptr);  // else the system's would be trusted beside it
}

std::chrono::milliseconds Transfer::left() const {
  const auto rest = std::chrono::ceil<std::chrono::milliseconds>(deadline_ - Clock::now());
  return std::max(rest, std::chrono::milliseconds(1));  // 0 would be no timeout at all
}

void Transfer::hurry(std::chrono::milliseconds left) { deadline_ = std::min(deadline_, Clock::now() + left); }

CURLcode Transfer::run() {
  words_[0] = '\0';
  const auto rest = left();
  set(handle_, CURLOPT_TIMEOUT_MS, static_cast<long>(rest.count()));
  set(handle_, CURLOPT_CONNECTTIMEOUT_MS, static_cast<long>(std::min(rest, connect_).count()));
  set(handle_, CURLOPT_SERVER_RESPONSE_TIMEOUT,
      static_cast<long>(std::chrono::ceil<std::chrono::seconds>(rest).count()));
  return curl_easy_perform(handle_);
}

std::string Transfer::error(CURLcode code) const { return words_[0] == '\0' ? curl_easy_strerror(code) : words_; }

curl_socket_t Transfer::open(void* self, curlsocktype, curl_sockaddr* address) {
  auto& transfer = *static_cast<Transfer*>(self);
  transfer.socket_ = ::socket(address->family, address->socktype | SOCK_CLOEXEC, address->protocol);
  return transfer.socket_;
}

int Transfer::close(void* self, curl_socket_t socket) {
  auto& transfer = *static_cast<Transfer*>(self);
  if (transfer.socket_ == socket) transfer.socket_ = CURL_SOCKET_BAD;
  return ::close(socket);
}

int Transfer::progress(void* self, curl_off_t, curl_off_t, curl_off_t, curl_off_t) {
  auto& transfer = *static_cast<Transfer*>(self);
  if (transfer.socket_ != CURL_SOCKET_BAD) {
    tcp_info info{};
    socklen_t size = sizeof(info);
    if (::getsockopt(transfer.socket_, IPPROTO_TCP, TCP_INFO, &info, &size) == 0 &&
        info.tcpi_bytes_received > kMostRead) {
      transfer.too_much_ = true;
    }
  }
  return transfer.too_much_ || transfer.is_over() ? 1 : 0;
}

std::string explain_failure(CURLcode code, const std::string& words, std::string_view table) {
  switch (code) {
    case CURLE_COULDNT_RESOLVE_HOST:
      return fmt::format("its name cannot be resolved: {}; see the name in {} and this machine's DNS", words, table);
    case CURLE_COULDNT_CONNECT:
      return fmt::format("it cannot be reached: {}; see name and port in {}, and whether a firewall stands between",
                         words, table);
    case CURLE_PEER_FAILED_VERIFICATION:
      return fmt::format(
          "its certificate is not trusted: {}; use the name that the certificate has, or set ca_file in "
          "{} to its authority's certificate",
          words, table);
    case CURLE_SSL_CACERT_BADFILE:
      return fmt::format("the file of authorities cannot be used: {}; see ca_file in {}", words, table);
    case CURLE_SSL_CONNECT_ERROR:
      return fmt::format("TLS failed: {}; see whether {} names a port that speaks TLS", words, table);
    default:
      return words;
  }
}

}  // namespace tipstaff
