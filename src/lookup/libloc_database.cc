// libloc's file: a head with the places of its tables, then AS numbers with names (sorted), networks, the tree over all
// addresses (IPv4 below ::ffff:0:0/96), countries, and a pool of texts. A node has two children, 0 meaning none, and a
// network that holds for all below it that have none of their own, or none (all bits set).
#include <algorithm>
#include <array>
#include <utility>

#include "base/text.h"
#include "lookup/network_database.h"

namespace tipstaff {
namespace {

constexpr std::string_view kMagic("LOCDBXX\x01", 8);
constexpr std::uint64_t kHead = 8 + 8 + 13 * 4 + 4;  // without the signatures
constexpr std::uint64_t kNode = 12;
constexpr std::uint64_t kNetwork = 12;
constexpr std::uint64_t kAs = 8;
constexpr std::uint32_t kNone = ~0U;
constexpr unsigned kBitsBeforeV4 = 96;

struct Table {
  std::uint64_t offset = 0;
  std::uint64_t length = 0;
};

class LiblocDatabase final : public NetworkDatabase {
 public:
  explicit LiblocDatabase(DatabaseFile file) : file_(std::move(file)) {}

  Result<void> read_head() {
    const auto created = file_.number(8, 8);
    std::array<std::uint64_t, 13> words{};  // vendor, description, licence, then five tables' offsets and lengths
    for (unsigned i = 0; i < words.size(); ++i) {
      const auto word = file_.number(16 + 4 * i, 4);
      if (!word || !created || file_.size() < kHead) return fail(ErrorKind::corrupt, "it is cut off within its head");
      words[i] = *word;
    }
    Table countries;
    Table* const tables[] = {&ases_, &networks_, &tree_, &countries, &pool_};
    for (unsigned i = 0; i < std::size(tables); ++i) {
      *tables[i] = {words[3 + 2 * i], words[4 + 2 * i]};
      if (tables[i]->offset + tables[i]->length > file_.size())
        return fail(ErrorKind::corrupt, "a table of it lies behind its end: it is cut off or damaged");
    }
    if (tree_.length < kNode) return fail(ErrorKind::corrupt, "it has no tree of networks");
    constexpr std::uint64_t kYear9999 = 253'370'764'800;
    if (*created > kYear9999) return fail(ErrorKind::corrupt, "its date makes no sense");
    info_.built = Instant(std::chrono::seconds(static_cast<std::int64_t>(*created)));
    info_.name = "libloc";
    if (std::string vendor = pool_text(words[0]); !vendor.empty()) info_.name += ", " + vendor;
    info_.notice = pool_text(words[2]);
    Place at;
    for (unsigned bit = 0; bit < kBitsBeforeV4 && at.node != kNone; ++bit) step(at, IpAddress::v4(0), bit);
    if (at.is_broken) return fail(ErrorKind::corrupt, "its tree of networks is damaged");
    v4_ = at;
    return {};
  }

  std::optional<NetworkFact> find(IpAddress address, bool with_name) override {
    Place at;
    unsigned bit = 0;
    if (address.is_v4()) {
      at = v4_;
      bit = kBitsBeforeV4;
    }
    for (; at.node != kNone; ++bit) {
      if (bit == 128) {
        note(at, bit);
        break;
      }
      step(at, address, bit);
    }
    if (at.is_broken) ++broken_;
    if (at.network == kNone || at.is_broken) return std::nullopt;
    return record(at, address, with_name);
  }

  [[nodiscard]] const DatabaseInfo& info() const override { return info_; }
  [[nodiscard]] const DatabaseFile& file() const override { return file_; }
  [[nodiscard]] std::uint64_t broken() const override { return broken_; }

 private:
  // How far a descent has come.
  struct Place {
    std::uint32_t node = 0;
    std::uint32_t network = kNone;  // of the deepest node that had one
    unsigned network_bits = 0;
    unsigned bits = 0;  // of the address that were looked at
    bool is_broken = false;
  };

