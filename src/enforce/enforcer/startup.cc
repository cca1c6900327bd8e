#include "enforce/enforcer/startup.h"

#include <fmt/format.h>
#include <grp.h>
#include <pwd.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <cerrno>
#include <charconv>
#include <csignal>
#include <cstdlib>
#include <cstring>
#include <string_view>

#include "base/text.h"

namespace tipstaff {
namespace {

std::optional<std::uint32_t> number_in(const std::string& text) {
  std::uint32_t value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc() || end != text.data() + text.size()) return std::nullopt;
  return value;
}

std::unexpected<Error> failed(const std::string& path, const char* doing) {
  return fail(ErrorKind::unavailable, fmt::format("{}: {}", doing, std::strerror(errno)), path);
}

}  // namespace

EnforcerLog enforcer_log() {
  const char* const stream = std::getenv("JOURNAL_STREAM");
  const bool journal = stream != nullptr && *stream != '\0';
  return [journal](bool bad, const std::string& text) {
    const std::string line =
        fmt::format("{}{}\n", journal ? (bad ? "<4>" : "<6>") : "tipstaff-enforcer: ", printable(text));
    std::ignore = ::write(STDERR_FILENO, line.data(), line.size());  // where nobody reads it is lost
  };
}

Result<std::optional<uid_t>> find_user(const std::string& name, bool must) {
  if (const auto number = number_in(name)) return *number;
  if (const passwd* const found = ::getpwnam(name.c_str()); found != nullptr) return found->pw_uid;
  if (!must) return std::nullopt;
  return fail(ErrorKind::invalid, fmt::format("--user {}: there is no such account", printable(name)));
}

Result<std::optional<gid_t>> find_group(const std::string& name, bool must) {
  if (const auto number = number_in(name)) return *number;
  if (const group* const found = ::getgrnam(name.c_str()); found != nullptr) return found->gr_gid;
  if (!must) return std::nullopt;
  return fail(ErrorKind::invalid, fmt::format("--group {}: there is no such group", printable(name)));
}

Result<int> listen_for_peers(const std::string& path, std::optional<gid_t> group) {
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  if (path.size() >= sizeof address.sun_path) return fail(ErrorKind::invalid, "the socket's path is too long", path);
  std::memcpy(address.sun_path, path.data(), path.size());
  const auto* const where = reinterpret_cast<const sockaddr*>(&address);
  const gid_t owner = group.value_or(static_cast<gid_t>(-1));
  if (const std::string folder = path.substr(0, path.rfind('/')); !folder.empty() && folder != path) {
    if (::mkdir(folder.c_str(), 0750) == 0) std::ignore = ::chown(folder.c_str(), static_cast<uid_t>(-1), owner);
  }
  const int file = ::socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
  if (file < 0) return failed(path, "socket");
  if (::connect(file, where, sizeof address) == 0 || errno == EAGAIN) {
    ::close(file);
    return fail(ErrorKind::conflict, "another enforcer listens there", path);
  }
  struct stat about{};
  if (::lstat(path.c_str(), &about) == 0 && S_ISSOCK(about.st_mode)) ::unlink(path.c_str());
  const mode_t before = ::umask(0117);
  const bool bound = ::bind(file, where, sizeof address) == 0;
  ::umask(before);
  if (!bound) {
    auto error = failed(path, "cannot listen");
    ::close(file);
    return error;
  }
  // where the unit gives the group, the socket has it already, and no right to give it is needed
  if (group && (::lstat(path.c_str(), &about) != 0 || about.st_gid != *group) &&
      ::chown(path.c_str(), static_cast<uid_t>(-1), *group) != 0) {
    auto error = failed(path, "cannot be given to its group");
    ::close(file);
    return error;
  }
  if (::listen(file, 16) != 0) {
    auto error = failed(path, "cannot listen");
    ::close(file);
    return error;
  }
  return file;
}

Result<int> catch_signals() {
  sigset_t wanted;
  sigemptyset(&wanted);
  for (const int signal : {SIGHUP, SIGTERM, SIGINT}) sigaddset(&wanted, signal);
  if (::sigprocmask(SIG_BLOCK, &wanted, nullptr) != 0) return failed("signals", "sigprocmask");
  ::signal(SIGPIPE, SIG_IGN);
  const int file = ::signalfd(-1, &wanted, SFD_CLOEXEC | SFD_NONBLOCK);
  if (file < 0) return failed("signals", "signalfd");
  return file;
}

}  // namespace tipstaff
