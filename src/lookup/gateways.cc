// Columns: proc(5) and the kernel's fib_trie.c, ipv6_route_seq_show. IPv4 addresses stand there as the machine keeps them
// in memory, in hexadecimal; IPv6 in network order.
#include "lookup/gateways.h"

#include <arpa/inet.h>
#include <net/route.h>

#include <charconv>
#include <fstream>
#include <optional>

namespace tipstaff {
namespace {

constexpr std::size_t kMostRead = 4U << 20U;  // a router of the internet's core has far longer tables

std::string read_some(const char* path) {
  std::ifstream file(path);
  std::string text(kMostRead, '\0');
  file.read(text.data(), static_cast<std::streamsize>(text.size()));
  text.resize(static_cast<std::size_t>(file.gcount()));
  return text;
}

std::vector<std::string_view> words_of(std::string_view line) {
  std::vector<std::string_view> words;
  while (true) {
    const std::size_t begin = line.find_first_not_of(" \t");
    if (begin == std::string_view::npos) return words;
    line.remove_prefix(begin);
    const std::size_t end = std::min(line.find_first_of(" \t"), line.size());
    words.push_back(line.substr(0, end));
    line.remove_prefix(end);
  }
}

template <class Number>
std::optional<Number> hex(std::string_view text) {
  Number value = 0;
  const auto [stop, error] = std::from_chars(text.data(), text.data() + text.size(), value, 16);
  if (error != std::errc() || stop != text.data() + text.size() || text.empty()) return std::nullopt;
  return value;
}

template <class Each>
void each_line(std::string_view text, Each each) {
  while (!text.empty()) {
    const std::size_t end = std::min(text.find('\n'), text.size());
    each(words_of(text.substr(0, end)));
    text.remove_prefix(std::min(end + 1, text.size()));
  }
}

constexpr unsigned kUpGateway = RTF_UP | RTF_GATEWAY;

}  // namespace

std::vector<Gateway> gateways_of_ipv4(std::string_view table) {
  std::vector<Gateway> all;
  each_line(table, [&all](const std::vector<std::string_view>& words) {
    if (words.size() < 8 || all.size() >= kMostGateways) return;  // Iface Destination Gateway Flags ... Mask
    const auto destination = hex<std::uint32_t>(words[1]);
    const auto gateway = hex<std::uint32_t>(words[2]);
    const auto flags = hex<unsigned>(words[3]);
    const auto mask = hex<std::uint32_t>(words[7]);
    if (!destination || !gateway || !flags || !mask) return;
    if (*destination != 0 || *mask != 0 || *gateway == 0 || (*flags & kUpGateway) != kUpGateway) return;
    all.push_back({IpAddress::v4(ntohl(*gateway)), std::string(words[0])});
  });
  return all;
}

std::vector<Gateway> gateways_of_ipv6(std::string_view table) {
  std::vector<Gateway> all;
  each_line(table, [&all](const std::vector<std::string_view>& words) {
    // destination, its length, source, its length, next hop, metric, users, uses, flags, interface
    if (words.size() < 10 || all.size() >= kMostGateways || words[4].size() != 32) return;
    const auto length = hex<unsigned>(words[1]);
    const auto high = hex<std::uint64_t>(words[4].substr(0, 16));
    const auto low = hex<std::uint64_t>(words[4].substr(16));
    const auto flags = hex<std::uint32_t>(words[8]);
    if (!length || !high || !low || !flags) return;
    if (*length != 0 || (*high == 0 && *low == 0) || (*flags & kUpGateway) != kUpGateway) return;
    all.push_back({IpAddress(*high, *low), std::string(words[9])});
  });
  return all;
}

std::vector<Gateway> default_gateways() {
  std::vector<Gateway> all = gateways_of_ipv4(read_some("/proc/net/route"));
  for (Gateway& one : gateways_of_ipv6(read_some("/proc/net/ipv6_route"))) all.push_back(std::move(one));
  return all;
}

}  // namespace tipstaff
