// Where registrable domains begin, by the public suffix list (Debian: publicsuffix) through libpsl: example.co.uk of
// mail.example.co.uk. The list compiled into the library serves where the package's file is missing or older.
#pragma once

#include <memory>
#include <string>
#include <string_view>

#include "base/result.h"

struct psl_ctx_st;

namespace tipstaff {

/// Immutable; may be shared between threads.
class PublicSuffixes {
 public:
  /// The newer of the system's list and that compiled into libpsl. Errors: unavailable (there is neither).
  [[nodiscard]] static Result<PublicSuffixes> open();
  /// Of a file in the list's own format, for tests and own lists. Errors: unavailable.
  [[nodiscard]] static Result<PublicSuffixes> of_file(const std::string& path);

  /// "example.co.uk" of "mail.example.co.uk"; empty for a public suffix itself, a single label or no host name. The name in
  /// lower case.
  [[nodiscard]] std::string registrable_domain(std::string_view name) const;
  /// "co.uk" of "mail.example.co.uk"; a name under none of the list's suffixes has its last label.
  [[nodiscard]] std::string public_suffix(std::string_view name) const;

 private:
  explicit PublicSuffixes(std::shared_ptr<const psl_ctx_st> list) : list_(std::move(list)) {}
  std::shared_ptr<const psl_ctx_st> list_;
};

}  // namespace tipstaff
