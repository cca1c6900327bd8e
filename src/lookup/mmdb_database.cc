// MaxMind's file: a tree of records of 24, 28 or 32 bits, 16 zero bytes, a data section of typed values, and behind a
// marker near the end a map that tells of all this. Values are maps, texts, numbers, and pointers to other values, so they
// are walked with a bound on depth and steps. IPv4 lies below ::/96 of a file of IPv6.
// Files differ in what they call things; the names of GeoLite2, DB-IP and IPinfo are known.
#include <algorithm>
#include <array>
#include <charconv>
#include <utility>

#include "base/text.h"
#include "lookup/network_database.h"

namespace tipstaff {
namespace {

constexpr std::string_view kMarker("\xab\xcd\xefMaxMind.com", 14);
constexpr std::uint64_t kMostMetadata = 128 * 1024;
constexpr std::uint64_t kGap = 16;
constexpr unsigned kMostSteps = 4096;  // values looked at for one question
constexpr unsigned kDeepest = 16;
constexpr std::uint64_t kYear9999 = 253'370'764'800;

enum class Kind : std::uint8_t {
  pointer = 1,
  text = 2,
  number16 = 5,
  number32 = 6,
  map = 7,
  signed32 = 8,
  number64 = 9,
  number128 = 10,
  list = 11,
  flag = 14
};

struct MmdbValue {
  Kind kind{};
  std::uint64_t size = 0;  // bytes, or entries of a map or list; of a flag its value
  std::uint64_t at = 0;    // of the payload
};

// A key of a map, and of the map that stands there.
struct Key {
  std::string_view outer;
  std::string_view inner;
};

// The values of one section; offsets count from its beginning. Each question has its own.
class Values {
 public:
  Values(DatabaseFile& file, std::uint64_t begin, std::uint64_t end) : file_(file), begin_(begin), size_(end - begin) {}

  // The value of a key of the map at `at`, or of a key of the map which that is.
  std::optional<MmdbValue> find(std::uint64_t at, Key key) {
    std::uint64_t behind = 0;
    auto value = read(at, behind);
    if (value) value = find_in(*value, key.outer);
    if (value && !key.inner.empty()) value = find_in(*value, key.inner);
    return value;
  }

  std::string find_text(std::uint64_t at, Key key) {
    const auto value = find(at, key);
    return value && value->kind == Kind::text ? text(*value) : std::string();
  }
  std::optional<std::uint64_t> find_number(std::uint64_t at, Key key) {
    const auto value = find(at, key);
    if (!value || value->size > 8) return std::nullopt;
    if (value->kind != Kind::number16 && value->kind != Kind::number32 && value->kind != Kind::number64)
      return std::nullopt;
    return value->size == 0 ? 0 : file_.number(begin_ + value->at, static_cast<unsigned>(value->size));
  }
  bool find_flag(std::uint64_t at, Key key) {
    const auto value = find(at, key);
    return value && value->kind == Kind::flag && value->size != 0;
  }

  // At most kMostDatabaseText bytes of it.
  std::string text(const MmdbValue& value) {
    auto bytes =
        file_.text(begin_ + value.at, static_cast<std::size_t>(std::min<std::uint64_t>(value.size, kMostDatabaseText)));
    return bytes ? std::move(*bytes) : std::string();
  }
  [[nodiscard]] bool is_broken() const { return broken_; }

 private:
  std::optional<MmdbValue> find_in(const MmdbValue& map, std::string_view key) {
    if (map.kind != Kind::map) return std::nullopt;
    std::uint64_t place = map.at;
    for (std::uint64_t i = 0; i < map.size; ++i) {
      const auto name = read(place, place);
      if (!name) return std::nullopt;
      std::uint64_t behind = 0;
      if (name->kind == Kind::text && name->size == key.size() && text(*name) == key) return read(place, behind);
      if (!skip(place, 0)) return std::nullopt;
    }
    return std::nullopt;
  }

  std::optional<std::uint64_t> number(std::uint64_t at, unsigned bytes) {
    if (at > size_ || bytes > size_ - at) return std::nullopt;
    return file_.number(begin_ + at, bytes);
  }

  // The value at `at`, or the one that a pointer there leads to; `behind` is where the next one stands.
  std::optional<MmdbValue> read(std::uint64_t at, std::uint64_t& behind) {
    auto value = read_one(at, behind);
    if (value && value->kind == Kind::pointer) {
      std::uint64_t ignored = 0;
      value = read_one(value->size, ignored);
      if (value && value->kind == Kind::pointer) value.reset();  // the format has none to another
    }
    if (!value) broken_ = true;
    return value;
  }

