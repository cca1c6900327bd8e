#include "enforce/enforcer/nft_elements.h"

#include <arpa/inet.h>
#include <linux/netfilter.h>
#include <linux/netfilter/nf_tables.h>
#include <linux/netfilter/nfnetlink.h>

#include <algorithm>
#include <array>
#include <bit>
#include <cstring>

#include "enforce/enforcer/nft_layout.h"

namespace tipstaff::nft {
namespace {

// A list of elements is an attribute, whose length has 16 bits.
constexpr std::size_t kMostList = 60'000;
// User data are attributes of one byte type, one byte length (nft(8) passes over types that it does not know).
constexpr std::uint8_t kUntilType = 0x54;

std::uint64_t swapped(std::uint64_t value) { return std::byteswap(value); }

std::array<std::uint8_t, 24> bytes_of(IpAddress address, bool v6) {
  std::array<std::uint8_t, 24> bytes{};
  if (!v6) {
    const std::uint32_t value = htonl(static_cast<std::uint32_t>(address.low()));
    std::memcpy(bytes.data(), &value, sizeof value);
  } else {
    const std::array<std::uint64_t, 2> value{swapped(address.high()), swapped(address.low())};
    std::memcpy(bytes.data(), value.data(), sizeof value);
  }
  return bytes;
}

IpAddress address_of(const std::uint8_t* bytes, bool v6) {
  if (!v6) {
    std::uint32_t value = 0;
    std::memcpy(&value, bytes, sizeof value);
    return IpAddress::v4(ntohl(value));
  }
  std::array<std::uint64_t, 2> value{};
  std::memcpy(value.data(), bytes, sizeof value);
  return {swapped(value[0]), swapped(value[1])};
}

void put_value(nlmsghdr* message, std::uint16_t type, const void* bytes, std::size_t size) {
  nlattr* const data = mnl_attr_nest_start(message, type);
  mnl_attr_put(message, NFTA_DATA_VALUE, size, bytes);
  mnl_attr_nest_end(message, data);
}

void put_names(nlmsghdr* message, const std::string& set) {
  mnl_attr_put_strz(message, NFTA_SET_ELEM_LIST_TABLE, kTable);
  mnl_attr_put_strz(message, NFTA_SET_ELEM_LIST_SET, set.c_str());
}

}  // namespace

// --- writing -----------------------------------------------------------------------------------------------------------

ElementWriter::ElementWriter(NetlinkMessages& messages, std::uint16_t type, std::string set)
    : messages_(messages), type_(type), set_(std::move(set)) {}

ElementWriter::~ElementWriter() { close(); }

void ElementWriter::close() {
  if (message_ == nullptr) return;
  mnl_attr_nest_end(message_, list_);
  messages_.end();
  message_ = nullptr;
}

nlattr* ElementWriter::begin() {
  // a GET answers for one element only
  if (message_ != nullptr && (type_ == NFT_MSG_GETSETELEM || message_->nlmsg_len > kMostList)) close();
  if (message_ == nullptr) {
    message_ = messages_.begin(type_, type_ == NFT_MSG_NEWSETELEM ? NLM_F_CREATE : 0, NFPROTO_INET);
    put_names(message_, set_);
    list_ = mnl_attr_nest_start(message_, NFTA_SET_ELEM_LIST_ELEMENTS);
  }
  return mnl_attr_nest_start(message_, NFTA_LIST_ELEM);
}

void ElementWriter::end(nlattr* element) { mnl_attr_nest_end(message_, element); }

void ElementWriter::put_key(const BlockKey& key) {
  const BlockShape shape = shape_of(key);
  std::array<std::uint8_t, 24> bytes = bytes_of(key.network.address(), shape.v6);
  if (shape.service) {
    const std::size_t at = shape.v6 ? 16 : 4;
    bytes.at(at) = key.protocol;
    bytes.at(at + 4) = static_cast<std::uint8_t>(key.port >> 8U);
    bytes.at(at + 5) = static_cast<std::uint8_t>(key.port & 0xffU);
  }
  put_value(message_, NFTA_SET_ELEM_KEY, bytes.data(), key_size(shape));
}

void ElementWriter::key(const BlockKey& key) {
  nlattr* const element = begin();
  put_key(key);
  end(element);
}

void ElementWriter::block(const BlockKey& key, Instant until, Instant now) {
  nlattr* const element = begin();
  put_key(key);
  if (until != kForever) {
    const auto left = std::chrono::ceil<std::chrono::milliseconds>(std::max(until - now, Instant::duration(0)) + kNet);
    mnl_attr_put_u64(message_, NFTA_SET_ELEM_TIMEOUT, swapped(static_cast<std::uint64_t>(left.count())));
    std::array<std::uint8_t, 10> data{kUntilType, 8};
    const std::uint64_t end = swapped(static_cast<std::uint64_t>(until.time_since_epoch().count()));
    std::memcpy(data.data() + 2, &end, sizeof end);
    mnl_attr_put(message_, NFTA_SET_ELEM_USERDATA, data.size(), data.data());
  }
  end(element);
}

void ElementWriter::count(const BlockKey& key, std::uint64_t packets) {
  nlattr* const element = begin();
  put_key(key);
  nlattr* const expression = mnl_attr_nest_start(message_, NFTA_SET_ELEM_EXPR);
  mnl_attr_put_strz(message_, NFTA_EXPR_NAME, "counter");
  nlattr* const counter = mnl_attr_nest_start(message_, NFTA_EXPR_DATA);
  mnl_attr_put_u64(message_, NFTA_COUNTER_BYTES, 0);
  mnl_attr_put_u64(message_, NFTA_COUNTER_PACKETS, swapped(packets));
  mnl_attr_nest_end(message_, counter);
  mnl_attr_nest_end(message_, expression);
  end(element);
}

void ElementWriter::put_bound(IpAddress address, bool v6, bool is_end) {
  nlattr* const element = begin();
  const auto bytes = bytes_of(address, v6);
  put_value(message_, NFTA_SET_ELEM_KEY, bytes.data(), v6 ? 16 : 4);
  if (is_end) mnl_attr_put_u32(message_, NFTA_SET_ELEM_FLAGS, htonl(NFT_SET_ELEM_INTERVAL_END));
  end(element);
}

// The end of a range is the first address behind it; a range without one goes on to the family's last address.
void ElementWriter::range(IpAddress first, IpAddress last) {
  const bool v6 = !first.is_v4();
  put_bound(first, v6, false);
  const IpAddress next(last.high() + (last.low() == UINT64_MAX ? 1 : 0), last.low() + 1);
  if (v6 ? next > last : next.is_v4()) put_bound(next, v6, true);
}

void put_no_elements(NetlinkMessages& messages, const std::string& set) {
  nlmsghdr* const message = messages.begin(NFT_MSG_DELSETELEM, 0, NFPROTO_INET);
  put_names(message, set);
  messages.end();
}

void put_dump(NetlinkMessages& messages, const std::string& set) {
  nlmsghdr* const message = messages.begin(NFT_MSG_GETSETELEM, NLM_F_DUMP, NFPROTO_INET);
  put_names(message, set);
  messages.end();
}

// --- reading -----------------------------------------------------------------------------------------------------------

namespace {

const nlattr* child(const nlattr* nest, std::uint16_t type) {
  for (const nlattr* const attribute : Attributes(nest)) {
    if (mnl_attr_get_type(attribute) == type) return attribute;
  }
  return nullptr;
}

std::optional<std::uint64_t> number(const nlattr* attribute) {
  if (attribute == nullptr || mnl_attr_get_payload_len(attribute) != sizeof(std::uint64_t)) return std::nullopt;
  return swapped(mnl_attr_get_u64(attribute));
}

bool read_key(const nlattr* attribute, const BlockShape& shape, BlockKey& key) {
  const nlattr* const value = attribute == nullptr ? nullptr : child(attribute, NFTA_DATA_VALUE);
  if (value == nullptr || mnl_attr_get_payload_len(value) != key_size(shape)) return false;
  const auto* const bytes = static_cast<const std::uint8_t*>(mnl_attr_get_payload(value));
  const IpAddress address = address_of(bytes, shape.v6);
  if (address.is_v4() == shape.v6) return false;  // ::ffff:a.b.c.d in a set of IPv6
  key.network = IpNetwork(address, shape.bits);
  if (key.network.address() != address) return false;
  if (!shape.service) return true;
  const std::size_t at = shape.v6 ? 16 : 4;
  key.protocol = bytes[at];
  key.port = static_cast<std::uint16_t>(bytes[at + 4] << 8U | bytes[at + 5]);
  return (key.protocol == 6 || key.protocol == 17) && key.port != 0;
}

std::optional<std::uint64_t> read_packets(const nlattr* expression) {
  const nlattr* const data = child(expression, NFTA_EXPR_DATA);
  return data == nullptr ? std::nullopt : number(child(data, NFTA_COUNTER_PACKETS));
}

bool read_element(const nlattr* nest, const BlockShape& shape, Element& element) {
  bool keyed = false;
  for (const nlattr* const attribute : Attributes(nest)) {
    switch (mnl_attr_get_type(attribute)) {
      case NFTA_SET_ELEM_KEY:
        keyed = read_key(attribute, shape, element.key);
        break;
      case NFTA_SET_ELEM_EXPIRATION:
        if (const auto left = number(attribute))
          element.left = std::chrono::milliseconds(std::min(*left, UINT64_MAX / 2));
        break;
      case NFTA_SET_ELEM_EXPR:
        element.packets = read_packets(attribute).value_or(0);
        break;
      case NFTA_SET_ELEM_USERDATA:
        if (const auto* data = static_cast<const std::uint8_t*>(mnl_attr_get_payload(attribute));
            mnl_attr_get_payload_len(attribute) == 10 && data[0] == kUntilType && data[1] == 8) {
          std::uint64_t end = 0;
          std::memcpy(&end, data + 2, sizeof end);
          element.until = Instant(std::chrono::microseconds(static_cast<std::int64_t>(swapped(end) & INT64_MAX)));
        }
        break;
      default:
        break;
    }
  }
  return keyed;
}

}  // namespace

bool read_elements(const nlmsghdr& message, const BlockShape& shape, const std::function<void(const Element&)>& each) {
  bool good = true;
  for (const nlattr* const attribute : Attributes(message, sizeof(nfgenmsg))) {
    if (mnl_attr_get_type(attribute) != NFTA_SET_ELEM_LIST_ELEMENTS) continue;
    for (const nlattr* const nest : Attributes(attribute)) {
      Element element;
      if (read_element(nest, shape, element)) {
        each(element);
      } else {
        good = false;
      }
    }
  }
  return good;
}

}  // namespace tipstaff::nft
