#include "lookup/names/dns_answer.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <optional>
#include <utility>

#include "lookup/resolver.h"

namespace tipstaff {
namespace {

constexpr std::size_t kHead = 12;
constexpr std::size_t kLongestName = 255;  // RFC 1035 2.3.4
constexpr std::uint16_t kSoa = 6;
constexpr std::uint16_t kInternet = 1;

struct Record {
  std::string owner;  // as on the wire, in lower case, without compression
  std::uint16_t type = 0;
  std::uint16_t kind = 0;  // its class
  std::uint32_t ttl = 0;
  std::size_t at = 0;  // of its data
  std::size_t size = 0;
};

class Reader {
 public:
  explicit Reader(std::string_view message) : message_(message) {}

  [[nodiscard]] std::size_t at() const { return at_; }
  void go_to(std::size_t at) { at_ = at; }

  std::optional<std::uint32_t> number(unsigned bytes) {
    if (bytes > message_.size() - at_) return std::nullopt;
    std::uint32_t value = 0;
    for (unsigned i = 0; i < bytes; ++i) value = value << 8U | static_cast<unsigned char>(message_[at_++]);
    return value;
  }

  // The name here, as on the wire: labels with their lengths. A pointer (RFC 1035 4.1.4) must lead to before the labels
  // that it ends, so a name cannot go round, and has at most as many as fit into 255 bytes.
  std::optional<std::string> name() {
    std::string wire;
    std::size_t from = at_;
    std::size_t at = at_;
    bool jumped = false;
    for (;;) {
      if (at >= message_.size()) return std::nullopt;
      const auto length = static_cast<unsigned char>(message_[at]);
      if (length >= 0xc0) {
        if (at + 1 >= message_.size()) return std::nullopt;
        const std::size_t target =
            std::size_t{length & 0x3fU} << 8U | static_cast<std::size_t>(static_cast<unsigned char>(message_[at + 1]));
        if (!jumped) at_ = at + 2;
        jumped = true;
        if (target >= from) return std::nullopt;
        from = at = target;
        continue;
      }
      if (length > 63 || length >= message_.size() - at) return std::nullopt;
      if (wire.size() + length + 1 > kLongestName) return std::nullopt;
      wire += static_cast<char>(length);
      for (std::size_t i = at + 1; i <= at + length; ++i) {
        const char c = message_[i];
        wire += c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c;
      }
      at += length + 1U;
      if (length != 0) continue;
      if (!jumped) at_ = at;
      return wire;
    }
  }

  std::optional<Record> record() {
    Record one;
    auto owner = name();
    if (!owner) return std::nullopt;
    const auto type = number(2);
    const auto kind = number(2);
    const auto ttl = number(4);
    const auto size = number(2);
    if (!type || !kind || !ttl || !size || *size > message_.size() - at_) return std::nullopt;
    one.owner = std::move(*owner);
    one.type = static_cast<std::uint16_t>(*type);
    one.kind = static_cast<std::uint16_t>(*kind);
    one.ttl = *ttl > 0x7fffffffU ? 0 : *ttl;  // RFC 2181 8
    one.at = at_;
    one.size = *size;
    at_ += one.size;
    return one;
  }

