#include "enforce/message.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <chrono>
#include <concepts>
#include <limits>
#include <utility>

namespace tipstaff {
namespace {

constexpr std::uint8_t kVersion = 1;
constexpr std::size_t kHeader = 16;
constexpr std::size_t kEntry = 40;
static_assert(kHeader + Message::kMostEntries * kEntry + Message::kMostText <= kMostPacket);

constexpr std::uint8_t kEvents = 1;
constexpr std::uint8_t kFirst = 2;

/// 9999-12-31T23:59:59.999999Z: the last time that RFC 3339 can write.
constexpr std::int64_t kLatest = 253'402'300'799'999'999;

// What a message of each type may carry; nothing else passes. Unused fields of entries are zero.
struct Shape {
  std::uint8_t flags = 0;
  bool entries = false;
  bool services = false;  // entries may name a port
  bool until = false;     // entries have an end
  bool told = false;      // entries have a counter and a result
  bool text = false;
};

constexpr Shape kHello{.flags = kEvents};
constexpr Shape kBlock{.entries = true, .services = true, .until = true};
constexpr Shape kUnblock{.entries = true, .services = true};
constexpr Shape kAllow{.flags = kFirst, .entries = true};
constexpr Shape kBare{};
constexpr Shape kDone{.entries = true, .services = true, .until = true, .told = true, .text = true};
constexpr Shape kText{.text = true};
constexpr Shape kTold{.entries = true, .services = true, .until = true, .told = true};

constexpr const Shape* shape_of(std::uint8_t type) {
  switch (static_cast<MessageType>(type)) {
    case MessageType::hello:
      return &kHello;
    case MessageType::block:
      return &kBlock;
    case MessageType::unblock:
      return &kUnblock;
    case MessageType::allow:
      return &kAllow;
    case MessageType::list:
    case MessageType::status:
    case MessageType::clear:
      return &kBare;
    case MessageType::done:
      return &kDone;
    case MessageType::denied:
    case MessageType::repaired:
      return &kText;
    case MessageType::blocks:
    case MessageType::ended:
      return &kTold;
  }
  return nullptr;
}

// --- bytes: the highest first -----------------------------------------------------------------------------------------

template <std::unsigned_integral Number>
void put(std::string& out, Number value) {
  for (unsigned shift = sizeof(Number) * 8; shift > 0; shift -= 8) {
    out += static_cast<char>((std::uint64_t{value} >> (shift - 8)) & 0xffU);
  }
}

template <std::unsigned_integral Number>
Number get(std::string_view bytes, std::size_t at) {
  std::uint64_t value = 0;
  for (std::size_t i = 0; i < sizeof(Number); ++i) value = value << 8U | static_cast<unsigned char>(bytes[at + i]);
  return static_cast<Number>(value);
}

std::uint64_t number_of(Instant until) {
  if (until == kForever) return std::numeric_limits<std::int64_t>::max();
  const std::int64_t count = until.time_since_epoch().count();
  if (count > kLatest) return std::numeric_limits<std::int64_t>::max();
  return static_cast<std::uint64_t>(std::max<std::int64_t>(count, 0));
}

bool is_control(char c) { return static_cast<unsigned char>(c) < 0x20 || c == 0x7f; }

void put_entry(std::string& out, const Entry& entry, const Shape& shape) {
  const bool service = shape.services && entry.key.is_service();
  put(out, entry.key.network.address().high());
  put(out, entry.key.network.address().low());
  put(out, static_cast<std::uint8_t>(entry.key.network.bits()));
  put(out, service ? entry.key.protocol : std::uint8_t{0});
  put(out, service ? entry.key.port : std::uint16_t{0});
  put(out, shape.told ? static_cast<std::uint8_t>(entry.result) : std::uint8_t{0});
  out.append(3, '\0');
  put(out, shape.until ? number_of(entry.until) : std::uint64_t{0});
  put(out, shape.told ? entry.dropped : std::uint64_t{0});
}

std::unexpected<Error> malformed(const std::string& what) {
  return fail(ErrorKind::invalid, "malformed packet: " + what);
}

// The first thing that is wrong with an entry; nullptr: nothing.
const char* fault_of(std::string_view bytes, const Shape& shape, Entry& entry) {
  const IpAddress address(get<std::uint64_t>(bytes, 0), get<std::uint64_t>(bytes, 8));
  const auto bits = get<std::uint8_t>(bytes, 16);
  if (bits > (address.is_v4() ? 32 : 128)) return "prefix length";
  entry.key.network = IpNetwork(address, bits);
  if (entry.key.network.address() != address) return "address has bits beyond its prefix length";
  entry.key.protocol = get<std::uint8_t>(bytes, 17);
  entry.key.port = get<std::uint16_t>(bytes, 18);
  if (entry.key.protocol != 0 && entry.key.protocol != 6 && entry.key.protocol != 17) return "protocol";
  if ((entry.key.protocol == 0) != (entry.key.port == 0)) return "protocol and port";
  if (entry.key.is_service() && !shape.services) return "a port where none belongs";
  const auto result = get<std::uint8_t>(bytes, 20);
  if (result > static_cast<std::uint8_t>(EntryResult::full)) return "result";
  entry.result = static_cast<EntryResult>(result);
  if (bytes.substr(21, 3) != std::string_view("\0\0\0", 3)) return "reserved bytes of an entry";
  const auto until = get<std::uint64_t>(bytes, 24);
  if (until == std::uint64_t{std::numeric_limits<std::int64_t>::max()}) {
    entry.until = kForever;
  } else if (until <= std::uint64_t{kLatest}) {
    entry.until = Instant(std::chrono::microseconds(static_cast<std::int64_t>(until)));
  } else {
    return "until";
  }
  if (until != 0 && !shape.until) return "an end where none belongs";
  entry.dropped = get<std::uint64_t>(bytes, 32);
  if ((entry.dropped != 0 || result != 0) && !shape.told) return "a counter or result where none belongs";
  return nullptr;
}

}  // namespace

std::string encode(const Message& message) {
  const auto type = static_cast<std::uint8_t>(message.type);
  const Shape* const known = shape_of(type);
  const Shape shape = known == nullptr ? Shape() : *known;
  const std::size_t count = shape.entries ? std::min(message.entries.size(), Message::kMostEntries) : 0;
  const std::size_t size = shape.text ? std::min(message.text.size(), Message::kMostText) : 0;
  std::string out;
  out.reserve(kHeader + count * kEntry + size);
  put(out, kVersion);
  put(out, type);
  const unsigned flags = (message.events ? kEvents : 0U) | (message.first ? kFirst : 0U);
  put(out, static_cast<std::uint8_t>(flags & shape.flags));
  put(out, std::uint8_t{0});
  put(out, message.sequence);
  put(out, static_cast<std::uint16_t>(count));
  put(out, static_cast<std::uint16_t>(size));
  put(out, std::uint32_t{0});
  for (std::size_t i = 0; i < count; ++i) put_entry(out, message.entries[i], shape);
  for (const char c : std::string_view(message.text).substr(0, size)) out += is_control(c) ? ' ' : c;
  return out;
}

Result<Message> decode(std::string_view packet) {
  if (packet.size() < kHeader) return malformed(fmt::format("{} bytes are no header", packet.size()));
  if (const auto version = get<std::uint8_t>(packet, 0); version != kVersion) {
    return malformed(fmt::format("version {}; this program speaks {}", version, kVersion));
  }
  const auto type = get<std::uint8_t>(packet, 1);
  const Shape* const shape = shape_of(type);
  if (shape == nullptr) return malformed(fmt::format("type {}", type));
  Message message;
  message.type = static_cast<MessageType>(type);
  const auto flags = get<std::uint8_t>(packet, 2);
  if ((flags & ~unsigned{shape->flags}) != 0) return malformed(fmt::format("flags {} of type {}", flags, type));
  message.events = (flags & kEvents) != 0;
  message.first = (flags & kFirst) != 0;
  message.sequence = get<std::uint32_t>(packet, 4);
  const std::size_t count = get<std::uint16_t>(packet, 8);
  const std::size_t size = get<std::uint16_t>(packet, 10);
  if (get<std::uint8_t>(packet, 3) != 0 || get<std::uint32_t>(packet, 12) != 0) {
    return malformed("reserved bytes of the header");
  }
  if (count > (shape->entries ? Message::kMostEntries : 0)) {
    return malformed(fmt::format("{} entries of type {}", count, type));
  }
  if (size > (shape->text ? Message::kMostText : 0)) {
    return malformed(fmt::format("{} bytes of text of type {}", size, type));
  }
  if (packet.size() != kHeader + count * kEntry + size) {
    return malformed(fmt::format("{} bytes where the header says {}", packet.size(), kHeader + count * kEntry + size));
  }
  message.entries.resize(count);
  for (std::size_t i = 0; i < count; ++i) {
    const char* const fault = fault_of(packet.substr(kHeader + i * kEntry, kEntry), *shape, message.entries[i]);
    if (fault != nullptr) return malformed(fmt::format("entry {}: {}", i, fault));
  }
  const std::string_view text = packet.substr(packet.size() - size);
  if (std::ranges::any_of(text, is_control)) return malformed("control characters in the text");
  message.text = text;
  return message;
}

}  // namespace tipstaff
