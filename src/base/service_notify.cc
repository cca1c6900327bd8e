#include "base/service_notify.h"

#include <fmt/format.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <cstdlib>
#include <cstring>
#include <ctime>
#include <utility>

namespace tipstaff {
namespace {

std::string variable(const char* name) {
  const char* const value = std::getenv(name);
  return value == nullptr ? std::string() : std::string(value);
}

}  // namespace

ServiceNotify::ServiceNotify(std::string socket) : socket_(std::move(socket)) {}

ServiceNotify ServiceNotify::from_environment() { return ServiceNotify(variable("NOTIFY_SOCKET")); }

void ServiceNotify::send(const std::string& state) const {
  sockaddr_un address{};
  if (socket_.empty() || socket_.size() >= sizeof(address.sun_path)) return;
  address.sun_family = AF_UNIX;
  std::memcpy(address.sun_path, socket_.data(), socket_.size());
  if (socket_.front() == '@') address.sun_path[0] = '\0';
  const auto size = static_cast<socklen_t>(offsetof(sockaddr_un, sun_path) + socket_.size());
  const int file = ::socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
  if (file < 0) return;
  // without waiting: a manager that does not read must not hold up the guard
  std::ignore = ::sendto(file, state.data(), state.size(), MSG_DONTWAIT | MSG_NOSIGNAL,
                         reinterpret_cast<const sockaddr*>(&address), size);
  ::close(file);
}

void ServiceNotify::ready(std::string_view status) const { send(fmt::format("READY=1\nSTATUS={}\n", status)); }

void ServiceNotify::reloading() const {
  timespec now{};
  ::clock_gettime(CLOCK_MONOTONIC, &now);  // Type=notify-reload asks for it
  send(fmt::format("RELOADING=1\nMONOTONIC_USEC={}\n", now.tv_sec * 1'000'000 + now.tv_nsec / 1'000));
}

void ServiceNotify::stopping() const { send("STOPPING=1\n"); }

void ServiceNotify::alive() const { send("WATCHDOG=1\n"); }

std::optional<std::chrono::microseconds> ServiceNotify::watchdog_interval() {
  const std::string pid = variable("WATCHDOG_PID");
  if (!pid.empty() && pid != std::to_string(::getpid())) return std::nullopt;
  const long long usec = std::strtoll(variable("WATCHDOG_USEC").c_str(), nullptr, 10);
  if (usec <= 0) return std::nullopt;
  return std::chrono::microseconds(usec / 2);
}

}  // namespace tipstaff
