// libpsl lives here alone.
#include "lookup/names/public_suffix.h"

#include <libpsl.h>

#include <algorithm>

#include "lookup/resolver.h"

namespace tipstaff {
namespace {

// In lower case; empty where it is no host name.
std::string host_name(std::string_view name) {
  if (!is_dns_name(name)) return {};
  if (name.ends_with('.')) name.remove_suffix(1);
  std::string lower(name);
  std::ranges::transform(lower, lower.begin(),
                         [](char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c; });
  return lower;
}

std::shared_ptr<const psl_ctx_st> owned(psl_ctx_t* list) {
  return {list, [](const psl_ctx_st* one) { ::psl_free(const_cast<psl_ctx_st*>(one)); }};
}

}  // namespace

Result<PublicSuffixes> PublicSuffixes::open() {
  psl_ctx_t* const list = ::psl_latest(nullptr);
  if (list == nullptr) {
    return fail(ErrorKind::unavailable,
                "there is no list of public suffixes; install it with: apt-get install publicsuffix");
  }
  return PublicSuffixes(owned(list));
}

Result<PublicSuffixes> PublicSuffixes::of_file(const std::string& path) {
  psl_ctx_t* const list = ::psl_load_file(path.c_str());
  if (list == nullptr) return fail(ErrorKind::unavailable, "the list of public suffixes cannot be read", path);
  return PublicSuffixes(owned(list));
}

std::string PublicSuffixes::registrable_domain(std::string_view name) const {
  const std::string host = host_name(name);
  const char* const found = host.empty() ? nullptr : ::psl_registrable_domain(list_.get(), host.c_str());
  return found == nullptr ? std::string() : std::string(found);
}

std::string PublicSuffixes::public_suffix(std::string_view name) const {
  const std::string host = host_name(name);
  const char* const found = host.empty() ? nullptr : ::psl_unregistrable_domain(list_.get(), host.c_str());
  return found == nullptr ? std::string() : std::string(found);
}

}  // namespace tipstaff
