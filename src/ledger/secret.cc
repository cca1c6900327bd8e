#include "ledger/secret.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>

#include "ledger/digest.h"

namespace tipstaff {
namespace {

constexpr std::size_t kLeast = 8;
constexpr std::size_t kDigestBytes = 16;
constexpr std::string_view kNameSigns = "._-\\$ @/+";  // signs that names of accounts, machines and mailboxes hold

struct Kinds {
  bool upper = false, lower = false, digit = false, sign = false, rare = false;
  std::size_t digits = 0;
};

Kinds kinds_of(std::string_view text) {
  Kinds kinds;
  for (const char c : text) {
    if (c >= 'A' && c <= 'Z') {
      kinds.upper = true;
    } else if (c >= 'a' && c <= 'z') {
      kinds.lower = true;
    } else if (c >= '0' && c <= '9') {
      kinds.digit = true;
      ++kinds.digits;
    } else {
      kinds.sign = true;
      // Bytes beyond ASCII are letters of somebody's name.
      kinds.rare = kinds.rare || (static_cast<unsigned char>(c) < 0x80 && kNameSigns.find(c) == std::string_view::npos);
    }
  }
  return kinds;
}

}  // namespace

bool looks_like_password(std::string_view account) {
  const std::size_t at = account.rfind('@');
  // name@domain.tld is judged by the name.
  if (at != std::string_view::npos && at > 0 && account.find('.', at) != std::string_view::npos) {
    account = account.substr(0, at);
  }
  if (const std::size_t domain = account.find('\\'); domain != std::string_view::npos)
    account.remove_prefix(domain + 1);
  if (account.ends_with('$')) account.remove_suffix(1);
  if (account.size() < kLeast) return false;
  const Kinds kinds = kinds_of(account);
  if (kinds.digits == account.size()) return account.size() >= 10;
  if (kinds.rare) return true;
  return kinds.digit && kinds.upper && kinds.lower;
}

std::string shape_of(std::string_view password) {
  const Kinds kinds = kinds_of(password);
  std::string text = fmt::format("{} characters:", password.size());
  const std::array<std::pair<bool, const char*>, 4> names = {
      {{kinds.upper, "upper"}, {kinds.lower, "lower"}, {kinds.digit, "digits"}, {kinds.sign, "signs"}}};
  const char* before = " ";
  for (const auto& [has, name] : names) {
    if (!has) continue;
    text += fmt::format("{}{}", before, name);
    before = ", ";
  }
  return text;
}

std::string strike_out(std::string_view line, std::string_view secret, std::string_view instead) {
  std::string text;
  for (std::size_t at = 0;;) {
    const std::size_t found = line.find(secret, at);
    text += line.substr(at, found == std::string_view::npos ? found : found - at);
    if (found == std::string_view::npos) return text;
    text += instead;
    at = found + secret.size();
  }
}

std::string stored_name(std::string_view name) { return fmt::format("n{}", name); }

std::string stored_password(std::string_view password, std::string_view key) {
  std::string stored = "h";
  stored += bytes_of(keyed_digest(key, password)).substr(0, kDigestBytes);
  return stored + shape_of(password);
}

StoredAccount read_account(std::string_view stored) {
  const bool hidden = stored.starts_with('h') && stored.size() > kDigestBytes;
  return {std::string(stored.substr(hidden ? 1 + kDigestBytes : std::min<std::size_t>(1, stored.size()))), hidden};
}

}  // namespace tipstaff
