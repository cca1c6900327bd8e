// What one sshd process writes about one connection, and the tries this tells of. The kinds are those that folding has
// to get right: a try told of by several lines, two tries of one account, a try that is taken back.
#pragma once

#include <cstdint>
#include <random>
#include <string>
#include <vector>

namespace tipstaff {

struct Session {
  /// A try, and the line (index of `messages`) that tells of it first.
  struct Try {
    std::size_t line = 0;
    const char* outcome = "failure";
    std::string account;
    std::uint32_t count = 1;
  };
  std::string program = "sshd";
  std::uint32_t number = 0;  ///< process number
  std::string address;
  std::uint16_t port = 0;
  std::vector<std::string> messages;
  std::vector<Try> tries;
};

/// The `n`-th connection: process number, port and account are its own.
[[nodiscard]] Session make_session(std::uint32_t n, std::mt19937_64& random);

}  // namespace tipstaff
