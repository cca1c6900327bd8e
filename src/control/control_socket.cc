#include "control/control_socket.h"

#include <fmt/format.h>
#include <poll.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <boost/asio/buffer.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/local/stream_protocol.hpp>
#include <boost/asio/read_until.hpp>
#include <boost/asio/steady_timer.hpp>
#include <cerrno>
#include <chrono>
#include <cstring>
#include <filesystem>
#include <unordered_map>
#include <utility>
#include <vector>

namespace tipstaff {
namespace {

namespace asio = boost::asio;
using Socket = asio::local::stream_protocol::socket;

constexpr std::chrono::seconds kPatience{5};     // for one question, and for taking its answer
constexpr std::chrono::seconds kAnswerWait{15};  // for a piece; a reload writes first what waits for the ledger
constexpr std::size_t kLongestAnswer = ControlSocket::kMostWaiting;
constexpr std::string_view kFull =
    R"({"ok":false,"error":{"kind":"unavailable","message":"too many ask at this moment; try again"}})"
    "\n";

Error error_of(int number, const std::string& what, const std::string& path) {
  const ErrorKind kind = number == EACCES || number == EPERM ? ErrorKind::denied : ErrorKind::unavailable;
  return {kind, fmt::format("{}: {}", what, std::strerror(number)), path};
}

sockaddr_un address_of(const std::string& path) {
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  std::memcpy(address.sun_path, path.data(), std::min(path.size(), sizeof(address.sun_path) - 1));
  return address;
}

// A file descriptor that closes itself.
class Descriptor {
 public:
  explicit Descriptor(int file) : file_(file) {}
  Descriptor(const Descriptor&) = delete;
  Descriptor& operator=(const Descriptor&) = delete;
  ~Descriptor() {
    if (file_ >= 0) ::close(file_);
  }
  [[nodiscard]] int get() const { return file_; }

 private:
  int file_;
};

int connect_to(const Descriptor& file, const std::string& path) {
  const sockaddr_un address = address_of(path);
  return ::connect(file.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address) == 0 ? 0 : errno;
}

}  // namespace

struct ControlSocket::State : std::enable_shared_from_this<State> {
  State(asio::io_context& of, std::string where, Identify who, Handler answer)
      : loop(of), acceptor(of), path(std::move(where)), identify(std::move(who)), handler(std::move(answer)) {}

  // One asker. Lives as long as a handler of it waits.
  struct Asker {
    Asker(Socket from, asio::io_context& of) : socket(std::move(from)), timer(of) {}
    Socket socket;
    asio::steady_timer timer;
    Peer peer;
    std::string ask;
    std::string answer;
  };

  void accept() {
    acceptor.async_accept([self = shared_from_this()](const boost::system::error_code& error, Socket socket) {
      if (!self->acceptor.is_open()) return;
      if (!error) self->greet(std::make_shared<Asker>(std::move(socket), self->loop));
      self->accept();
    });
  }

  void greet(const std::shared_ptr<Asker>& asker) {
    auto peer = identify(asker->socket.native_handle());
    if (!peer) return;
    asker->peer = std::move(*peer);
    const auto of_user = of_users.find(asker->peer.user);
    const std::size_t others = of_user == of_users.end() ? 0 : of_user->second;
    const bool is_stranger = asker->peer.role == Role::none;
    if (askers >= kMostAskers || (asker->peer.user != 0 && others >= kMostOfUser) ||
        (is_stranger && strangers >= kMostStrangers)) {
      std::ignore = ::send(asker->socket.native_handle(), kFull.data(), kFull.size(), MSG_NOSIGNAL | MSG_DONTWAIT);
      return;
    }
    ++askers;
    ++of_users[asker->peer.user];
    if (is_stranger) ++strangers;
    serve(asker);
  }

  static void limit(const std::shared_ptr<Asker>& asker) {
    asker->timer.expires_after(kPatience);
    asker->timer.async_wait([asker](const boost::system::error_code& error) {
      boost::system::error_code ignored;
      if (!error) asker->socket.close(ignored);
    });
  }

  void serve(const std::shared_ptr<Asker>& asker) {
    limit(asker);
    asio::async_read_until(
        asker->socket, asio::dynamic_buffer(asker->ask, kLongestAsk), '\n',
        [self = shared_from_this(), asker](const boost::system::error_code& error, std::size_t size) {
          if (error) return self->end(*asker);
          asker->answer = self->handler(asker->peer, std::string_view(asker->ask).substr(0, size - 1)) + "\n";
          if (self->waiting + asker->answer.size() > kMostWaiting) asker->answer = kFull;
          self->waiting += asker->answer.size();
          self->write(asker, 0);
        });
  }

