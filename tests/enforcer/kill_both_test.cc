// Guard, enforcer and both are killed at random moments while attackers go on, blocks end and support lets people in;
// now and then the firewall is flushed meanwhile. After each restart the ledger, the guard and the kernel must come to hold
// the same blocks, and these must be the right ones.
//
// The plain run makes 9 kills; TIPSTAFF_LONG=1 makes 100. TIPSTAFF_SEED repeats a run, TIPSTAFF_KILLS changes its size.
#include <algorithm>
#include <atomic>
#include <chrono>
#include <cstdlib>
#include <iostream>
#include <mutex>
#include <random>
#include <thread>

#include "tests/enforcer/whole.h"

namespace tipstaff {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;

constexpr const char* kRules = R"(
[allowlist]
sessions = false
[[rule]]
name = "brief"
match = { account = "brief" }
trigger_window = "30m"
occurrences = 1
lockout = "3s"
[[rule]]
name = "all"
trigger_window = "30m"
occurrences = 1
lockout = "6h"
[[rule]]
name = "Catch All Login"
enabled = false
[[rule]]
name = "Spraying"
enabled = false
)";
// The promise is two seconds; a machine that builds beside the test gets more.
constexpr seconds kMost{15};

std::uint64_t setting(const char* name, std::uint64_t otherwise) {
  const char* const text = std::getenv(name);
  return text == nullptr ? otherwise : std::stoull(text);
}

// Attackers, on a thread of their own: each tries once, and is to be shut out from then on; some only for a moment.
class Attack {
 public:
  explicit Attack(Whole& whole) : whole_(whole), thread_([this] { run(); }) {}
  ~Attack() {
    stop_ = true;
    thread_.join();
  }
  Attack(const Attack&) = delete;
  Attack& operator=(const Attack&) = delete;

  void go(bool on) {
    const std::lock_guard lock(mutex_);
    on_ = on;
  }
  /// Who is to be shut out for long.
  [[nodiscard]] Blocked blocked() {
    const std::lock_guard lock(mutex_);
    return blocked_;
  }
  void let_in(const std::string& address) {
    const std::lock_guard lock(mutex_);
    blocked_.erase(address);
  }
  /// Who may still be shut out for a moment.
  [[nodiscard]] Blocked brief() {
    const std::lock_guard lock(mutex_);
    return brief_;
  }

 private:
  void run() {
    for (unsigned n = 0; !stop_; ++n) {
      {
        const std::lock_guard lock(mutex_);
        if (on_) {
          const std::string address = IpAddress::v4(0xc612'0000U + n).to_string();
          const bool brief = n % 5 == 4;
          whole_.fail(address, brief ? "brief" : "root");
          (brief ? brief_ : blocked_).insert(address);
        }
      }
      std::this_thread::sleep_for(milliseconds(3));
    }
  }

  Whole& whole_;
  std::mutex mutex_;
  bool on_ = false;
  Blocked blocked_, brief_;
  std::atomic<bool> stop_ = false;
  std::thread thread_;
};

TEST(EnforceKill, LedgerGuardAndKernelAgreeAfterEachKill) {
  const bool is_long = setting("TIPSTAFF_LONG", 0) != 0;
  const std::uint64_t kills = setting("TIPSTAFF_KILLS", is_long ? 100 : 9);
  const std::uint64_t seed = setting("TIPSTAFF_SEED", std::random_device()());
  std::cout << "[ SEED     ] TIPSTAFF_SEED=" << seed << ", " << kills << " kills\n";
  std::mt19937_64 random(seed);
  const auto chance = [&random](std::uint64_t of) { return random() % of; };

  const Network host;
  Whole whole(host, kRules);
  whole.start_guard();
  ASSERT_TRUE(comes_true([&] { return whole.in_guard().has_value(); })) << whole.said();
  Attack attack(whole);
  milliseconds worst{0};

  for (std::uint64_t i = 0; i < kills; ++i) {
    attack.go(true);
    std::this_thread::sleep_for(milliseconds(chance(300)));
    if (const Blocked all = attack.blocked(); !all.empty() && chance(3) == 0) {
      const std::string lucky = *std::next(all.begin(), static_cast<std::ptrdiff_t>(chance(all.size())));
      // a change that was answered holds; one that was not may
      if (whole.ask(R"({"command":"unblock","why":"test","network":")" + lucky + "\"}")) attack.let_in(lucky);
    }
    const auto who = i % 3;
    if (who != 1) whole.end_guard(SIGKILL);
    if (who != 0) whole.enforcer().end(SIGKILL);
    std::this_thread::sleep_for(milliseconds(chance(100)));
    if (who != 0 && chance(3) == 0) host.command("nft flush ruleset");
    if (chance(2) == 0) attack.go(false);  // else they go on while both start
    const auto restarted = std::chrono::steady_clock::now();
    if (who != 0) whole.enforcer().start();
    if (who != 1) whole.start_guard();
    std::this_thread::sleep_for(milliseconds(chance(200)));
    attack.go(false);

    const Blocked expected = attack.blocked();
    const Blocked brief = attack.brief();
    // Those shut out for a moment may or may not be there.
    const auto agrees = [&](Blocked found) {
      std::erase_if(found, [&](const std::string& address) { return brief.contains(address); });
      return found == expected;
    };
    const bool good = comes_true(
        [&] {
          const auto guard = whole.in_guard();
          const auto ledger = whole.in_ledger();
          return guard && agrees(*guard) && ledger && agrees(*ledger) && agrees(whole.in_kernel());
        },
        kMost);
    const auto took = std::chrono::duration_cast<milliseconds>(std::chrono::steady_clock::now() - restarted);
    worst = std::max(worst, took);
    ASSERT_TRUE(good) << "kill " << i << ": " << expected.size() << " are to be shut out; the guard has "
                      << whole.in_guard().value_or(Blocked()).size() << ", the ledger "
                      << whole.in_ledger().value_or(Blocked()).size() << ", the kernel " << whole.in_kernel().size()
                      << "\n"
                      << whole.said();
  }
  std::cout << "[ WORST    ] " << worst.count() << " ms from the restart until all agreed, " << attack.blocked().size()
            << " blocks\n";
  const Blocked expected = attack.blocked();
  EXPECT_TRUE(comes_true([&] {  // the last who were shut out for a moment are out of it
    return whole.in_guard() == expected && whole.in_ledger() == expected && whole.in_kernel() == expected;
  })) << whole.said();
  whole.end_guard(SIGTERM);
}

}  // namespace
}  // namespace tipstaff
