#include "control/enforcer_command.h"

#include <fmt/format.h>
#include <poll.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <algorithm>
#include <boost/json.hpp>
#include <cerrno>
#include <chrono>
#include <cstring>
#include <iostream>
#include <vector>

#include "base/text.h"
#include "control/control_ask.h"
#include "control/output.h"
#include "control/scan.h"
#include "enforce/message.h"

namespace tipstaff {
namespace {

namespace json = boost::json;

constexpr std::chrono::seconds kPatience{10};

// A connection to the enforcer for one question.
class Enforcer {
 public:
  explicit Enforcer(std::string path) : path_(std::move(path)) {}
  Enforcer(const Enforcer&) = delete;
  Enforcer& operator=(const Enforcer&) = delete;
  ~Enforcer() {
    if (socket_ >= 0) ::close(socket_);
  }

  // What it answers to the message. Errors: not_found (none runs), denied, unavailable.
  Result<Message> ask(MessageType type) {
    if (auto there = connect(); !there) return std::unexpected(there.error());
    Message hello;
    hello.sequence = 1;
    if (auto greeted = exchange(hello); !greeted) return greeted;
    Message message;
    message.type = type;
    message.sequence = 2;
    return exchange(message);
  }

 private:
  Result<void> connect() {
    socket_ = ::socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0);
    sockaddr_un address{};
    address.sun_family = AF_UNIX;
    if (path_.size() >= sizeof address.sun_path)
      return fail(ErrorKind::invalid, "the path is too long for a socket", path_);
    std::memcpy(address.sun_path, path_.data(), path_.size());
    const timeval patience{kPatience.count(), 0};
    ::setsockopt(socket_, SOL_SOCKET, SO_SNDTIMEO, &patience, sizeof patience);
    if (::connect(socket_, reinterpret_cast<const sockaddr*>(&address), sizeof address) == 0) return {};
    if (errno == ENOENT || errno == ECONNREFUSED)
      return fail(ErrorKind::not_found,
                  "no enforcer is running here; start it with 'systemctl start tipstaff-enforcer'. What stands in the "
                  "firewall all the same goes with 'nft delete table inet tipstaff'",
                  path_);
    const ErrorKind kind = errno == EACCES || errno == EPERM ? ErrorKind::denied : ErrorKind::unavailable;
    return fail(kind,
                fmt::format("the enforcer cannot be asked: {}{}", std::strerror(errno),
                            kind == ErrorKind::denied ? "; only root and the guard may" : ""),
                path_);
  }

  Result<Message> exchange(const Message& message) {
    const std::string packet = encode(message);
    if (::send(socket_, packet.data(), packet.size(), MSG_NOSIGNAL) < 0)
      return fail(ErrorKind::unavailable, fmt::format("the enforcer cannot be asked: {}", std::strerror(errno)), path_);
    const auto deadline = std::chrono::steady_clock::now() + kPatience;
    std::vector<char> buffer(kMostPacket);
    for (;;) {
      const auto left = std::chrono::ceil<std::chrono::milliseconds>(deadline - std::chrono::steady_clock::now());
      pollfd ready{socket_, POLLIN, 0};
      if (left.count() <= 0 || ::poll(&ready, 1, static_cast<int>(left.count())) <= 0)
        return fail(ErrorKind::unavailable, "the enforcer does not answer; see its log", path_);
      const ssize_t size = ::recv(socket_, buffer.data(), buffer.size(), 0);
      if (size <= 0) return fail(ErrorKind::unavailable, "the enforcer ended the connection without an answer", path_);
      auto answer = decode(std::string_view(buffer.data(), static_cast<std::size_t>(size)));
      if (!answer) return answer;
      if (answer->type == MessageType::denied) return fail(ErrorKind::denied, answer->text);
      if (answer->type == MessageType::done && answer->sequence == message.sequence) return answer;
    }
  }

  std::string path_;
  int socket_ = -1;
};

int complain(const EnforcerCommandOptions& options, const Error& error) {
  if (options.json)
    print_out("{}\n", error_answer(error));
  else
    print_error("tipstaff: {}\n", printable(error.message()));
  return kFailed;
}

}  // namespace

int run_enforcer_status(const EnforcerCommandOptions& options) {
  const auto answer = Enforcer(options.socket).ask(MessageType::status);
  if (!answer) return complain(options, answer.error());
  if (options.json) {
    print_out("{}\n", answer->text);
    return kGood;
  }
  boost::system::error_code error;
  const json::value said = json::parse(answer->text, error);
  if (error || !said.is_object()) {
    print_out("{}\n", printable(answer->text));
    return kGood;
  }
  std::size_t width = 0;
  for (const auto& [name, value] : said.as_object()) width = std::max(width, name.size());
  for (const auto& [name, value] : said.as_object()) {
    std::string words(name.data(), name.size());
    std::ranges::replace(words, '_', ' ');
    const std::string text =
        value.is_string() ? std::string(value.as_string().data(), value.as_string().size()) : json::serialize(value);
    print_out("{:<{}}  {}\n", printable(words), width, printable(text));
  }
  return kGood;
}

int run_enforcer_clear(const EnforcerCommandOptions& options) {
  if (!options.sure) {
    if (::isatty(STDIN_FILENO) == 0) {
      print_error("tipstaff: this opens the firewall to everybody who is shut out; say --yes\n");
      return kUsage;
    }
    print_error(
        "Every block goes out of the firewall. A running guard puts its own back; 'tipstaff unblock --all' ends "
        "them for good. Go on? [y/N] ");
    std::string said;
    if (!std::getline(std::cin, said) || (said != "y" && said != "Y" && said != "yes")) {
      print_error("tipstaff: nothing was changed\n");
      return kFailed;
    }
  }
  const auto answer = Enforcer(options.socket).ask(MessageType::clear);
  if (!answer) return complain(options, answer.error());
  if (options.json)
    print_out("{}\n", R"({"ok":true})");
  else
    print_out("The enforcer has ended every block and taken its table away.\n");
  return kGood;
}

}  // namespace tipstaff
