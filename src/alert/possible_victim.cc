#include "alert/possible_victim.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <utility>

namespace tipstaff {
namespace {

char lower(char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c + 32) : c; }

std::vector<std::string> labels_of(std::string_view name) {
  std::vector<std::string> labels(1);
  for (const char c : name) {
    if (c == '.') {
      labels.emplace_back();
    } else {
      labels.back() += lower(c);
    }
  }
  if (labels.back().empty()) labels.pop_back();
  return labels;
}

using Sign = std::pair<std::string_view, std::string_view>;

// A label that stands alone at the end, or before a country's two letters, where registries keep it for such bodies.
constexpr std::array<Sign, 17> kSuffixes = {{{"gov", "government"},
                                             {"gouv", "government"},
                                             {"gob", "government"},
                                             {"gub", "government"},
                                             {"govt", "government"},
                                             {"go", "government"},
                                             {"mil", "government"},
                                             {"parliament", "government"},
                                             {"bund", "government"},
                                             {"admin", "government"},
                                             {"gv", "government"},
                                             {"nhs", "health"},
                                             {"health", "health"},
                                             {"edu", "education"},
                                             {"ac", "education"},
                                             {"sch", "education"},
                                             {"k12", "education"}}};

// A label of the registrable domain that says what its owner is; anybody may register it, so it is a sign, no proof.
constexpr std::array<Sign, 20> kWords = {
    {{"parliament", "government"}, {"parlament", "government"},   {"parlement", "government"},
     {"parlamento", "government"}, {"riksdagen", "government"},   {"riksdag", "government"},
     {"bundestag", "government"},  {"folketinget", "government"}, {"stortinget", "government"},
     {"senate", "government"},     {"government", "government"},  {"ministry", "government"},
     {"hospital", "health"},       {"klinikum", "health"},        {"clinic", "health"},
     {"sjukhus", "health"},        {"university", "education"},   {"universitet", "education"},
     {"uni", "education"},         {"school", "education"}}};

template <std::size_t N>
std::string_view meaning(const std::array<Sign, N>& signs, std::string_view label) {
  const auto found = std::ranges::find(signs, label, &Sign::first);
  return found == signs.end() ? std::string_view() : found->second;
}

// The parts of a label between hyphens: "uni-example".
bool has_word(std::string_view label, std::string_view word) {
  for (std::size_t at = 0; at <= label.size();) {
    const std::size_t end = std::min(label.find('-', at), label.size());
    if (label.substr(at, end - at) == word) return true;
    at = end + 1;
  }
  return false;
}

}  // namespace

std::string_view kind_of_name(std::string_view name, std::string_view domain) {
  const std::vector<std::string> labels = labels_of(name);
  if (labels.size() >= 2) {
    const std::string& top = labels.back();
    if (top == "gov" || top == "mil" || top == "edu") return meaning(kSuffixes, top);
    if (top.size() == 2 && labels.size() >= 3) {
      if (const auto kind = meaning(kSuffixes, labels[labels.size() - 2]); !kind.empty()) return kind;
    }
    if (name.ends_with(".europa.eu") || domain == "europa.eu") return "government";
  }
  const std::vector<std::string> own = labels_of(domain);
  if (own.empty()) return {};
  for (const auto& [word, kind] : kWords) {
    if (has_word(own.front(), word)) return kind;
  }
  return {};
}

std::string possible_victim(const VictimFacts& facts, const VictimSigns& signs) {
  const auto listed = std::ranges::find_if(
      signs.networks, [&facts](const IpNetwork& network) { return network.contains(facts.address); });
  std::string_view kind = facts.name.empty() ? std::string_view() : kind_of_name(facts.name, facts.domain);
  std::string word;
  if (kind.empty() && !facts.name.empty()) {
    for (const std::string& label : labels_of(facts.name)) {
      for (const std::string& one : signs.words) {
        if (word.empty() && labels_of(one) == std::vector<std::string>{label}) word = one;
      }
    }
  }
  if (listed == signs.networks.end() && kind.empty() && word.empty()) return {};
  const std::string what = !facts.roles.empty()  ? facts.roles.front()
                           : !facts.name.empty() ? facts.name
                                                 : fmt::format("an address of {}", listed->to_string());
  std::string why = !kind.empty()   ? std::string(kind)
                    : !word.empty() ? fmt::format("\"{}\" is on your list", word)
                                    : fmt::format("{} is on your list", listed->to_string());
  if (!facts.country.empty()) why += ", " + facts.country;
  return fmt::format("{} ({})", what, why);
}

}  // namespace tipstaff