  std::optional<MmdbValue> read_one(std::uint64_t at, std::uint64_t& behind) {
    if (++steps_ > kMostSteps) return std::nullopt;
    const auto control = number(at++, 1);
    if (!control) return std::nullopt;
    auto kind = static_cast<unsigned>(*control >> 5U);
    auto size = *control & 0x1fU;
    if (kind == static_cast<unsigned>(Kind::pointer)) {
      const auto more = static_cast<unsigned>(size >> 3U);
      const auto low = number(at, more + 1);
      if (!low) return std::nullopt;
      constexpr std::array<std::uint64_t, 4> kAdded = {0, 2048, 526336, 0};
      const std::uint64_t high = more == 3 ? 0 : (size & 7U) << (8 * (more + 1));
      behind = at + more + 1;
      return MmdbValue{Kind::pointer, (high | *low) + kAdded[more], behind};
    }
    if (kind == 0) {
      const auto further = number(at++, 1);
      if (!further) return std::nullopt;
      kind = static_cast<unsigned>(*further) + 7;
    }
    if (size >= 29) {
      const auto bytes = static_cast<unsigned>(size - 28);
      const auto more = number(at, bytes);
      if (!more) return std::nullopt;
      constexpr std::array<std::uint64_t, 3> kAdded = {29, 285, 65821};
      size = *more + kAdded[bytes - 1];
      at += bytes;
    }
    if (kind < 2 || kind > 15 || kind == 12 || kind == 13) return std::nullopt;
    const MmdbValue value{static_cast<Kind>(kind), size, at};
    behind = at;
    if (value.kind == Kind::map || value.kind == Kind::list || value.kind == Kind::flag) return value;
    if (at > size_ || size > size_ - at) return std::nullopt;
    behind = at + size;
    return value;
  }

  // Moves behind the value, whatever is in it.
  bool skip(std::uint64_t& at, unsigned depth) {
    std::uint64_t behind = 0;
    const auto value = read_one(at, behind);
    if (!value || depth > kDeepest) {
      broken_ = true;
      return false;
    }
    at = behind;
    if (value->kind != Kind::map && value->kind != Kind::list) return true;
    const std::uint64_t inside = value->kind == Kind::map ? 2 : 1;
    for (std::uint64_t i = 0; i < value->size; ++i) {
      for (std::uint64_t j = 0; j < inside; ++j) {
        if (!skip(at, depth + 1)) return false;
      }
    }
    return true;
  }

  DatabaseFile& file_;
  std::uint64_t begin_;
  std::uint64_t size_;
  unsigned steps_ = 0;
  bool broken_ = false;
};

std::uint32_t as_number_of(std::string_view text) {
  if (text.starts_with("AS")) text.remove_prefix(2);
  std::uint32_t number = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
  return error == std::errc() && end == text.data() + text.size() ? number : 0;
}

class MmdbDatabase final : public NetworkDatabase {
 public:
  MmdbDatabase(DatabaseFile file, std::uint64_t marker) : file_(std::move(file)), end_(marker) {}

  Result<void> read_metadata() {
    Values values(file_, end_ + kMarker.size(), file_.size());
    const auto major = values.find_number(0, {"binary_format_major_version", ""});
    const auto nodes = values.find_number(0, {"node_count", ""});
    const auto record = values.find_number(0, {"record_size", ""});
    const auto version = values.find_number(0, {"ip_version", ""});
    const auto built = values.find_number(0, {"build_epoch", ""});
    if (!major || !nodes || !record || !version || !built)
      return fail(ErrorKind::corrupt, "its description of itself is damaged");
    if (*major != 2) return fail(ErrorKind::invalid, "it is of a version of MaxMind's format that is not known here");
    if ((*record != 24 && *record != 28 && *record != 32) || (*version != 4 && *version != 6) || *nodes == 0)
      return fail(ErrorKind::corrupt, "its description of itself makes no sense");
    nodes_ = *nodes;
    record_bits_ = static_cast<unsigned>(*record);
    is_v6_ = *version == 6;
    if (nodes_ > end_ || nodes_ * (record_bits_ / 4) + kGap > end_)
      return fail(ErrorKind::corrupt, "its tree lies behind its end: it is cut off or damaged");
    data_ = nodes_ * (record_bits_ / 4) + kGap;
    if (*built > kYear9999) return fail(ErrorKind::corrupt, "its date makes no sense");
    info_.built = Instant(std::chrono::seconds(static_cast<std::int64_t>(*built)));
    info_.name = database_text(values.find_text(0, {"database_type", ""}));
    if (info_.name.empty()) info_.name = "MaxMind DB";
    info_.notice = database_text(values.find_text(0, {"description", "en"}));
    if (is_v6_) {
      for (; v4_bits_ < 96 && v4_node_ < nodes_; ++v4_bits_) {
        const auto next = child(v4_node_, 0);
        if (!next) return fail(ErrorKind::corrupt, "its tree cannot be read");
        v4_node_ = *next;
      }
    }
    return {};
  }

