// The promise that counts most, against chance: whatever rules, attempts and exemptions, no block ever covers an address
// that was exempt when it was judged. 20 worlds of random rules, 5,000 random attempts each; exemptions come and go
// meanwhile. A failure prints the seed.
#include <gtest/gtest.h>

#include <random>

#include <fmt/format.h>

#include "decide/testing.h"

namespace tipstaff {
namespace {

using namespace std::chrono_literals;
using testing_decide::config_of;

class World {
 public:
  explicit World(std::uint64_t seed) : random_(seed) {}

  std::uint64_t below(std::uint64_t end) { return random_() % end; }
  template <std::size_t kSize>
  const char* one_of(const char* const (&all)[kSize]) {
    return all[below(kSize)];
  }

  // Few, so that networks are full of neighbours.
  std::string address() {
    if (below(3) == 0) return fmt::format("2001:db8:0:{}::{:x}", below(3), below(6));
    if (below(40) == 0) return "::ffff:192.0.2." + std::to_string(below(20));
    return fmt::format("192.0.{}.{}", below(3), below(20));
  }

  std::string network() {
    const std::string host = address();
    if (below(2) == 0 || host.starts_with("::")) return host;
    const bool four = host.find('.') != std::string::npos;
    return fmt::format("{}/{}", host, four ? 24 + below(9) : 56 + below(73));
  }

  std::vector<Exemption> exemptions() {
    std::vector<Exemption> all;
    for (std::uint64_t i = below(4); i > 0; --i) all.push_back({*IpNetwork::parse(network()), "live"});
    return all;
  }

  std::string rules() {
    std::string text = "[protect]\n";
    if (below(2) == 0) text += "recent_success = \"10m\"\nstale_factor = 3\n";
    text += "[allowlist]\nnetworks = [";
    for (std::uint64_t i = below(4); i > 0; --i) text += fmt::format("\"{}\",", network());
    text += "]\nproxies = [\"" + network() + "\"]\n";
    for (std::uint64_t i = 1 + below(4); i > 0; --i) text += rule(i);
    return text;
  }

  std::string rule(std::uint64_t number) {
    std::string text = fmt::format("[[rule]]\nname = \"r{}\"\ntrigger_window = \"{}s\"\nlockout = \"{}s\"\n", number,
                                   1 + below(600), 1 + below(600));
    const bool distinct = below(4) == 0;
    text += fmt::format("occurrences = {}\n", (distinct ? 2 : 1) + below(6));
    if (distinct) text += "distinct = \"account\"\n";
    if (below(3) > 0)
      text +=
          fmt::format("count_by = \"prefix\"\nipv4_prefix = {}\nipv6_prefix = {}\n", 8 + below(25), 16 + below(113));
    if (below(3) == 0) text += "scope = \"service\"\n";
    if (below(3) == 0) text += "continue = true\n";
    if (below(3) == 0) text += fmt::format("exempt = [\"{}\"]\n", network());
    if (below(3) == 0) text += "match = { outcome = [\"failure\", \"probe\", \"success\"] }\n";
    return text;
  }

 private:
  std::mt19937_64 random_;
};

bool have_common(const IpNetwork& a, const IpNetwork& b) { return a.contains(b.address()) || b.contains(a.address()); }

TEST(ExemptInvariant, NoBlockEverCoversAnExemptAddress) {
  const std::uint64_t seed = std::random_device()();
  SCOPED_TRACE(fmt::format("seed {}", seed));
  World world(seed);
  std::size_t blocks = 0;
  std::size_t narrowed = 0;
  for (int i = 0; i < 20; ++i) {
    const std::string rules = world.rules();
    SCOPED_TRACE(rules);
    const auto config = config_of(rules);
    RuleEngine engine(config);
    std::shared_ptr<const Exemptions> live;
    std::chrono::microseconds at = 0s;
    std::vector<Verdict> said;
    for (int step = 0; step < 5'000; ++step) {
      if (world.below(50) == 0) {
        live = world.below(5) == 0 ? nullptr : std::make_shared<const Exemptions>(world.exemptions());
        engine.set_live_exemptions(live);
      }
      at += std::chrono::seconds(world.below(world.below(100) == 0 ? 900 : 4));
      Attempt attempt = testing_decide::failure(at, world.below(20) == 0 ? "" : world.address(),
                                                world.one_of({"root", "anna", "bo", "carol", "dan", ""}));
      const auto kind = world.below(8);
      attempt.outcome = kind == 0 ? Outcome::success : kind == 1 ? Outcome::probe : Outcome::failure;
      attempt.count = world.below(10) == 0 ? 1 + static_cast<std::uint32_t>(world.below(9)) : 1;
      attempt.service = world.one_of({"sshd", "dovecot"});
      said.clear();
      engine.judge(attempt, said);
      for (const Verdict& verdict : said) {
        if (verdict.kind != Verdict::Kind::block) continue;
        ++blocks;
        narrowed += verdict.narrowed.to_address ? 1U : 0U;
        ASSERT_TRUE(verdict.network.contains(*attempt.address)) << step;
        for (const Exemptions* set : {&config->exempt, live.get(), &verdict.rule->exempt}) {
          if (set == nullptr) continue;
          for (const Exemption& one : set->entries()) {
            ASSERT_FALSE(have_common(one.network, verdict.network))
                << "step " << step << ": " << verdict.network.to_string() << " holds " << one.network.to_string();
          }
        }
      }
    }
  }
  EXPECT_GT(blocks, 100U);  // the mix does reach what it is to show
  EXPECT_GT(narrowed, 10U);
}

}  // namespace
}  // namespace tipstaff