  // Piece by piece: whoever takes one in time may have the next, however long the answer is.
  void write(const std::shared_ptr<Asker>& asker, std::size_t done) {
    limit(asker);
    asker->socket.async_write_some(
        asio::buffer(asker->answer) + done,
        [self = shared_from_this(), asker, done](const boost::system::error_code& error, std::size_t size) {
          if (!error && done + size < asker->answer.size()) return self->write(asker, done + size);
          self->waiting -= asker->answer.size();
          self->end(*asker);
        });
  }

  void end(Asker& asker) {
    --askers;
    if (asker.peer.role == Role::none) --strangers;
    if (const auto of_user = of_users.find(asker.peer.user); --of_user->second == 0) of_users.erase(of_user);
    asker.timer.cancel();
    boost::system::error_code ignored;
    asker.socket.close(ignored);
  }

  asio::io_context& loop;
  asio::local::stream_protocol::acceptor acceptor;
  std::string path;
  Identify identify;
  Handler handler;
  std::size_t askers = 0;
  std::size_t strangers = 0;
  std::unordered_map<uid_t, std::size_t> of_users;
  std::size_t waiting = 0;  // bytes of answers that are not taken yet
};

ControlSocket::ControlSocket(std::shared_ptr<State> state) : state_(std::move(state)) {}

ControlSocket::~ControlSocket() {
  boost::system::error_code ignored;
  state_->acceptor.close(ignored);
  ::unlink(state_->path.c_str());
}

Result<std::unique_ptr<ControlSocket>> ControlSocket::open(asio::io_context& loop, const std::string& path,
                                                           Identify identify, Handler handler) {
  const std::filesystem::path folder = std::filesystem::path(path).parent_path();
  if (::mkdir(folder.c_str(), 0755) == 0) {
    ::chmod(folder.c_str(), 0755);  // whatever the umask: who is not in the guard's group may ask too
  } else if (errno != EEXIST) {
    return std::unexpected(error_of(errno, "the folder of the control socket cannot be made", folder));
  }
  const Descriptor probe(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0));
  const int found = connect_to(probe, path);
  if (found == 0) {
    return fail(ErrorKind::conflict, "another guard answers there already; stop it, or set another [control] socket",
                path);
  }
  if (found == ECONNREFUSED) ::unlink(path.c_str());

  auto state = std::make_shared<State>(loop, path, std::move(identify), std::move(handler));
  boost::system::error_code error;
  state->acceptor.open(asio::local::stream_protocol(), error);
  const mode_t before = ::umask(0111);  // 0666 from the first moment on
  if (!error) state->acceptor.bind(path, error);
  ::umask(before);
  if (!error) state->acceptor.listen(static_cast<int>(kMostAskers), error);
  if (error) return std::unexpected(error_of(error.value(), "the control socket cannot be opened", path));
  state->accept();
  return std::unique_ptr<ControlSocket>(new ControlSocket(std::move(state)));
}

Result<std::string> ask_guard(const std::string& path, const std::string& line) {
  const Descriptor file(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0));
  const timeval patience{kPatience.count(), 0};  // also for connect(), where its queue is full
  ::setsockopt(file.get(), SOL_SOCKET, SO_SNDTIMEO, &patience, sizeof patience);
  if (const int error = connect_to(file, path); error != 0) {
    if (error == ENOENT || error == ECONNREFUSED) return fail(ErrorKind::not_found, "no guard is running here", path);
    return std::unexpected(error_of(error, "the guard cannot be asked", path));
  }
  const std::string ask = line + "\n";
  if (::send(file.get(), ask.data(), ask.size(), MSG_NOSIGNAL) != static_cast<ssize_t>(ask.size()) && errno != EPIPE)
    return std::unexpected(error_of(errno, "the guard cannot be asked", path));
  std::string answer;
  auto deadline = std::chrono::steady_clock::now() + kAnswerWait;
  std::vector<char> buffer(256'000);
  while (!answer.ends_with('\n') && answer.size() < kLongestAnswer) {
    const auto left = std::chrono::ceil<std::chrono::milliseconds>(deadline - std::chrono::steady_clock::now());
    pollfd ready{file.get(), POLLIN, 0};
    if (left.count() <= 0 || ::poll(&ready, 1, static_cast<int>(left.count())) <= 0)
      return fail(ErrorKind::unavailable, "the guard does not answer; see its log", path);
    const ssize_t size = ::recv(file.get(), buffer.data(), buffer.size(), 0);
    if (size <= 0) return fail(ErrorKind::unavailable, "the guard ended the connection without an answer", path);
    answer.append(buffer.data(), static_cast<std::size_t>(size));
    deadline = std::chrono::steady_clock::now() + kAnswerWait;
  }
  answer.pop_back();
  return answer;
}

}  // namespace tipstaff
