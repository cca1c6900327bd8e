#include "sources/listening_socket.h"

#include <fmt/format.h>
#include <netinet/in.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <system_error>
#include <utility>

namespace tipstaff {
namespace {

constexpr int kReceiveBuffer = 4 << 20;  // asked for; the system may give less
constexpr int kBacklog = 128;
constexpr ::mode_t kMode = 0660;

struct SocketAddress {
  sockaddr_storage storage{};
  socklen_t size = 0;

  [[nodiscard]] const sockaddr* get() const { return reinterpret_cast<const sockaddr*>(&storage); }
};

SocketAddress to_socket_address(const SyslogOptions& options) {
  SocketAddress made;
  if (options.is_unix()) {
    auto& to = reinterpret_cast<sockaddr_un&>(made.storage);
    to.sun_family = AF_UNIX;
    options.path.copy(to.sun_path, sizeof(to.sun_path) - 1);
    made.size = sizeof(sockaddr_un);
  } else if (options.address.is_v4()) {
    auto& to = reinterpret_cast<sockaddr_in&>(made.storage);
    to.sin_family = AF_INET;
    to.sin_port = htons(options.port);
    to.sin_addr.s_addr = htonl(static_cast<std::uint32_t>(options.address.low()));
    made.size = sizeof(sockaddr_in);
  } else {
    auto& to = reinterpret_cast<sockaddr_in6&>(made.storage);
    to.sin6_family = AF_INET6;
    to.sin6_port = htons(options.port);
    for (unsigned i = 0; i < 8; ++i) {
      to.sin6_addr.s6_addr[i] = static_cast<std::uint8_t>(options.address.high() >> (56 - 8 * i));
      to.sin6_addr.s6_addr[8 + i] = static_cast<std::uint8_t>(options.address.low() >> (56 - 8 * i));
    }
    made.size = sizeof(sockaddr_in6);
  }
  return made;
}

std::unexpected<Error> refused(const SyslogOptions& options, int number) {
  const std::string place = options.place();
  const std::string why = std::generic_category().message(number);
  switch (number) {
    case EADDRINUSE:
      if (options.is_unix()) {
        return fail(
            ErrorKind::conflict,
            fmt::format("{} exists already and another program uses it; end that or choose another path", place));
      }
      return fail(ErrorKind::conflict,
                  fmt::format("another program listens at {} already (`ss -lntup` names it); end it or choose another "
                              "port",
                              place));
    case EACCES:
    case EPERM:
      if (options.is_unix()) {
        return fail(
            ErrorKind::denied,
            fmt::format("a socket {} may not be made by the user the guard runs as; give that user the right to "
                        "write to its folder",
                        place));
      }
      return fail(ErrorKind::denied, fmt::format("the guard may not listen at {}; ports below 1024 need the capability "
                                                 "CAP_NET_BIND_SERVICE: give it, or choose a higher port",
                                                 place));
    case EADDRNOTAVAIL:
      return fail(
          ErrorKind::unavailable,
          fmt::format("{} is no address of this machine (`ip address` lists them); choose one that is, or 0.0.0.0 "
                      "or [::] for all",
                      options.address.to_string()));
    case ENOENT:
    case ENOTDIR:
      return fail(ErrorKind::not_found, fmt::format("the folder of {} does not exist; make it", place));
    case EAFNOSUPPORT:
      return fail(
          ErrorKind::unavailable,
          fmt::format("this system does not speak the protocol of {}; choose an address of another kind", place));
    default:
      return fail(ErrorKind::unavailable, fmt::format("listening at {} is not possible: {}", place, why));
  }
}

void set(int descriptor, int level, int option, int value) {
  ::setsockopt(descriptor, level, option, &value, sizeof(value));
}

// A socket file that a program left behind stands in the way; it is taken away if nobody answers there.
void remove_left_over(const SyslogOptions& options, const SocketAddress& address, int type) {
  struct stat facts{};
  if (::lstat(options.path.c_str(), &facts) != 0 || !S_ISSOCK(facts.st_mode)) return;
  const OwnedDescriptor probe(::socket(AF_UNIX, type | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
  if (::connect(probe.get(), address.get(), address.size) != 0 && errno == ECONNREFUSED) ::unlink(options.path.c_str());
}

}  // namespace

OwnedDescriptor::~OwnedDescriptor() {
  if (descriptor_ >= 0) ::close(descriptor_);
}

int OwnedDescriptor::release() { return std::exchange(descriptor_, -1); }

Result<OwnedDescriptor> open_listener(const SyslogOptions& options) {
  const SocketAddress address = to_socket_address(options);
  const int type = options.is_datagram() ? SOCK_DGRAM : SOCK_STREAM;
  OwnedDescriptor made(::socket(address.storage.ss_family, type | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
  if (made.get() < 0) return refused(options, errno);
  if (options.is_unix()) {
    remove_left_over(options, address, type);
    ::fchmod(made.get(), 0);  // until it is bound: then the file gets its mode, whatever the umask
  } else if (!options.is_datagram()) {
    set(made.get(), SOL_SOCKET, SO_REUSEADDR, 1);
  }
  if (address.storage.ss_family == AF_INET6) set(made.get(), IPPROTO_IPV6, IPV6_V6ONLY, 1);
  if (options.is_datagram()) {
    set(made.get(), SOL_SOCKET, SO_RCVBUF, kReceiveBuffer);
    set(made.get(), SOL_SOCKET, SO_RXQ_OVFL, 1);
  }
  if (::bind(made.get(), address.get(), address.size) != 0) return refused(options, errno);
  if (options.is_unix() && ::chmod(options.path.c_str(), kMode) != 0) return refused(options, errno);
  if (type == SOCK_STREAM && ::listen(made.get(), kBacklog) != 0) return refused(options, errno);
  return made;
}

std::optional<IpAddress> address_of(const sockaddr_storage& from) {
  if (from.ss_family == AF_INET)
    return IpAddress::v4(ntohl(reinterpret_cast<const sockaddr_in&>(from).sin_addr.s_addr));
  if (from.ss_family != AF_INET6) return std::nullopt;
  const auto& bytes = reinterpret_cast<const sockaddr_in6&>(from).sin6_addr.s6_addr;
  std::uint64_t high = 0;
  std::uint64_t low = 0;
  for (unsigned i = 0; i < 8; ++i) {
    high = high << 8U | bytes[i];
    low = low << 8U | bytes[8 + i];
  }
  return IpAddress(high, low);
}

std::uint16_t port_of(int descriptor) {
  sockaddr_storage own{};
  socklen_t size = sizeof(own);
  if (::getsockname(descriptor, reinterpret_cast<sockaddr*>(&own), &size) != 0) return 0;
  if (own.ss_family == AF_INET) return ntohs(reinterpret_cast<const sockaddr_in&>(own).sin_port);
  return own.ss_family == AF_INET6 ? ntohs(reinterpret_cast<const sockaddr_in6&>(own).sin6_port) : std::uint16_t{0};
}

}  // namespace tipstaff
