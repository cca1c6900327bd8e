// SPF (RFC 7208) is read for one thing only: whether the record of the domain, or one that it includes, names the address.
// Mechanisms that do not name it outright (all, ptr, exists, macros) and networks wider than an organisation's say nothing.
#include "lookup/names/address_names.h"

#include <fmt/format.h>

#include <algorithm>
#include <optional>
#include <utility>

#include "lookup/resolver.h"

namespace tipstaff {
namespace {

constexpr unsigned kWidestV4 = 16;
constexpr unsigned kWidestV6 = 32;
constexpr std::size_t kMostSpfTerms = 64;

class NameWork {
 public:
  NameWork(IpAddress address, const DnsAnswers& answers, const PublicSuffixes& suffixes,
           std::vector<DnsQuestion>& missing, std::chrono::seconds& ttl)
      : answers_(answers), suffixes_(suffixes), missing_(missing), ttl_(ttl) {
    names_.address = address;
    names_.source = "DNS";
  }

  AddressNames work() {
    ttl_ = std::chrono::seconds::max();
    find_name();
    if (names_.confirmed && missing_.empty()) names_.domain = suffixes_.registrable_domain(names_.name);
    if (!names_.domain.empty()) find_roles();
    return std::move(names_);
  }

 private:
  // The answer; null while it is missing. Beyond the bound on questions it is one that failed.
  const DnsAnswer* ask(std::string_view name, DnsType type) {
    const DnsQuestion question{std::string(name), type};
    if (const auto found = answers_.find(question); found != answers_.end()) {
      const DnsAnswer& answer = found->second;
      if (answer.state == DnsAnswer::State::failed) {
        if (names_.problem.empty())
          names_.problem = fmt::format("{} of {}: {}", to_text(type), question.name, answer.problem);
      } else {
        ttl_ = std::min(ttl_, answer.ttl);
      }
      if (counted_.emplace(question, 0).second) names_.dropped += answer.dropped;
      return &answer;
    }
    if (std::ranges::find(missing_, question) != missing_.end()) return nullptr;
    if (answers_.size() + missing_.size() >= kMostQuestions) {
      ++names_.dropped;
      static const DnsAnswer kNot;
      return &kNot;
    }
    missing_.push_back(question);
    return nullptr;
  }

  [[nodiscard]] DnsType address_type() const { return names_.address.is_v4() ? DnsType::a : DnsType::aaaa; }

  bool leads_here(std::string_view name) {
    const DnsAnswer* const forward = ask(name, address_type());
    return forward != nullptr && std::ranges::find(forward->addresses, names_.address) != forward->addresses.end();
  }

  void find_name() {
    const DnsAnswer* const pointer = ask(reverse_name(names_.address), DnsType::ptr);
    if (pointer == nullptr) return;
    std::vector<std::string> all = pointer->names;
    std::ranges::sort(all);  // they come in any order, and we want the same each time
    if (all.size() > kMostPointers) {
      names_.dropped += static_cast<std::uint32_t>(all.size() - kMostPointers);
      all.resize(kMostPointers);
    }
    for (const std::string& name : all) {
      if (leads_here(name)) confirmed_.push_back(name);
    }
    names_.confirmed = !confirmed_.empty();
    if (names_.confirmed) {
      names_.name = confirmed_.front();
    } else if (!all.empty()) {
      names_.name = all.front();
    }
  }

  void find_roles() {
    const bool mail = is_server_of(ask(names_.domain, DnsType::mx));
    const bool names = is_server_of(ask(names_.domain, DnsType::ns));
    spf_.push_back(names_.domain);
    const bool sender = is_sender(names_.domain);
    if (mail) names_.roles.push_back(DomainRole::mail_server);
    if (names) names_.roles.push_back(DomainRole::name_server);
    if (sender) names_.roles.push_back(DomainRole::mail_sender);
  }

  bool is_server_of(const DnsAnswer* servers) {
    if (servers == nullptr) return false;
    const auto is_ours = [this](const std::string& name) {
      return std::ranges::find(confirmed_, name) != confirmed_.end();
    };
    if (std::ranges::any_of(servers->names, is_ours)) return true;
    bool found = false;
    for (std::size_t i = 0; i < std::min(servers->names.size(), kMostServers); ++i)
      found = leads_here(servers->names[i]) || found;
    return found;
  }

  // --- SPF ---

