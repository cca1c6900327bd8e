// Passwords typed where the account belongs: people do it every day, and a ledger that kept them would be a list of
// passwords. Here it is decided what looks like one, and what is kept instead. The caller must know that no account of
// that name exists here; no rule on letters alone could.
#pragma once

#include <string>
#include <string_view>

namespace tipstaff {

/// True for at least 8 bytes that hold a sign which names hardly hold (!#%&*? and the like), or digits and letters of both
/// cases; and for ten digits and more. DOMAIN\ before the name, $ behind it and @domain.tld are not looked at.
[[nodiscard]] bool looks_like_password(std::string_view account);

/// What may be told of it: "11 characters: upper, lower, digits, signs".
[[nodiscard]] std::string shape_of(std::string_view password);

/// Puts `instead` in the place of each occurrence of `secret`, which must not be empty.
[[nodiscard]] std::string strike_out(std::string_view line, std::string_view secret, std::string_view instead);

/// How accounts stand in the file: 'n' and the name, or 'h', 16 bytes of keyed digest and the shape.
struct StoredAccount {
  std::string text;  ///< name, or shape
  bool hidden = false;
};
[[nodiscard]] std::string stored_name(std::string_view name);
[[nodiscard]] std::string stored_password(std::string_view password, std::string_view key);
[[nodiscard]] StoredAccount read_account(std::string_view stored);

}  // namespace tipstaff
