#include "ledger/encode.h"

#include <zstd.h>

#include <memory>

namespace tipstaff {
namespace {

constexpr std::size_t kMostUnpacked = 256U << 20U;
constexpr int kLevel = 1;  // levels 1 and 3 differ by a tenth in size on log lines, and by half in time

void put_optional(std::string& out, const std::optional<Instant>& time) {
  put_number(out, time ? 1 : 0);
  if (time) put_signed(out, to_micros(*time));
}

void put_key(std::string& out, const AttemptKey& key) {
  put_text(out, key.source);
  put_number(out, key.generation);
  put_number(out, key.offset);
  put_number(out, key.index);
}

}  // namespace

void put_number(std::string& out, std::uint64_t value) {
  while (value >= 0x80) {
    out += static_cast<char>(0x80U | (value & 0x7fU));
    value >>= 7U;
  }
  out += static_cast<char>(value);
}

void put_signed(std::string& out, std::int64_t value) {
  put_number(out, (static_cast<std::uint64_t>(value) << 1U) ^ static_cast<std::uint64_t>(value >> 63U));
}

void put_text(std::string& out, std::string_view text) {
  put_number(out, text.size());
  out += text;
}

std::uint64_t ByteReader::number() {
  std::uint64_t value = 0;
  for (unsigned shift = 0; ok_ && shift < 64; shift += 7) {
    if (rest_.empty()) break;
    const auto byte = static_cast<unsigned char>(rest_.front());
    rest_.remove_prefix(1);
    value |= std::uint64_t{byte & 0x7fU} << shift;
    if (byte < 0x80) return value;
  }
  ok_ = false;
  rest_ = {};
  return 0;
}

std::int64_t ByteReader::signed_number() {
  const std::uint64_t value = number();
  return static_cast<std::int64_t>((value >> 1U) ^ (0 - (value & 1U)));
}

std::string_view ByteReader::text() {
  const std::uint64_t size = number();
  if (size > rest_.size()) {
    ok_ = false;
    rest_ = {};
    return {};
  }
  const std::string_view text = rest_.substr(0, size);
  rest_.remove_prefix(size);
  return text;
}

std::string to_bytes(IpAddress address) {
  std::string bytes;
  for (const std::uint64_t half : {address.high(), address.low()}) {
    for (unsigned shift = 64; shift > 0; shift -= 8) bytes += static_cast<char>((half >> (shift - 8)) & 0xffU);
  }
  return bytes;
}

std::string to_bytes(const IpNetwork& network) {
  const unsigned bits = network.bits() + (network.address().is_v4() ? 96 : 0);
  return to_bytes(network.address()) + static_cast<char>(bits);
}

std::optional<IpAddress> address_of(std::string_view bytes) {
  if (bytes.size() != 16) return std::nullopt;
  std::uint64_t halves[2] = {0, 0};
  for (std::size_t i = 0; i < 16; ++i) halves[i / 8] = halves[i / 8] << 8U | static_cast<unsigned char>(bytes[i]);
  return IpAddress(halves[0], halves[1]);
}

std::optional<IpNetwork> network_of(std::string_view bytes) {
  if (bytes.size() != 17) return std::nullopt;
  const auto address = address_of(bytes.substr(0, 16));
  const unsigned bits = static_cast<unsigned char>(bytes[16]);
  const unsigned own = address->is_v4() && bits >= 96 ? bits - 96 : bits;
  if (bits > 128 || (address->is_v4() && bits < 96)) return std::nullopt;
  return IpNetwork(*address, own);
}

std::int64_t to_micros(Instant time) { return time.time_since_epoch().count(); }
Instant from_micros(std::int64_t micros) { return Instant(std::chrono::microseconds(micros)); }

void put_canonical(std::string& out, const AttemptRow& row, std::string_view account) {
  out += 'a';
  put_key(out, row.key);
  put_number(out, row.version);
  put_number(out, row.withdrawn ? 1 : 0);
  put_number(out, static_cast<std::uint64_t>(row.outcome));
  put_text(out, row.address ? to_bytes(*row.address) : std::string());
  put_number(out, row.port);
  put_number(out, row.count);
  put_number(out, row.account ? 1 : 0);
  put_text(out, account);
  for (const std::string* text : {&row.service, &row.detector, &row.origin, &row.extra, &row.host})
    put_text(out, *text);
  put_optional(out, row.time);
  put_signed(out, to_micros(row.window_time));
  put_number(out, row.raw.size());
  for (const auto& line : row.raw) put_text(out, line);
}

void put_canonical(std::string& out, const VerdictRow& row, std::string_view account) {
  out += 'v';
  put_key(out, row.cause);
  put_number(out, static_cast<std::uint64_t>(row.kind));
  put_number(out, row.watch_only ? 1 : 0);
  put_text(out, row.rule);
  put_text(out, row.network ? to_bytes(*row.network) : std::string());
  put_number(out, row.account ? 1 : 0);
  put_text(out, account);
  put_text(out, row.service);
  put_text(out, row.host);
  put_signed(out, to_micros(row.at));
  put_optional(out, row.until);
  put_number(out, row.attempts.size());
  for (const auto& key : row.attempts) put_key(out, key);
  // Rows of the ledger's first form had none of these, and their digests hold.
  if (row.by.empty() && row.why.empty() && row.dropped == 0 && row.counter == 0) return;
  put_text(out, row.by);
  put_text(out, row.why);
  put_number(out, row.dropped);
  put_number(out, row.counter);
}

void put_canonical(std::string& out, const EventRow& row, std::string_view detail) {
  out += 'e';
  put_text(out, row.kind);
  put_signed(out, to_micros(row.at));
  put_text(out, row.source);
  put_text(out, row.text);
  put_text(out, detail);
}

std::string pack_keys(const std::vector<AttemptKey>& keys) {
  std::string out;
  const std::string* before = nullptr;
  for (const auto& key : keys) {
    const bool same = before != nullptr && *before == key.source;  // no source has an empty name
    put_text(out, same ? std::string_view() : std::string_view(key.source));
    put_number(out, key.generation);
    put_number(out, key.offset);
    put_number(out, key.index);
    before = &key.source;
  }
  return out;
}

std::vector<AttemptKey> unpack_keys(std::string_view bytes) {
  std::vector<AttemptKey> keys;
  ByteReader in(bytes);
  while (in.ok() && !in.at_end()) {
    AttemptKey key;
    key.source = in.text();
    if (key.source.empty() && !keys.empty()) key.source = keys.back().source;
    key.generation = in.number();
    key.offset = in.number();
    key.index = static_cast<std::uint32_t>(in.number());
    if (in.ok()) keys.push_back(std::move(key));
  }
  return keys;
}

std::string pack_ids(const std::vector<std::uint64_t>& ids) {
  std::string out;
  std::uint64_t before = 0;
  for (const std::uint64_t id : ids) {
    put_number(out, id - before);
    before = id;
  }
  return out;
}

std::vector<std::uint64_t> unpack_ids(std::string_view bytes) {
  std::vector<std::uint64_t> ids;
  ByteReader in(bytes);
  std::uint64_t at = 0;
  while (in.ok() && !in.at_end()) {
    at += in.number();
    if (in.ok()) ids.push_back(at);
  }
  return ids;
}

std::string pack_lines(const RawLines& lines) {
  std::string plain;
  for (const auto& of_one : lines) {
    put_number(plain, of_one.size());
    for (const auto& line : of_one) put_text(plain, line);
  }
  thread_local const std::unique_ptr<ZSTD_CCtx, decltype(&ZSTD_freeCCtx)> context(ZSTD_createCCtx(), ZSTD_freeCCtx);
  std::string block(ZSTD_compressBound(plain.size()), '\0');
  const std::size_t size =
      ZSTD_compressCCtx(context.get(), block.data(), block.size(), plain.data(), plain.size(), kLevel);
  block.resize(ZSTD_isError(size) != 0 ? 0 : size);
  return block;
}

namespace {

// Calls `use(attempt, line)` for each line, line by line.
template <class Use>
Result<std::uint64_t> each_line(std::string_view block, Use&& use) {
  const auto bad = [] { return fail(ErrorKind::corrupt, "a block of raw lines is damaged"); };
  const unsigned long long size = ZSTD_getFrameContentSize(block.data(), block.size());
  if (size > kMostUnpacked) return bad();  // the two error values are the largest numbers
  std::string plain(size, '\0');
  const std::size_t got = ZSTD_decompress(plain.data(), plain.size(), block.data(), block.size());
  if (ZSTD_isError(got) != 0 || got != plain.size()) return bad();
  std::uint64_t attempt = 0;
  ByteReader in(plain);
  for (; !in.at_end(); ++attempt) {
    for (std::uint64_t count = in.number(); count > 0 && in.ok(); --count) {
      const std::string_view line = in.text();
      if (in.ok()) use(attempt, line);
    }
    if (!in.ok()) return bad();
  }
  return attempt;
}

}  // namespace

Result<RawLines> unpack_lines(std::string_view block) {
  RawLines lines;
  const auto attempts = each_line(block, [&](std::uint64_t attempt, std::string_view line) {
    if (lines.size() <= attempt) lines.resize(attempt + 1);
    lines[attempt].emplace_back(line);
  });
  if (!attempts) return std::unexpected(attempts.error());
  lines.resize(*attempts);
  return lines;
}

Result<RawLines> unpack_lines(std::string_view block, const std::vector<std::uint64_t>& places) {
  RawLines lines(places.size());
  std::size_t next = 0;
  const auto attempts = each_line(block, [&](std::uint64_t attempt, std::string_view line) {
    while (next < places.size() && places[next] < attempt) ++next;
    if (next < places.size() && places[next] == attempt) lines[next].emplace_back(line);
  });
  if (!attempts) return std::unexpected(attempts.error());
  return lines;
}

}  // namespace tipstaff
