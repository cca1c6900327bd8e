// A netlink socket and the messages that go through it: requests with answers, streamed dumps, and batches of nf_tables,
// which the kernel takes wholly or not at all. libmnl writes and reads the attributes. Knows no table.
#pragma once

#include <libmnl/libmnl.h>

#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <vector>

#include "base/result.h"

namespace tipstaff {

/// Messages side by side in pieces of memory that do not move.
class NetlinkMessages {
 public:
  /// A message holds at most this many bytes.
  static constexpr std::size_t kMostMessage = 66'000;

  /// Begins a message of nf_tables; end() must follow before the next. `type`: NFT_MSG_...
  nlmsghdr* begin(std::uint16_t type, std::uint16_t flags, std::uint8_t family);
  /// Begins a message of another kind, with room for a family header behind.
  nlmsghdr* begin_plain(std::uint16_t type, std::uint16_t flags);
  void end();
  /// The frame of a transaction goes around what stands between the two.
  void begin_batch();
  void end_batch();
  [[nodiscard]] std::size_t size() const { return size_; }
  [[nodiscard]] std::size_t count() const { return count_; }

 private:
  friend class NetlinkSocket;
  static constexpr std::size_t kPiece = 262'144;
  struct Piece {
    std::unique_ptr<char[]> bytes;
    std::size_t used = 0;
  };
  std::vector<Piece> pieces_;
  nlmsghdr* open_ = nullptr;
  nlmsghdr* last_ = nullptr;  // the last that is not the frame
  std::size_t size_ = 0;
  std::size_t count_ = 0;
};

class NetlinkSocket {
 public:
  /// `groups`: multicast groups by number. Errors: unavailable.
  [[nodiscard]] static Result<NetlinkSocket> open(int protocol, const std::vector<unsigned>& groups = {});
  NetlinkSocket(NetlinkSocket&& other) noexcept;
  NetlinkSocket& operator=(NetlinkSocket&&) = delete;
  ~NetlinkSocket();

  [[nodiscard]] int file() const;
  /// The number under which the kernel knows this socket.
  [[nodiscard]] std::uint32_t port() const;
  /// Bytes that may wait to be read; what the kernel allows at least.
  void set_receive_buffer(std::size_t bytes);

  using Each = std::function<void(const nlmsghdr& message)>;
  /// Sends a batch and reads what the kernel says. Errors: those of the kernel's first complaint.
  Result<void> commit(NetlinkMessages& batch);
  /// Asks for a dump and hands on each message. Read again from the start by the caller where it says `conflict`.
  Result<void> dump(NetlinkMessages& request, const Each& each);
  /// Sends requests that each have one answer: a message for `each`, or an error. Gives the errors, 0 for none, in the
  /// order of the requests.
  Result<std::vector<int>> ask(NetlinkMessages& requests, const Each& each);

  enum class Heard : std::uint8_t { nothing, message, overflow };
  /// Reads what waits, without waiting for more, one piece at a time. overflow: some was lost.
  Heard hear(const Each& each);

 private:
  explicit NetlinkSocket(mnl_socket* socket);
  Result<void> send(NetlinkMessages& messages);
  /// One piece of an answer, which must be there already or come within seconds.
  Result<std::size_t> receive();

  mnl_socket* socket_ = nullptr;
  std::uint32_t sequence_ = 1;
  std::size_t send_buffer_ = 0;
  std::vector<char> buffer_;
};

/// Attributes side by side, for a range-based loop; where one does not fit, the loop ends.
class Attributes {
 public:
  Attributes(const void* at, std::size_t size)
      : at_(static_cast<const nlattr*>(at)), end_(static_cast<const char*>(at) + size) {}
  /// Those of a message, behind a family header of that many bytes.
  Attributes(const nlmsghdr& message, std::size_t header)
      : at_(static_cast<const nlattr*>(mnl_nlmsg_get_payload_offset(&message, header))),
        end_(static_cast<const char*>(mnl_nlmsg_get_payload_tail(&message))) {}
  /// Those within another.
  explicit Attributes(const nlattr* nest) : Attributes(mnl_attr_get_payload(nest), mnl_attr_get_payload_len(nest)) {}

  class Iterator {
   public:
    Iterator(const nlattr* at, const char* end) : at_(at), end_(end) {}
    const nlattr* operator*() const { return at_; }
    Iterator& operator++() {
      at_ = mnl_attr_next(at_);
      return *this;
    }
    bool operator==(std::nullptr_t) const {
      return !mnl_attr_ok(at_, static_cast<int>(end_ - reinterpret_cast<const char*>(at_)));
    }

   private:
    const nlattr* at_;
    const char* end_;
  };
  [[nodiscard]] Iterator begin() const { return {at_, end_}; }
  [[nodiscard]] std::nullptr_t end() const { return nullptr; }

 private:
  const nlattr* at_;
  const char* end_;
};

/// The kernel's error number as an Error: ENOENT not_found, EEXIST and EBUSY conflict, EPERM denied, else unavailable.
[[nodiscard]] Error kernel_error(int number, const std::string& doing);

}  // namespace tipstaff
