#include "enforce/enforcer/own_addresses.h"

#include <arpa/inet.h>
#include <linux/rtnetlink.h>

#include <array>
#include <bit>
#include <cstring>
#include <optional>

namespace tipstaff {
namespace {

std::optional<IpAddress> address_of(const void* bytes, std::size_t size) {
  if (size == 4) {
    std::uint32_t value = 0;
    std::memcpy(&value, bytes, size);
    return IpAddress::v4(ntohl(value));
  }
  if (size == 16) {
    std::array<std::uint64_t, 2> value{};
    std::memcpy(value.data(), bytes, size);
    return IpAddress(std::byteswap(value[0]), std::byteswap(value[1]));
  }
  return std::nullopt;
}

void add(std::vector<IpNetwork>& all, const void* bytes, std::size_t size) {
  const auto address = address_of(bytes, size);
  if (address && *address != IpAddress() && *address != IpAddress::v4(0))
    all.emplace_back(*address, address->is_v4() ? 32 : 128);
}

// RTA_VIA: a gateway of the other family.
void add_via(std::vector<IpNetwork>& all, const nlattr* attribute) {
  const auto* const bytes = static_cast<const char*>(mnl_attr_get_payload(attribute));
  const std::size_t size = mnl_attr_get_payload_len(attribute);
  if (size > sizeof(rtvia)) add(all, bytes + sizeof(rtvia), size - sizeof(rtvia));
}

void add_gateway(std::vector<IpNetwork>& all, const nlattr* attribute) {
  const std::uint16_t type = mnl_attr_get_type(attribute);
  if (type == RTA_GATEWAY) add(all, mnl_attr_get_payload(attribute), mnl_attr_get_payload_len(attribute));
  if (type == RTA_VIA) add_via(all, attribute);
}

// A route over several ways: rtnexthop after rtnexthop, each with attributes of its own.
void add_ways(std::vector<IpNetwork>& all, const nlattr* attribute) {
  const auto* at = static_cast<const char*>(mnl_attr_get_payload(attribute));
  std::size_t left = mnl_attr_get_payload_len(attribute);
  while (left >= sizeof(rtnexthop)) {
    rtnexthop way{};
    std::memcpy(&way, at, sizeof way);
    if (way.rtnh_len < sizeof way || way.rtnh_len > left) return;
    for (const nlattr* const inner : Attributes(at + sizeof way, way.rtnh_len - sizeof way)) add_gateway(all, inner);
    const std::size_t step = std::min<std::size_t>(RTNH_ALIGN(way.rtnh_len), left);
    at += step;
    left -= step;
  }
}

void add_route(std::vector<IpNetwork>& all, const nlmsghdr& message) {
  const auto* const route = static_cast<const rtmsg*>(mnl_nlmsg_get_payload(&message));
  if (route->rtm_dst_len != 0 || route->rtm_type != RTN_UNICAST) return;
  for (const nlattr* const attribute : Attributes(message, sizeof(rtmsg))) {
    if (mnl_attr_get_type(attribute) == RTA_MULTIPATH) {
      add_ways(all, attribute);
    } else {
      add_gateway(all, attribute);
    }
  }
}

void add_interface(std::vector<IpNetwork>& all, const nlmsghdr& message) {
  const nlattr* address = nullptr;
  for (const nlattr* const attribute : Attributes(message, sizeof(ifaddrmsg))) {
    const std::uint16_t type = mnl_attr_get_type(attribute);
    // of a point-to-point link IFA_ADDRESS is the other end, IFA_LOCAL ours
    if (type == IFA_LOCAL || (type == IFA_ADDRESS && address == nullptr)) address = attribute;
  }
  if (address != nullptr) add(all, mnl_attr_get_payload(address), mnl_attr_get_payload_len(address));
}

}  // namespace

Result<OwnAddresses> OwnAddresses::open() {
  auto commands = NetlinkSocket::open(NETLINK_ROUTE);
  if (!commands) return std::unexpected(commands.error());
  auto events = NetlinkSocket::open(NETLINK_ROUTE,
                                    {RTNLGRP_IPV4_IFADDR, RTNLGRP_IPV6_IFADDR, RTNLGRP_IPV4_ROUTE, RTNLGRP_IPV6_ROUTE});
  if (!events) return std::unexpected(events.error());
  return OwnAddresses(std::move(*commands), std::move(*events));
}

Result<std::vector<IpNetwork>> OwnAddresses::read() {
  std::vector<IpNetwork> all;
  for (const std::uint16_t type : {RTM_GETADDR, RTM_GETROUTE}) {
    for (int tries = 5;; --tries) {
      NetlinkMessages request;
      nlmsghdr* const message = request.begin_plain(type, NLM_F_DUMP);
      if (type == RTM_GETADDR) {
        static_cast<ifaddrmsg*>(mnl_nlmsg_put_extra_header(message, sizeof(ifaddrmsg)))->ifa_family = AF_UNSPEC;
      } else {
        static_cast<rtmsg*>(mnl_nlmsg_put_extra_header(message, sizeof(rtmsg)))->rtm_family = AF_UNSPEC;
      }
      request.end();
      const auto read = commands_.dump(request, [&](const nlmsghdr& one) {
        if (one.nlmsg_type == RTM_NEWADDR && mnl_nlmsg_get_payload_len(&one) >= sizeof(ifaddrmsg))
          add_interface(all, one);
        if (one.nlmsg_type == RTM_NEWROUTE && mnl_nlmsg_get_payload_len(&one) >= sizeof(rtmsg)) add_route(all, one);
      });
      if (read) break;
      if (read.error().kind != ErrorKind::conflict || tries == 0) return std::unexpected(read.error());
    }
  }
  return all;
}

bool OwnAddresses::read_events() {
  bool changed = false;
  for (;;) {
    const auto heard = events_.hear([&](const nlmsghdr& message) {
      const bool route = message.nlmsg_type == RTM_NEWROUTE || message.nlmsg_type == RTM_DELROUTE;
      if (!route) {
        changed = true;
      } else if (mnl_nlmsg_get_payload_len(&message) >= sizeof(rtmsg) &&
                 static_cast<const rtmsg*>(mnl_nlmsg_get_payload(&message))->rtm_dst_len == 0) {
        changed = true;
      }
    });
    if (heard == NetlinkSocket::Heard::nothing) return changed;
    if (heard == NetlinkSocket::Heard::overflow) changed = true;
  }
}

}  // namespace tipstaff
