// One ask to the guard: a line of JSON with a command's name and its arguments, read strictly against the table of commands.
// Whoever may connect may send anything, so what is not exactly right is refused with a sentence. What a command does is
// not known here.
#pragma once

#include <chrono>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>

#include "base/address.h"
#include "base/result.h"
#include "control/peer.h"

namespace tipstaff {

/// A command as everybody sees it, whether he comes by command line, socket or page.
struct CommandDefinition {
  std::string_view name;
  Role least;             ///< who may give it
  bool changes;           ///< it is written down who gave it
  std::string_view keys;  ///< its arguments, with a blank after each; "!" behind those that must be there
  std::string_view sentence;
};

/// All commands (docs/formats/control.md).
[[nodiscard]] std::span<const CommandDefinition> command_definitions();

struct ControlAsk {
  const CommandDefinition* command = nullptr;
  std::optional<IpNetwork> network;            ///< "network"
  std::optional<std::chrono::seconds> length;  ///< "for"
  std::string service, why, rule, subject;     ///< as said; empty where not
  std::optional<std::string> account;          ///< "account"
  bool all = false;                            ///< "all"
  std::optional<std::uint64_t> limit;          ///< "limit"
};

inline constexpr std::size_t kLongestWhy = 300;  // bytes
inline constexpr std::size_t kLongestName = 256;

/// Error: invalid.
[[nodiscard]] Result<ControlAsk> parse_ask(std::string_view line);

/// The word for a kind of error in an answer: "denied", "not_found" ...
[[nodiscard]] std::string_view to_word(ErrorKind kind);
/// `{"ok":false,"error":{"kind":"...","message":"..."}}`.
[[nodiscard]] std::string error_answer(const Error& error);

}  // namespace tipstaff
