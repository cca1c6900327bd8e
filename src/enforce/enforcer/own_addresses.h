// The addresses that this machine must never shut: its own, and its default gateways. Asked of the kernel through rtnetlink,
// which also says when they change.
#pragma once

#include <vector>

#include "base/address.h"
#include "base/result.h"
#include "enforce/enforcer/netlink.h"

namespace tipstaff {

class OwnAddresses {
 public:
  [[nodiscard]] static Result<OwnAddresses> open();

  /// Addresses of all interfaces, and the gateways of default routes in all routing tables.
  Result<std::vector<IpNetwork>> read();
  /// Readable when something changed.
  [[nodiscard]] int event_file() const { return events_.file(); }
  /// Reads all events that wait; true: addresses or default routes changed, or events were lost.
  bool read_events();

 private:
  OwnAddresses(NetlinkSocket commands, NetlinkSocket events)
      : commands_(std::move(commands)), events_(std::move(events)) {}
  NetlinkSocket commands_;
  NetlinkSocket events_;
};

}  // namespace tipstaff
