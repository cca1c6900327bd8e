// Helpers of decide's tests: attempts in one line, rules from a text. Not part of the program.
#pragma once

#include <gtest/gtest.h>

#include <chrono>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "decide/config.h"
#include "decide/engine.h"
#include "detect/attempt.h"

namespace tipstaff::testing_decide {

inline constexpr Instant kStart = std::chrono::sys_days(std::chrono::year(2013) / 5 / 7);

/// A failure of `account` from `address` (empty: none), `at` after kStart.
inline Attempt failure(std::chrono::microseconds at, std::string_view address, std::string_view account = "root") {
  Attempt attempt;
  attempt.address = IpAddress::parse(address);
  attempt.has_account = !account.empty();
  attempt.account = account;
  attempt.service = attempt.detector = attempt.origin = "sshd";
  attempt.host = "host-a";
  attempt.time = attempt.window_time = kStart + at;
  return attempt;
}

inline Attempt success(std::chrono::microseconds at, std::string_view address, std::string_view account = "root") {
  Attempt attempt = failure(at, address, account);
  attempt.outcome = Outcome::success;
  return attempt;
}

inline std::shared_ptr<const Config> config_of(std::string_view text) {
  LoadedConfig loaded = parse_rules(text, "rules.toml");
  EXPECT_TRUE(loaded.has_value()) << (loaded ? std::string() : to_text(loaded.error()));
  return std::make_shared<const Config>(loaded ? std::move(*loaded) : Config());
}

/// An engine and what it has said so far.
class Judge {
 public:
  explicit Judge(std::string_view rules) : engine_(config_of(rules)) {}
  explicit Judge(std::shared_ptr<const Config> config) : engine_(std::move(config)) {}

  /// Verdicts of this attempt: "block NETWORK UNTIL-minus-AT in seconds" or "alert RULE", joined by "; ".
  std::string operator()(const Attempt& attempt) {
    said_.clear();
    engine_.judge(attempt, said_);
    std::string words;
    for (const Verdict& verdict : said_) {
      if (!words.empty()) words += "; ";
      const auto seconds = std::chrono::duration_cast<std::chrono::seconds>(verdict.until - verdict.at).count();
      words += verdict.kind == Verdict::Kind::alert
                   ? "alert " + std::string(verdict.name())
                   : "block " + verdict.network.to_string() + " " + std::to_string(seconds);
    }
    return words;
  }
  [[nodiscard]] const std::vector<Verdict>& said() const { return said_; }
  [[nodiscard]] const RuleEngine& engine() const { return engine_; }

 private:
  RuleEngine engine_;
  std::vector<Verdict> said_;
};

}  // namespace tipstaff::testing_decide