  bool is_sender(const std::string& domain) {
    const DnsAnswer* const texts = ask(domain, DnsType::txt);
    if (texts == nullptr) return false;
    const std::string* record = nullptr;
    for (const std::string& text : texts->texts) {
      if (text != "v=spf1" && !text.starts_with("v=spf1 ")) continue;
      if (record != nullptr) return false;  // two are none (RFC 7208 4.5)
      record = &text;
    }
    if (record == nullptr) return false;
    std::string_view rest = *record;
    bool found = false;
    for (std::size_t i = 0; i < kMostSpfTerms && !rest.empty() && !found; ++i) {
      const std::size_t end = std::min(rest.find(' '), rest.size());
      found = term_names_us(rest.substr(0, end), domain);
      rest.remove_prefix(std::min(end + 1, rest.size()));
    }
    return found;
  }

  bool term_names_us(std::string_view term, const std::string& domain) {
    if (term.starts_with('+')) term.remove_prefix(1);
    const std::size_t end = std::min(term.find_first_of(":=/"), term.size());
    const std::string_view word = term.substr(0, end);
    std::string_view value = term.substr(end);
    if (word == "ip4" || word == "ip6") return value.starts_with(':') && network_holds_us(value.substr(1));
    if (word == "include" || word == "redirect") {
      if (value.size() < 2) return false;
      const std::string name = lower(value.substr(1));
      if (std::ranges::find(spf_, name) != spf_.end() || !may_ask(name)) return false;
      spf_.push_back(name);
      return is_sender(name);
    }
    if (word != "a" && word != "mx") return false;
    std::string name = domain;
    if (value.starts_with(':')) {
      name = lower(value.substr(1, std::min(value.find('/'), value.size()) - 1));
      value.remove_prefix(std::min(name.size() + 1, value.size()));
    }
    if (!value.empty() || !may_ask(name)) return false;  // with a prefix length it names neighbours
    return word == "a" ? leads_here(name) : is_server_of(ask(name, DnsType::mx));
  }

  bool may_ask(const std::string& name) {
    if (!is_dns_name(name)) return false;  // also what holds a macro
    if (++spf_questions_ <= kMostSpfNames) return true;
    ++names_.dropped;
    return false;
  }

  [[nodiscard]] bool network_holds_us(std::string_view text) const {
    const auto network = IpNetwork::parse(text);
    return network && network->bits() >= (network->address().is_v4() ? kWidestV4 : kWidestV6) &&
           network->contains(names_.address);
  }

  static std::string lower(std::string_view text) {
    if (text.ends_with('.')) text.remove_suffix(1);
    std::string out(text);
    for (char& c : out) c = c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c;
    return out;
  }

  const DnsAnswers& answers_;
  const PublicSuffixes& suffixes_;
  std::vector<DnsQuestion>& missing_;
  std::chrono::seconds& ttl_;
  AddressNames names_;
  std::vector<std::string> confirmed_;
  std::map<DnsQuestion, int> counted_;  // answers whose dropped records are counted
  std::vector<std::string> spf_;        // domains whose records are looked at
  std::size_t spf_questions_ = 0;
};

}  // namespace

std::string to_words(DomainRole role, std::string_view domain) {
  switch (role) {
    case DomainRole::mail_server:
      return fmt::format("the mail server of {}", domain);
    case DomainRole::name_server:
      return fmt::format("a name server of {}", domain);
    case DomainRole::mail_sender:
      break;
  }
  return fmt::format("a sender named by the SPF record of {}", domain);
}

std::string reverse_name(IpAddress address) {
  std::string name;
  if (address.is_v4()) {
    for (unsigned i = 0; i < 4; ++i) name += fmt::format("{}.", address.low() >> (8 * i) & 0xffU);
    return name + "in-addr.arpa";
  }
  for (unsigned i = 0; i < 32; ++i) {
    const std::uint64_t half = i < 16 ? address.low() : address.high();
    name += fmt::format("{:x}.", half >> (4 * (i % 16)) & 0xfU);
  }
  return name + "ip6.arpa";
}

AddressNames names_of(IpAddress address, const DnsAnswers& answers, const PublicSuffixes& suffixes,
                      std::vector<DnsQuestion>& missing, std::chrono::seconds& ttl) {
  return NameWork(address, answers, suffixes, missing, ttl).work();
}

}  // namespace tipstaff
