#include "lookup/own_addresses.h"

#include <arpa/inet.h>
#include <ifaddrs.h>
#include <netinet/in.h>

#include <array>
#include <memory>

namespace tipstaff {

std::vector<OwnAddress> own_addresses_by_interface() {
  std::vector<OwnAddress> all = {{IpNetwork(IpAddress::v4(0x7f000000), 8), "loopback"},
                                 {IpNetwork(IpAddress(0, 1), 128), "loopback"}};
  ifaddrs* list = nullptr;
  if (getifaddrs(&list) != 0) return all;
  const std::unique_ptr<ifaddrs, decltype(&freeifaddrs)> owner(list, &freeifaddrs);
  for (const ifaddrs* one = list; one != nullptr; one = one->ifa_next) {
    if (one->ifa_addr == nullptr) continue;
    std::array<char, INET6_ADDRSTRLEN> text{};
    const void* raw = nullptr;
    if (one->ifa_addr->sa_family == AF_INET) raw = &reinterpret_cast<const sockaddr_in*>(one->ifa_addr)->sin_addr;
    if (one->ifa_addr->sa_family == AF_INET6) raw = &reinterpret_cast<const sockaddr_in6*>(one->ifa_addr)->sin6_addr;
    if (raw == nullptr || inet_ntop(one->ifa_addr->sa_family, raw, text.data(), text.size()) == nullptr) continue;
    if (const auto network = IpNetwork::parse(text.data()); network && !network->address().is_loopback())
      all.push_back({*network, one->ifa_name == nullptr ? "" : one->ifa_name});
  }
  return all;
}

std::vector<IpNetwork> own_addresses() {
  std::vector<IpNetwork> all;
  for (const OwnAddress& one : own_addresses_by_interface()) all.push_back(one.network);
  return all;
}

}  // namespace tipstaff
