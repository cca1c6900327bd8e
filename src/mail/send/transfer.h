// One libcurl handle with what holds for every transfer of ours: which protocols, no proxy, certificates checked, a
// deadline, a bound on what is read, no signals. libcurl's own timeouts do not cover everything (a server that is silent
// after QUIT is waited for by another clock), so the deadline is kept here as well.
#pragma once

#include <curl/curl.h>

#include <chrono>
#include <string>
#include <string_view>

namespace tipstaff {

class Transfer {
 public:
  using Clock = std::chrono::steady_clock;

  /// Bytes that are read of one connection; a transfer that brings more is ended.
  static constexpr std::size_t kMostRead = 1U << 20U;

  /// The deadline is counted from now.
  Transfer(std::chrono::milliseconds connect, std::chrono::milliseconds total);
  ~Transfer();
  Transfer(const Transfer&) = delete;
  Transfer& operator=(const Transfer&) = delete;

  /// False: libcurl cannot be used here (no memory).
  [[nodiscard]] bool good() const { return handle_ != nullptr; }
  [[nodiscard]] CURL* get() const { return handle_; }

  /// `protocols` as "smtp,smtps". An empty ca_file: the system's authorities.
  void allow(const char* protocols, const std::string& ca_file);
  /// Runs until the end, at most until the deadline.
  CURLcode run();

  /// The deadline comes at the latest so long from now.
  void hurry(std::chrono::milliseconds left);
  [[nodiscard]] bool is_over() const { return Clock::now() >= deadline_; }
  /// What libcurl said about the last run's error; bounded, may hold words of the server.
  [[nodiscard]] std::string error(CURLcode code) const;
  /// It was ended because the server sent too much.
  [[nodiscard]] bool too_much() const { return too_much_; }

 private:
  static curl_socket_t open(void* self, curlsocktype purpose, curl_sockaddr* address);
  static int close(void* self, curl_socket_t socket);
  static int progress(void* self, curl_off_t, curl_off_t, curl_off_t, curl_off_t);
  [[nodiscard]] std::chrono::milliseconds left() const;

  CURL* handle_;
  std::chrono::milliseconds connect_;
  Clock::time_point deadline_;
  curl_socket_t socket_ = CURL_SOCKET_BAD;
  bool too_much_ = false;
  char words_[CURL_ERROR_SIZE] = {};
};

/// What an error below the protocol means for an administrator, and what he can do: "cannot be reached (...): ...".
/// `key` is the settings' table: "[mail]" or "[webhook]".
[[nodiscard]] std::string explain_failure(CURLcode code, const std::string& words, std::string_view table);

}  // namespace tipstaff
