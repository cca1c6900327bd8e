// The half of failpoint() that only the tests' second program has. The variable is read once, at the first passage of
// any failpoint; the process signals itself, so the kernel ends it before the next instruction of this thread. In the
// shipped program this file is empty.
#include "base/failpoint.h"

#ifdef TIPSTAFF_FAILPOINTS
#include <atomic>
#include <charconv>
#include <csignal>
#include <cstdlib>
#include <string_view>

namespace tipstaff {
namespace {

struct Wish {
  std::string_view name;
  long hits = 0;  // 0: none
};

Wish wish_of_environment() {
  const char* const text = std::getenv("TIPSTAFF_FAILPOINT");
  if (text == nullptr) return {};
  const std::string_view whole = text;
  const std::size_t colon = whole.rfind(':');
  if (colon == std::string_view::npos) return {};
  Wish wish{.name = whole.substr(0, colon)};
  std::from_chars(text + colon + 1, text + whole.size(), wish.hits);
  return wish;
}

}  // namespace

void failpoint(const char* name) {
  static const Wish wish = wish_of_environment();
  static std::atomic<long> passages = 0;
  if (wish.hits > 0 && wish.name == name && ++passages == wish.hits) std::raise(SIGKILL);
}

}  // namespace tipstaff
#endif
