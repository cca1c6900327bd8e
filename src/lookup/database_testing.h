// Makes small databases for tests, in both formats, from a list of networks. Not part of the program.
#pragma once

#include <algorithm>
#include <cstdint>
#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "base/address.h"
#include "lookup/network_database.h"

namespace tipstaff::testing_lookup {

struct TestNetwork {
  std::string network;
  std::string country;
  std::uint32_t as_number = 0;
  std::string as_name;
  NetworkFlags flags;
};

/// 2026-01-02T03:04:05Z.
inline constexpr std::uint64_t kTestDate = 1'767'323'045;

inline std::string big_endian(std::uint64_t value, unsigned bytes) {
  std::string out;
  for (unsigned i = bytes; i > 0; --i) out += static_cast<char>(value >> (8 * (i - 1)) & 0xffU);
  return out;
}

/// A binary tree over 128 bits; `network`: index into the list, or -1.
struct TestTree {
  struct Node {
    std::size_t child[2] = {0, 0};  // 0: none
    int network = -1;
  };
  std::vector<Node> nodes = std::vector<Node>(1);

  void put(IpAddress address, unsigned bits, int network) {
    std::size_t at = 0;
    for (unsigned i = 0; i < bits; ++i) {
      const unsigned side = bit_of(address, i);
      if (nodes[at].child[side] == 0) {
        nodes[at].child[side] = nodes.size();
        nodes.emplace_back();
      }
      at = nodes[at].child[side];
    }
    nodes[at].network = network;
  }
};

/// `page`: what tables begin at multiples of; 128 at least.
inline std::string libloc_bytes(const std::vector<TestNetwork>& networks, std::uint64_t created = kTestDate,
                                std::size_t page = 4096) {
  TestTree tree;
  std::string pool("Testers\0A test\0None\0", 20);
  std::map<std::uint32_t, std::uint64_t> names;
  std::string records;
  for (std::size_t i = 0; i < networks.size(); ++i) {
    const TestNetwork& one = networks[i];
    const IpNetwork network = *IpNetwork::parse(one.network);
    tree.put(network.address(), network.address().is_v4() ? network.bits() + 96 : network.bits(), static_cast<int>(i));
    if (one.as_number != 0 && names.emplace(one.as_number, pool.size()).second) pool += one.as_name + '\0';
    const unsigned flags = (one.flags.anonymous_proxy ? 1U : 0U) | (one.flags.satellite ? 2U : 0U) |
                           (one.flags.anycast ? 4U : 0U) | (one.flags.drop ? 8U : 0U);
    records += one.country.empty() ? std::string(2, '\0') : one.country;
    records += std::string(2, '\0') + big_endian(one.as_number, 4) + big_endian(flags, 2) + std::string(2, '\0');
  }
  std::string ases;
  for (const auto& [number, name] : names) ases += big_endian(number, 4) + big_endian(name, 4);
  std::string nodes;
  for (const TestTree::Node& node : tree.nodes) {
    nodes += big_endian(node.child[0], 4) + big_endian(node.child[1], 4) +
             big_endian(node.network < 0 ? ~0U : static_cast<std::uint32_t>(node.network), 4);
  }
  std::string head("LOCDBXX\x01", 8);
  head += big_endian(created, 8) + big_endian(0, 4) + big_endian(8, 4) + big_endian(15, 4);
  std::string body;
  const std::string countries;
  for (const std::string& bytes : {ases, records, nodes, countries, pool}) {
    head += big_endian(2 * page + body.size(), 4) + big_endian(bytes.size(), 4);
    body += bytes;
    body.resize((body.size() + page - 1) / page * page);
  }
  head.resize(2 * page);
  return head + body;
}

/// Values of MaxMind's format.
inline std::string mmdb_control(unsigned kind, std::size_t size) {
  std::string out;
  const unsigned first = kind < 8 ? kind << 5U : 0;
  const std::size_t low = size < 29 ? size : size < 285 ? 29 : 30;
  out += static_cast<char>(first | low);
  if (kind >= 8) out += static_cast<char>(kind - 7);
  if (low == 29) out += big_endian(size - 29, 1);
  if (low == 30) out += big_endian(size - 285, 2);
  return out;
}
inline std::string mmdb_text(std::string_view text) { return mmdb_control(2, text.size()) + std::string(text); }
inline std::string mmdb_number(unsigned kind, std::uint64_t value, unsigned bytes) {
  return mmdb_control(kind, bytes) + big_endian(value, bytes);
}

/// `pointers`: the texts of keys stand once, and are pointed to.
inline std::string mmdb_bytes(const std::vector<TestNetwork>& networks, unsigned record_bits = 24, bool v6 = true,
                              bool pointers = false, std::uint64_t created = kTestDate) {
  TestTree tree;
  std::string data = mmdb_text("country") + mmdb_text("iso_code");
  const auto key = [&](std::string_view text) {
    if (!pointers) return mmdb_text(text);
    return std::string{'\x20', text == "country" ? '\0' : '\x08'};
  };
  std::vector<std::size_t> places;
  for (std::size_t i = 0; i < networks.size(); ++i) {
    const TestNetwork& one = networks[i];
    const IpNetwork network = *IpNetwork::parse(one.network);
    const bool v4 = network.address().is_v4();
    const IpAddress at = v4 && v6 ? IpAddress(0, network.address().low() & 0xffffffffU)
                         : v4     ? IpAddress(network.address().low() << 32U, 0)
                                  : network.address();
    tree.put(at, v4 && v6 ? network.bits() + 96 : network.bits(), static_cast<int>(i));
    places.push_back(data.size());
    const bool flagged = one.flags != NetworkFlags();
    data += mmdb_control(7, (one.country.empty() ? 0U : 1U) + (one.as_number != 0 ? 2U : 0U) + (flagged ? 1U : 0U));
    if (flagged) {
      data += mmdb_text("traits") + mmdb_control(7, 3) + mmdb_text("is_anonymous_proxy") +
              mmdb_control(14, one.flags.anonymous_proxy ? 1 : 0) + mmdb_text("is_satellite_provider") +
              mmdb_control(14, one.flags.satellite ? 1 : 0) + mmdb_text("is_anycast") +
              mmdb_control(14, one.flags.anycast ? 1 : 0);
    }
    if (!one.country.empty())
      data += key("country") + mmdb_control(7, 2) + mmdb_text("names") + mmdb_control(7, 1) + mmdb_text("en") +
              mmdb_text("Somewhere") + key("iso_code") + mmdb_text(one.country);
    if (one.as_number != 0)
      data += mmdb_text("autonomous_system_number") + mmdb_number(6, one.as_number, 4) +
              mmdb_text("autonomous_system_organization") + mmdb_text(one.as_name);
  }
  // Leaves have no node of their own; what a network leaves open below it is filled with it.
  struct Work {
    std::size_t node;
    int network;
  };
  std::vector<std::size_t> number(tree.nodes.size(), 0);
  std::vector<Work> order{{0, tree.nodes[0].network}};
  for (std::size_t i = 0; i < order.size(); ++i) {
    number[order[i].node] = i;
    for (const std::size_t child : tree.nodes[order[i].node].child) {
      const TestTree::Node& below = tree.nodes[child];
      if (child == 0 || (below.child[0] == 0 && below.child[1] == 0)) continue;
      order.push_back({child, below.network >= 0 ? below.network : order[i].network});
    }
  }
  std::string nodes;
  const std::size_t count = order.size();
  for (const Work& work : order) {
    std::uint64_t record[2];
    for (unsigned side = 0; side < 2; ++side) {
      const std::size_t child = tree.nodes[work.node].child[side];
      const TestTree::Node& below = tree.nodes[child];
      const bool leaf = child == 0 || (below.child[0] == 0 && below.child[1] == 0);
      const int network = child != 0 && below.network >= 0 ? below.network : work.network;
      record[side] = !leaf         ? number[child]
                     : network < 0 ? count
                                   : count + 16 + places[static_cast<std::size_t>(network)];
    }
    if (record_bits == 28) {
      nodes += big_endian(record[0] & 0xffffffU, 3);
      nodes += static_cast<char>((record[0] >> 24U & 0xfU) << 4U | (record[1] >> 24U & 0xfU));
      nodes += big_endian(record[1] & 0xffffffU, 3);
    } else {
      nodes += big_endian(record[0], record_bits / 8) + big_endian(record[1], record_bits / 8);
    }
  }
  std::string meta("\xab\xcd\xefMaxMind.com");
  meta += mmdb_control(7, 9) + mmdb_text("binary_format_major_version") + mmdb_number(5, 2, 1) +
          mmdb_text("binary_format_minor_version") + mmdb_number(5, 0, 1) + mmdb_text("build_epoch") +
          mmdb_number(9, created, 8) + mmdb_text("database_type") + mmdb_text("Test-Country") +
          mmdb_text("description") + mmdb_control(7, 1) + mmdb_text("en") + mmdb_text("A test") +
          mmdb_text("ip_version") + mmdb_number(5, v6 ? 6 : 4, 1) + mmdb_text("languages") + mmdb_control(11, 1) +
          mmdb_text("en") + mmdb_text("node_count") + mmdb_number(6, count, 4) + mmdb_text("record_size") +
          mmdb_number(5, record_bits, 1);
  return nodes + std::string(16, '\0') + data + meta;
}

/// What the tests' databases hold.
inline std::vector<TestNetwork> test_networks() {
  return {{"192.0.2.0/24", "XA", 64500, "Example Net", {}},
          {"192.0.2.128/25", "XB", 64501, "Second Net", {.anycast = true}},
          {"198.51.100.0/24", "XX", 64502, "PARLIAMENT-NET", {}},
          {"203.0.113.0/24", "XC", 0, "", {}},
          {"203.0.113.77/32", "", 64500, "Example Net", {}},
          {"203.0.113.240/28", "XC", 64503, "Bad Net", {.anonymous_proxy = true, .satellite = true}},
          {"2001:db8::/32", "XA", 64500, "Example Net", {}},
          {"2001:db8:77::/48", "XB", 64501, "Second Net", {}}};
}

}  // namespace tipstaff::testing_lookup
