// Opens the sockets that the guard listens at and puts what the system says against it into sentences that tell what to
// do. Also what the system calls around such a socket need: its senders' addresses.
#pragma once

#include <sys/socket.h>

#include <cstdint>
#include <optional>
#include <string>

#include "base/address.h"
#include "base/result.h"
#include "sources/syslog_options.h"

namespace tipstaff {

/// A file descriptor that closes itself.
class OwnedDescriptor {
 public:
  explicit OwnedDescriptor(int descriptor = -1) : descriptor_(descriptor) {}
  OwnedDescriptor(OwnedDescriptor&& other) noexcept : descriptor_(other.release()) {}
  OwnedDescriptor& operator=(OwnedDescriptor&&) = delete;
  OwnedDescriptor(const OwnedDescriptor&) = delete;
  OwnedDescriptor& operator=(const OwnedDescriptor&) = delete;
  ~OwnedDescriptor();

  [[nodiscard]] int get() const { return descriptor_; }
  [[nodiscard]] int release();

 private:
  int descriptor_;
};

/// A bound socket that does not block; it listens where its kind can. A Unix socket has the mode 0660; one that nobody
/// listens at any more is replaced. Errors: conflict (taken), denied, not_found (folder), unavailable.
[[nodiscard]] Result<OwnedDescriptor> open_listener(const SyslogOptions& options);

/// None where it is no IP address.
[[nodiscard]] std::optional<IpAddress> address_of(const sockaddr_storage& from);

/// The port it is bound to; 0: none.
[[nodiscard]] std::uint16_t port_of(int descriptor);

}  // namespace tipstaff