  // Takes up the network of the node at this depth. Nothing: the node cannot be read.
  std::optional<std::array<std::uint32_t, 2>> note(Place& at, unsigned depth) {
    const std::uint64_t offset = std::uint64_t{at.node} * kNode;
    std::array<char, kNode> raw{};
    if (offset + kNode > tree_.length || !file_.read(tree_.offset + offset, raw.data(), raw.size())) {
      at.is_broken = true;
      return std::nullopt;
    }
    std::array<std::uint32_t, 3> words{};
    for (unsigned i = 0; i < kNode; ++i) words[i / 4] = words[i / 4] << 8U | static_cast<unsigned char>(raw[i]);
    if (words[2] != kNone) {
      at.network = words[2];
      at.network_bits = depth;
    }
    at.bits = depth;
    return std::array{words[0], words[1]};
  }

  void step(Place& at, IpAddress address, unsigned depth) {
    const auto children = note(at, depth);
    const std::uint32_t child = children ? (*children)[bit_of(address, depth)] : 0;
    at.node = child == 0 ? kNone : child;
    // nothing more is told of what lies on this side, or on either
    if (child == 0) at.bits = children && (*children)[0] == 0 && (*children)[1] == 0 ? depth : depth + 1;
  }

  std::optional<NetworkFact> record(const Place& at, IpAddress address, bool with_name) {
    const std::uint64_t offset = std::uint64_t{at.network} * kNetwork;
    std::array<char, kNetwork> raw{};
    if (offset + kNetwork > networks_.length || !file_.read(networks_.offset + offset, raw.data(), raw.size())) {
      ++broken_;
      return std::nullopt;
    }
    const auto byte = [&raw](std::size_t i) { return static_cast<std::uint32_t>(static_cast<unsigned char>(raw[i])); };
    NetworkFact fact;
    fact.origin.country = CountryCode::parse(std::string_view(raw.data(), 2)).value_or(CountryCode());
    fact.origin.as_number = byte(4) << 24U | byte(5) << 16U | byte(6) << 8U | byte(7);
    const std::uint32_t flags = byte(8) << 8U | byte(9);
    fact.flags = {(flags & 1U) != 0, (flags & 2U) != 0, (flags & 4U) != 0, (flags & 8U) != 0};
    fact.network = network_of_bits(address, at.network_bits);
    fact.uniform = network_of_bits(address, std::min(at.bits, 128U));
    if (with_name && fact.origin.as_number != 0) fact.as_name = as_name(fact.origin.as_number);
    return fact;
  }

  std::string as_name(std::uint32_t number) {
    std::uint64_t low = 0;
    std::uint64_t high = ases_.length / kAs;
    while (low < high) {
      const std::uint64_t middle = (low + high) / 2;
      const auto entry = file_.number(ases_.offset + middle * kAs, 8);
      if (!entry) return {};
      const auto found = static_cast<std::uint32_t>(*entry >> 32U);
      if (found == number) return pool_text(*entry & 0xffffffffU);
      if (found < number) {
        low = middle + 1;
      } else {
        high = middle;
      }
    }
    return {};
  }

  std::string pool_text(std::uint64_t at) {
    if (at >= pool_.length) return {};
    auto text = file_.text(pool_.offset + at,
                           static_cast<std::size_t>(std::min<std::uint64_t>(pool_.length - at, kMostDatabaseText)));
    if (!text) return {};
    text->resize(std::min(text->find('\0'), text->size()));
    return database_text(std::move(*text));
  }

  DatabaseFile file_;
  DatabaseInfo info_;
  Table ases_, networks_, tree_, pool_;
  Place v4_;  // at ::ffff:0:0/96
  std::uint64_t broken_ = 0;
};

}  // namespace

Result<std::unique_ptr<NetworkDatabase>> open_libloc(DatabaseFile file) {
  const auto magic = file.text(0, kMagic.size());
  if (!magic || !magic->starts_with("LOCDBXX")) return fail(ErrorKind::invalid, "it is no database of libloc");
  if (*magic != kMagic) return fail(ErrorKind::invalid, "it is of a version of libloc's format that is not known here");
  auto database = std::make_unique<LiblocDatabase>(std::move(file));
  if (auto read = database->read_head(); !read) return std::unexpected(read.error());
  return database;
}

}  // namespace tipstaff
