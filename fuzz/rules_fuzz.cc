// Rules and settings files. A wrong one is an error with a place; a right one must explain itself and judge an attempt.
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <memory>
#include <string_view>
#include <vector>

#include "decide/config.h"
#include "decide/engine.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace tipstaff;
  LoadedConfig config = parse_rules({reinterpret_cast<const char*>(data), size}, "fuzz.toml");
  if (!config) {
    if (config.error().empty() || to_text(config.error()).empty()) std::abort();
    return 0;
  }
  for (const auto& rule : config->rules) {
    if (rule.explain().empty()) std::abort();
  }
  RuleEngine engine(std::make_shared<const Config>(std::move(*config)));
  std::vector<Verdict> verdicts;
  Attempt attempt;
  attempt.address = IpAddress::v4(0xc0000201);
  attempt.has_account = true;
  attempt.account = "root";
  attempt.service = attempt.origin = attempt.detector = "sshd";
  for (int i = 0; i < 20; ++i) {
    attempt.window_time += std::chrono::seconds(1);
    engine.judge(attempt, verdicts);
  }
  for (const auto& verdict : verdicts) {
    if (verdict.until < verdict.at) std::abort();
  }
  return 0;
}
