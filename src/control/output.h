// What commands print. fmt::print throws where it cannot write, and a full disk or `| head` is no reason to crash.
#pragma once

#include <fmt/format.h>

#include <cstdio>
#include <string_view>
#include <utility>

namespace tipstaff {

/// Writes; what cannot be written is lost, and finish_output says so. Standard output whose reader has gone, as with
/// `| head`, ends the program with kGood: he has what he wants.
void write_to(std::FILE* stream, std::string_view text);

/// Prints to standard output.
template <class... T>
void print_out(fmt::format_string<T...> format, T&&... values) {
  write_to(stdout, fmt::format(format, std::forward<T>(values)...));
}

/// Prints to standard error.
template <class... T>
void print_error(fmt::format_string<T...> format, T&&... values) {
  write_to(stderr, fmt::format(format, std::forward<T>(values)...));
}

/// Hands out what is buffered. Gives `code`, or kFailed with a message where something could not be written.
[[nodiscard]] int finish_output(int code);

}  // namespace tipstaff
