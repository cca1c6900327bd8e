// The Unix stream socket on which the guard answers: one line of JSON in, one out, then it closes. Anybody on this machine
// may connect (mode 0666), since three groups have a right to and one mode names one group; who somebody is the kernel
// says, and what he may is for the handler. So strangers are no nuisance: few askers at a time, fewer of one user, fewer
// still of those without a role, short questions, a few seconds each, and a bound on the answers that wait to be taken.
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <string_view>

#include "base/result.h"
#include "control/peer.h"

namespace boost::asio {
class io_context;
}

namespace tipstaff {

class ControlSocket {
 public:
  static constexpr std::size_t kMostAskers = 64;           // more are turned away
  static constexpr std::size_t kMostOfUser = 16;           // of one user, root apart
  static constexpr std::size_t kMostStrangers = 8;         // of all that have no role
  static constexpr std::size_t kLongestAsk = 4'096;        // bytes
  static constexpr std::size_t kMostWaiting = 64'000'000;  // bytes of answers that are not taken yet
  /// Gives the answer to one line, without line feeds.
  using Handler = std::function<std::string(const Peer& peer, std::string_view line)>;
  /// Says who is at the other end, with his role.
  using Identify = std::function<Result<Peer>(int socket)>;

  /// Makes the socket, and its folder (0755) if that is missing. A dead socket of an earlier run is replaced.
  /// Errors: conflict (another guard answers there), denied, unavailable.
  [[nodiscard]] static Result<std::unique_ptr<ControlSocket>> open(boost::asio::io_context& loop,
                                                                   const std::string& path, Identify identify,
                                                                   Handler handler);
  /// Removes the socket.
  ~ControlSocket();
  ControlSocket(const ControlSocket&) = delete;
  ControlSocket& operator=(const ControlSocket&) = delete;

 private:
  struct State;
  explicit ControlSocket(std::shared_ptr<State> state);
  std::shared_ptr<State> state_;
};

/// Asks the guard at `path` and waits at most 15 seconds for each piece of the answer. Errors: not_found (no guard
/// runs there), denied, unavailable.
[[nodiscard]] Result<std::string> ask_guard(const std::string& path, const std::string& line);

}  // namespace tipstaff