 private:
  std::string_view message_;
  std::size_t at_ = 0;
};

std::string to_wire(std::string_view name) {
  std::string wire;
  while (!name.empty()) {
    const std::size_t length = std::min(name.find('.'), name.size());
    wire += static_cast<char>(length);
    wire += name.substr(0, length);
    name.remove_prefix(std::min(length + 1, name.size()));
  }
  return wire + '\0';
}

// Empty where it is no host name.
std::string host_name_of(std::string_view wire) {
  std::string name;
  while (!wire.empty() && wire.front() != '\0') {
    const auto length = static_cast<std::size_t>(static_cast<unsigned char>(wire.front()));
    if (wire.substr(1, length).contains('.')) return {};
    if (!name.empty()) name += '.';
    name += wire.substr(1, length);
    wire.remove_prefix(length + 1);
  }
  return is_dns_name(name) ? name : std::string();
}

template <class Value>
void add(std::vector<Value>& all, Value value, DnsAnswer& answer) {
  if (std::ranges::find(all, value) != all.end()) return;
  if (all.size() < kMostDnsValues) {
    all.push_back(std::move(value));
  } else {
    ++answer.dropped;
  }
}

class AnswerReader {
 public:
  AnswerReader(std::string_view message, const DnsQuestion& question)
      : message_(message), reader_(message), question_(question), type_(static_cast<std::uint16_t>(question.type)) {}

  Result<DnsAnswer> read() {
    if (message_.size() < kHead) return corrupt("the answer is shorter than its head");
    reader_.go_to(2);
    const auto flags = reader_.number(2);
    const auto questions = reader_.number(2);
    const auto answers = reader_.number(2);
    const auto authorities = reader_.number(2);
    if (!flags || !questions || !answers || !authorities) return corrupt("the answer is shorter than its head");
    if ((*flags & 0x8000U) == 0 || (*flags & 0x7800U) != 0) return corrupt("it is no answer");
    reader_.go_to(kHead);
    if (*questions != 1) return corrupt("it answers no one question");
    const auto name = reader_.name();
    const auto type = reader_.number(2);
    const auto kind = reader_.number(2);
    const std::string asked = to_wire(question_.name);
    if (!name || *name != asked || type != type_ || kind != kInternet) return corrupt("it answers another question");
    const std::uint32_t code = *flags & 0xfU;
    if (code != 0 && code != 3) {
      answer_.problem = fmt::format("the server gives error {}", code);
      return answer_;
    }
    answer_.state = code == 3 ? DnsAnswer::State::no_name : DnsAnswer::State::answered;
    if (!take_answers(*answers, asked)) return corrupt("its records are damaged");
    if (!has_ttl_ && !take_authorities(*authorities)) return corrupt("its records are damaged");
    return answer_;
  }

 private:
  std::unexpected<Error> corrupt(std::string_view what) const {
    return fail(ErrorKind::corrupt, std::string(what), fmt::format("{} {}", to_text(question_.type), question_.name));
  }

  bool take_answers(std::uint32_t count, const std::string& asked) {
    std::vector<Record> records;
    for (std::uint32_t i = 0; i < count; ++i) {
      auto record = reader_.record();
      if (!record) return false;
      if (records.size() == kMostDnsRecords) {
        answer_.dropped += count - i;
        break;
      }
      if (record->kind == kInternet) records.push_back(std::move(*record));
    }
    const std::string owner = follow(records, asked);
    std::vector<std::pair<std::uint32_t, std::string>> servers;  // with their preference, the best first
    for (const Record& record : records) {
      if (record.owner == owner && record.type == type_) take(record, servers);
    }
    std::ranges::stable_sort(servers, {}, &std::pair<std::uint32_t, std::string>::first);
    for (auto& [preference, name] : servers) add(answer_.names, std::move(name), answer_);
    return true;
  }

  // The name that the asked one is an alias of, in the end.
  std::string follow(const std::vector<Record>& records, std::string owner) {
    for (std::size_t i = 0; i < kMostDnsAliases; ++i) {
      const auto alias = std::ranges::find_if(records, [&owner](const Record& one) {
        return one.owner == owner && one.type == static_cast<std::uint16_t>(DnsType::cname);
      });
      if (alias == records.end()) return owner;
      reader_.go_to(alias->at);
      auto target = reader_.name();
      if (!target || reader_.at() != alias->at + alias->size) break;
      note_ttl(alias->ttl);
      owner = std::move(*target);
    }
    ++answer_.dropped;
    return "?";  // nothing has this name
  }

