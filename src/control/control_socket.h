// The Unix stream socket on which the guard answers: one line of JSON in, one out, then it closes. Whoever may open the
// socket may ask; its mode is 0660, so that is the guard's user and group. Bounded: a few askers at a time, short
// questions, a few seconds each. What is asked is for the handler to understand.
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <string_view>

#include "base/result.h"

namespace boost::asio {
class io_context;
}

namespace tipstaff {

class ControlSocket {
 public:
  static constexpr std::size_t kMostAskers = 16;     // more are closed at once
  static constexpr std::size_t kLongestAsk = 4'096;  // bytes
  /// Gives the answer to one line, without line feeds.
  using Handler = std::function<std::string(std::string_view line)>;

  /// Makes the socket, and its folder (0750) if that is missing. A dead socket of an earlier run is replaced.
  /// Errors: conflict (another guard answers there), denied, unavailable.
  [[nodiscard]] static Result<std::unique_ptr<ControlSocket>> open(boost::asio::io_context& loop,
                                                                   const std::string& path, Handler handler);
  /// Removes the socket.
  ~ControlSocket();
  ControlSocket(const ControlSocket&) = delete;
  ControlSocket& operator=(const ControlSocket&) = delete;

 private:
  struct State;
  explicit ControlSocket(std::shared_ptr<State> state);
  std::shared_ptr<State> state_;
};

/// Asks the guard at `path` and waits at most five seconds. Errors: not_found (no guard runs there), denied,
/// unavailable.
[[nodiscard]] Result<std::string> ask_guard(const std::string& path, const std::string& line);

}  // namespace tipstaff
