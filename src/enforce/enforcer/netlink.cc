#include "enforce/enforcer/netlink.h"

#include <arpa/inet.h>
#include <fmt/format.h>
#include <linux/netfilter/nf_tables.h>
#include <linux/netfilter/nfnetlink.h>
#include <poll.h>
#include <sys/socket.h>
#include <sys/uio.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <utility>

namespace tipstaff {
namespace {

constexpr int kAnswerWithin = 10'000;  // milliseconds; the kernel answers before sendmsg() is back

nfgenmsg* put_family(nlmsghdr* message, std::uint8_t family, std::uint16_t resource) {
  auto* const header = static_cast<nfgenmsg*>(mnl_nlmsg_put_extra_header(message, sizeof(nfgenmsg)));
  header->nfgen_family = family;
  header->version = NFNETLINK_V0;
  header->res_id = htons(resource);
  return header;
}

}  // namespace

Error kernel_error(int number, const std::string& doing) {
  ErrorKind kind = ErrorKind::unavailable;
  if (number == ENOENT) kind = ErrorKind::not_found;
  if (number == EEXIST || number == EBUSY) kind = ErrorKind::conflict;
  if (number == EPERM || number == EACCES) kind = ErrorKind::denied;
  return {kind, fmt::format("{}: the kernel says \"{}\"", doing, std::strerror(number)), {}};
}

// --- messages ----------------------------------------------------------------------------------------------------------

nlmsghdr* NetlinkMessages::begin_plain(std::uint16_t type, std::uint16_t flags) {
  if (pieces_.empty() || pieces_.back().used + kMostMessage > kPiece) {
    pieces_.push_back({std::make_unique_for_overwrite<char[]>(kPiece), 0});
  }
  Piece& piece = pieces_.back();
  std::memset(piece.bytes.get() + piece.used, 0, 64);
  open_ = mnl_nlmsg_put_header(piece.bytes.get() + piece.used);
  open_->nlmsg_type = type;
  open_->nlmsg_flags = static_cast<std::uint16_t>(NLM_F_REQUEST | flags);
  return open_;
}

nlmsghdr* NetlinkMessages::begin(std::uint16_t type, std::uint16_t flags, std::uint8_t family) {
  nlmsghdr* const message = begin_plain(static_cast<std::uint16_t>(NFNL_SUBSYS_NFTABLES << 8U | type), flags);
  put_family(message, family, 0);
  return message;
}

void NetlinkMessages::end() {
  const std::size_t bytes = MNL_ALIGN(open_->nlmsg_len);
  pieces_.back().used += bytes;
  size_ += bytes;
  ++count_;
  last_ = std::exchange(open_, nullptr);
}

void NetlinkMessages::begin_batch() {
  put_family(begin_plain(NFNL_MSG_BATCH_BEGIN, 0), AF_UNSPEC, NFNL_SUBSYS_NFTABLES);
  end();
}

void NetlinkMessages::end_batch() {
  last_->nlmsg_flags |= NLM_F_ACK;  // one answer is enough: errors come in any case
  put_family(begin_plain(NFNL_MSG_BATCH_END, 0), AF_UNSPEC, NFNL_SUBSYS_NFTABLES);
  nlmsghdr* const acknowledged = last_;
  end();
  last_ = acknowledged;
}

// --- socket ------------------------------------------------------------------------------------------------------------

NetlinkSocket::NetlinkSocket(mnl_socket* socket) : socket_(socket), buffer_(65'536) {}

NetlinkSocket::NetlinkSocket(NetlinkSocket&& other) noexcept
    : socket_(std::exchange(other.socket_, nullptr)),
      sequence_(other.sequence_),
      send_buffer_(other.send_buffer_),
      buffer_(std::move(other.buffer_)) {}

NetlinkSocket::~NetlinkSocket() {
  if (socket_ != nullptr) mnl_socket_close(socket_);
}

Result<NetlinkSocket> NetlinkSocket::open(int protocol, const std::vector<unsigned>& groups) {
  mnl_socket* const socket = mnl_socket_open2(protocol, SOCK_CLOEXEC);
  if (socket == nullptr) return std::unexpected(kernel_error(errno, "netlink socket"));
  NetlinkSocket made(socket);
  if (mnl_socket_bind(socket, 0, MNL_SOCKET_AUTOPID) < 0) return std::unexpected(kernel_error(errno, "netlink socket"));
  for (unsigned group : groups) {
    if (mnl_socket_setsockopt(socket, NETLINK_ADD_MEMBERSHIP, &group, sizeof group) < 0) {
      return std::unexpected(kernel_error(errno, "netlink events"));
    }
  }
  // errors shall not carry the request back
  int on = 1;
  mnl_socket_setsockopt(socket, NETLINK_CAP_ACK, &on, sizeof on);
  return made;
}

int NetlinkSocket::file() const { return mnl_socket_get_fd(socket_); }

std::uint32_t NetlinkSocket::port() const { return mnl_socket_get_portid(socket_); }

void NetlinkSocket::set_receive_buffer(std::size_t bytes) {
  const int size = static_cast<int>(bytes);
  if (::setsockopt(file(), SOL_SOCKET, SO_RCVBUFFORCE, &size, sizeof size) < 0) {
    ::setsockopt(file(), SOL_SOCKET, SO_RCVBUF, &size, sizeof size);
  }
}

Result<void> NetlinkSocket::send(NetlinkMessages& messages) {
  std::vector<iovec> pieces;
  for (NetlinkMessages::Piece& piece : messages.pieces_) {
    for (std::size_t at = 0; at < piece.used;) {
      auto* const message = reinterpret_cast<nlmsghdr*>(piece.bytes.get() + at);
      message->nlmsg_seq = sequence_++;
      at += MNL_ALIGN(message->nlmsg_len);
    }
    pieces.push_back({piece.bytes.get(), piece.used});
  }
  if (const std::size_t wanted = messages.size_ + 65'536; wanted > send_buffer_) {
    const int size = static_cast<int>(wanted);
    if (::setsockopt(file(), SOL_SOCKET, SO_SNDBUFFORCE, &size, sizeof size) < 0) {
      return std::unexpected(kernel_error(errno, fmt::format("send buffer of {} bytes", size)));
    }
    send_buffer_ = wanted;
  }
  sockaddr_nl kernel{};
  kernel.nl_family = AF_NETLINK;
  msghdr header{};
  header.msg_name = &kernel;
  header.msg_namelen = sizeof kernel;
  header.msg_iov = pieces.data();
  header.msg_iovlen = pieces.size();
  while (::sendmsg(file(), &header, 0) < 0) {
    if (errno != EINTR) return std::unexpected(kernel_error(errno, fmt::format("sending {} bytes", messages.size_)));
  }
  return {};
}

Result<std::size_t> NetlinkSocket::receive() {
  for (;;) {
    const ssize_t size = ::recv(file(), buffer_.data(), buffer_.size(), MSG_DONTWAIT | MSG_TRUNC);
    if (size >= 0 && static_cast<std::size_t>(size) <= buffer_.size()) return static_cast<std::size_t>(size);
    if (size >= 0) return fail(ErrorKind::internal, fmt::format("the kernel's answer has {} bytes", size));
    if (errno == EINTR) continue;
    if (errno != EAGAIN) return std::unexpected(kernel_error(errno, "reading the kernel's answer"));
    pollfd waiting{file(), POLLIN, 0};
    const int ready = ::poll(&waiting, 1, kAnswerWithin);
    if (ready == 0) return fail(ErrorKind::unavailable, "the kernel gives no answer");
  }
}

namespace {

// Hands each message of a piece to `each` until that says false.
template <class Function>
bool walk(const char* bytes, std::size_t size, const Function& each) {
  const auto* message = reinterpret_cast<const nlmsghdr*>(bytes);
  int left = static_cast<int>(size);
  while (mnl_nlmsg_ok(message, left)) {
    if (!each(*message)) return false;
    message = mnl_nlmsg_next(message, &left);
  }
  return true;
}

int error_of(const nlmsghdr& message) {
  if (mnl_nlmsg_get_payload_len(&message) < sizeof(nlmsgerr)) return EPROTO;
  return -static_cast<const nlmsgerr*>(mnl_nlmsg_get_payload(&message))->error;
}

}  // namespace

// Errors come first, in the order of the messages they belong to; the acknowledged last message ends the answer. Where the
// batch as a whole fails (no memory, no right), the one answer names its first message.
Result<void> NetlinkSocket::commit(NetlinkMessages& batch) {
  const std::uint32_t first = sequence_;
  if (auto sent = send(batch); !sent) return sent;
  const std::uint32_t acknowledged = batch.last_->nlmsg_seq;
  int error = 0;
  for (bool more = true; more;) {
    const auto size = receive();
    if (!size) return std::unexpected(size.error());
    walk(buffer_.data(), *size, [&](const nlmsghdr& message) {
      if (message.nlmsg_seq - first > acknowledged - first) return true;  // of an answer that was not waited for
      if (message.nlmsg_type != NLMSG_ERROR) return true;
      const int number = error_of(message);
      if (error == 0) error = number;
      if (message.nlmsg_seq == acknowledged || message.nlmsg_seq == first) more = false;
      return true;
    });
  }
  // what the kernel still has to say about this batch
  while (::recv(file(), buffer_.data(), buffer_.size(), MSG_DONTWAIT) >= 0) {
  }
  if (error != 0) return std::unexpected(kernel_error(error, "changing the firewall"));
  return {};
}

Result<void> NetlinkSocket::dump(NetlinkMessages& request, const Each& each) {
  const std::uint32_t wanted = sequence_;
  if (auto sent = send(request); !sent) return sent;
  bool changed = false;
  for (;;) {
    const auto size = receive();
    if (!size) return std::unexpected(size.error());
    int error = 0;
    const bool more = walk(buffer_.data(), *size, [&](const nlmsghdr& message) {
      if (message.nlmsg_seq != wanted) return true;
      if ((message.nlmsg_flags & NLM_F_DUMP_INTR) != 0) changed = true;
      if (message.nlmsg_type == NLMSG_DONE) {
        if (mnl_nlmsg_get_payload_len(&message) >= sizeof(int)) {
          error = -*static_cast<const int*>(mnl_nlmsg_get_payload(&message));
        }
        return false;
      }
      if (message.nlmsg_type == NLMSG_ERROR) {
        error = error_of(message);
        return false;
      }
      each(message);
      return true;
    });
    if (more) continue;
    if (error == EINTR || (error == 0 && changed))
      return fail(ErrorKind::conflict, "the firewall changed while it was read");
    if (error != 0) return std::unexpected(kernel_error(error, "reading the firewall"));
    return {};
  }
}

Result<std::vector<int>> NetlinkSocket::ask(NetlinkMessages& requests, const Each& each) {
  const std::uint32_t first = sequence_;
  if (auto sent = send(requests); !sent) return std::unexpected(sent.error());
  std::vector<int> errors(requests.count(), 0);
  std::vector<bool> answered(requests.count(), false);
  for (std::size_t left = requests.count(); left > 0;) {
    const auto size = receive();
    if (!size) return std::unexpected(size.error());
    walk(buffer_.data(), *size, [&](const nlmsghdr& message) {
      const std::uint32_t number = message.nlmsg_seq - first;
      if (number >= errors.size()) return true;
      if (!answered[number]) --left;
      answered[number] = true;
      if (message.nlmsg_type == NLMSG_ERROR) {
        errors[number] = error_of(message);
      } else {
        each(message);
      }
      return true;
    });
  }
  return errors;
}

NetlinkSocket::Heard NetlinkSocket::hear(const Each& each) {
  const ssize_t size = ::recv(file(), buffer_.data(), buffer_.size(), MSG_DONTWAIT);
  if (size < 0) return errno == ENOBUFS ? Heard::overflow : Heard::nothing;
  walk(buffer_.data(), static_cast<std::size_t>(size), [&](const nlmsghdr& message) {
    each(message);
    return true;
  });
  return Heard::message;
}

}  // namespace tipstaff