  void take(const Record& record, std::vector<std::pair<std::uint32_t, std::string>>& servers) {
    reader_.go_to(record.at);
    switch (question_.type) {
      case DnsType::a:
      case DnsType::aaaa: {
        const bool v4 = question_.type == DnsType::a;
        if (record.size != (v4 ? 4U : 16U)) break;
        std::array<std::uint32_t, 4> words{};
        for (std::size_t i = 0; i < record.size / 4; ++i) words[i] = reader_.number(4).value_or(0);
        const auto wide = [&words](std::size_t i) { return std::uint64_t{words[i]} << 32U | words[i + 1]; };
        note_ttl(record.ttl);
        add(answer_.addresses, v4 ? IpAddress::v4(words[0]) : IpAddress(wide(0), wide(2)), answer_);
        return;
      }
      case DnsType::txt:
        if (std::string text; read_texts(record, text)) {
          note_ttl(record.ttl);
          add(answer_.texts, std::move(text), answer_);
          return;
        }
        break;
      case DnsType::ptr:
      case DnsType::ns:
      case DnsType::mx: {
        const auto preference = question_.type == DnsType::mx && record.size > 2 ? reader_.number(2) : 0;
        const auto wire = reader_.name();
        if (!wire || reader_.at() != record.at + record.size) break;
        note_ttl(record.ttl);
        if (*wire == std::string_view("\0", 1)) return;  // "no mail is taken" (RFC 7505)
        std::string name = host_name_of(*wire);
        if (name.empty()) break;
        servers.emplace_back(preference.value_or(0), std::move(name));
        return;
      }
      case DnsType::cname:
        break;
    }
    ++answer_.dropped;
  }

  // The strings of a TXT record, one behind the other.
  bool read_texts(const Record& record, std::string& text) const {
    std::string_view rest = message_.substr(record.at, record.size);
    while (!rest.empty()) {
      const auto length = static_cast<std::size_t>(static_cast<unsigned char>(rest.front()));
      if (length + 1 > rest.size() || text.size() + length > kMostDnsText) return false;
      text += rest.substr(1, length);
      rest.remove_prefix(length + 1);
    }
    return true;
  }

  // How long it holds that there is nothing: the SOA's lesser of two (RFC 2308 5).
  bool take_authorities(std::uint32_t count) {
    if (answer_.dropped > 0) return true;  // the answers were not read to their end
    for (std::uint32_t i = 0; i < std::min<std::uint32_t>(count, 8); ++i) {
      const auto record = reader_.record();
      if (!record) return false;
      if (record->type != kSoa || record->kind != kInternet || record->size < 4) continue;
      const std::size_t behind = reader_.at();
      reader_.go_to(record->at + record->size - 4);
      note_ttl(std::min(record->ttl, reader_.number(4).value_or(0)));
      reader_.go_to(behind);
      return true;
    }
    return true;
  }

  void note_ttl(std::uint32_t seconds) {
    const std::chrono::seconds ttl(seconds);
    answer_.ttl = has_ttl_ ? std::min(answer_.ttl, ttl) : ttl;
    has_ttl_ = true;
  }

  std::string_view message_;
  Reader reader_;
  const DnsQuestion& question_;
  std::uint16_t type_;
  DnsAnswer answer_;
  bool has_ttl_ = false;
};

}  // namespace

std::string_view to_text(DnsType type) {
  switch (type) {
    case DnsType::a:
      return "A";
    case DnsType::ns:
      return "NS";
    case DnsType::cname:
      return "CNAME";
    case DnsType::ptr:
      return "PTR";
    case DnsType::mx:
      return "MX";
    case DnsType::txt:
      return "TXT";
    case DnsType::aaaa:
      break;
  }
  return "AAAA";
}

Result<DnsAnswer> read_dns_answer(std::string_view message, const DnsQuestion& question) {
  return AnswerReader(message, question).read();
}

}  // namespace tipstaff
