// A small log for the tests of `tipstaff scan`, made line by line, and the scan of it.
#pragma once

#include <fmt/format.h>
#include <gtest/gtest.h>

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "tests/run.h"

namespace tipstaff {

/// One line of sshd on web01, `second` seconds after ten o'clock.
[[nodiscard]] inline std::string sshd(int second, int pid, const std::string& message) {
  return fmt::format("2024-03-03T10:{:02}:{:02}Z web01 sshd[{}]: {}\n", second / 60, second % 60, pid, message);
}

[[nodiscard]] inline std::string failed(int second, int pid, const std::string& address,
                                        const std::string& account = "root") {
  return sshd(second, pid, fmt::format("Failed password for {} from {} port {} ssh2", account, address, 40000 + pid));
}

/// Six failures and a login of one address, eight failures of another in two lines, a login, a probe, and other lines.
[[nodiscard]] inline std::string evening() {
  std::string log;
  for (int i = 0; i < 6; ++i) log += failed(i * 10, 100 + i, "198.51.100.7");
  log += failed(70, 200, "203.0.113.9", "invalid user bob");
  log += sshd(71, 200,
              "message repeated 7 times: [ Failed password for invalid user bob from 203.0.113.9 port 40200 ssh2]");
  log += sshd(80, 201, "Accepted publickey for anna from 192.0.2.10 port 50022 ssh2: ED25519 SHA256:abc");
  log += sshd(90, 202, "Did not receive identification string from 203.0.113.50 port 4444");
  log += "2024-03-03T10:01:35Z web01 CRON[300]: (root) CMD (true)\n";
  log += sshd(100, 203, "Accepted password for root from 198.51.100.7 port 5000 ssh2");
  return log;
}

inline constexpr int kEveningAttempts = 11;  // objects; the repeated line is one

/// Runs `tipstaff scan`.
[[nodiscard]] inline Said scan(std::vector<std::string> arguments, const RunOptions& options = {}) {
  arguments.insert(arguments.begin(), "scan");
  return tipstaff(arguments, options);
}

/// The summary of a scan that must succeed.
[[nodiscard]] inline boost::json::object summary(std::vector<std::string> arguments, const RunOptions& options = {}) {
  arguments.insert(arguments.begin(), {"--format", "none", "--json"});
  const Said said = scan(arguments, options);
  EXPECT_EQ(said.code, 0) << said.err;
  return json_object(said);
}

/// A member as number.
[[nodiscard]] inline std::int64_t number(const boost::json::object& object, std::string_view name) {
  return object.at(name).to_number<std::int64_t>();
}

}  // namespace tipstaff