  std::optional<NetworkFact> find(IpAddress address, bool with_name) override {
    if (!address.is_v4() && (!is_v6_ || (address.high() == 0 && address.low() >> 32U == 0))) return std::nullopt;
    const bool v4 = address.is_v4();
    std::uint64_t node = v4 ? v4_node_ : 0;
    unsigned bit = v4 ? 96 : 0;
    for (; node < nodes_ && bit < 128; ++bit) {
      const auto next = child(node, bit_of(address, bit));
      if (!next) {
        ++broken_;
        return std::nullopt;
      }
      node = *next;
    }
    if (node == nodes_) return std::nullopt;
    if (node < nodes_ + kGap || node - nodes_ - kGap >= end_ - data_) {
      ++broken_;
      return std::nullopt;
    }
    NetworkFact fact;
    const bool good = record(node - nodes_ - kGap, with_name, fact);
    if (!good) ++broken_;
    if (!good || fact == NetworkFact()) return std::nullopt;
    fact.network = fact.uniform = network_of_bits(address, bit);
    return fact;
  }

  [[nodiscard]] const DatabaseInfo& info() const override { return info_; }
  [[nodiscard]] const DatabaseFile& file() const override { return file_; }
  [[nodiscard]] std::uint64_t broken() const override { return broken_; }

 private:
  std::optional<std::uint64_t> child(std::uint64_t node, unsigned side) {
    const std::uint64_t at = node * (record_bits_ / 4);
    if (record_bits_ != 28) return file_.number(at + side * (record_bits_ / 8), record_bits_ / 8);
    const auto both = file_.number(at, 7);  // the middle byte holds the highest four bits of each
    if (!both) return std::nullopt;
    return side == 0 ? (*both >> 32U) | (*both >> 28U & 0xfU) << 24U : *both & 0xfffffffU;
  }

  // False: the record makes no sense.
  bool record(std::uint64_t at, bool with_name, NetworkFact& fact) {
    bool broken = false;
    const auto text = [&](Key key) {
      Values values(file_, data_, end_);
      std::string found = values.find_text(at, key);
      broken = broken || values.is_broken();
      return found;
    };
    constexpr std::array<Key, 4> kCountries = {
        {{"country", "iso_code"}, {"country_code", ""}, {"country", ""}, {"registered_country", "iso_code"}}};
    for (const Key& key : kCountries) {
      if (const auto country = CountryCode::parse(text(key))) {
        fact.origin.country = *country;
        break;
      }
    }
    const auto number = Values(file_, data_, end_).find_number(at, {"autonomous_system_number", ""});
    fact.origin.as_number =
        number && *number <= ~0U ? static_cast<std::uint32_t>(*number) : as_number_of(text({"asn", ""}));
    if (with_name) {
      std::string name = text({"autonomous_system_organization", ""});
      if (name.empty()) name = text({"as_name", ""});
      fact.as_name = database_text(std::move(name));
    }
    const auto flag = [&](std::string_view name) { return Values(file_, data_, end_).find_flag(at, {"traits", name}); };
    fact.flags.anonymous_proxy = flag("is_anonymous_proxy");
    fact.flags.satellite = flag("is_satellite_provider");
    fact.flags.anycast = flag("is_anycast");
    return !broken;
  }

  DatabaseFile file_;
  DatabaseInfo info_;
  std::uint64_t end_;  // of the data section: where the marker stands
  std::uint64_t data_ = 0;
  std::uint64_t nodes_ = 0;
  unsigned record_bits_ = 0;
  bool is_v6_ = false;
  std::uint64_t v4_node_ = 0;
  unsigned v4_bits_ = 0;
  std::uint64_t broken_ = 0;
};

}  // namespace

Result<std::unique_ptr<NetworkDatabase>> open_mmdb(DatabaseFile file) {
  const std::uint64_t tail = std::min(file.size(), kMostMetadata);
  const auto text = file.text(file.size() - tail, static_cast<std::size_t>(tail));
  if (!text) return fail(ErrorKind::unavailable, "it cannot be read");
  const std::size_t found = text->rfind(kMarker);
  if (found == std::string::npos) return fail(ErrorKind::invalid, "it is no database of MaxMind's format");
  auto database = std::make_unique<MmdbDatabase>(std::move(file), file.size() - tail + found);
  if (auto read = database->read_metadata(); !read) return std::unexpected(read.error());
  return database;
}

}  // namespace tipstaff
