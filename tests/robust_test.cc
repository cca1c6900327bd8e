// Input that is no log: lines without end, NUL bytes, broken UTF-8. The program must go on, in bounded memory, and what it
// costs must grow with the bytes and not with the length of the lines. The child's own figures tell: its processor time by
// wait4(), its memory by the kernel's high-water mark, since what wait4() says of memory includes what the test program
// itself held when it forked.
#include <gtest/gtest.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cstdlib>
#include <fstream>
#include <functional>
#include <string>

#include "tests/run.h"

namespace tipstaff {
namespace {

struct Cost {
  int code = -1;
  long peak_kib = 0;
  double cpu_seconds = 0;
};

// The high-water mark of a process that runs, in KiB.
long peak_of(pid_t process) {
  std::ifstream status("/proc/" + std::to_string(process) + "/status");
  for (std::string line; std::getline(status, line);) {
    if (line.starts_with("VmHWM:")) return std::atol(line.c_str() + 6);
  }
  return -1;
}

// Runs `tipstaff scan --format none -` on what `feed` writes to it piece by piece.
Cost scan(const std::function<void(const std::function<bool(std::string_view)>&)>& feed) {
  std::array<int, 2> ends{};
  EXPECT_EQ(pipe(ends.data()), 0);
  const pid_t child = fork();
  if (child == 0) {
    dup2(ends[0], STDIN_FILENO);
    close(ends[0]);
    close(ends[1]);
    if (freopen("/dev/null", "w", stdout) == nullptr) _exit(126);
    execl(TIPSTAFF_BINARY, TIPSTAFF_BINARY, "scan", "--format", "none", "--json", "--timezone", "UTC", "-", nullptr);
    _exit(127);
  }
  close(ends[0]);
  feed([&](std::string_view bytes) {
    while (!bytes.empty()) {
      const ssize_t written = write(ends[1], bytes.data(), bytes.size());
      if (written <= 0) return false;
      bytes.remove_prefix(static_cast<std::size_t>(written));
    }
    return true;
  });
  Cost cost;
  cost.peak_kib = peak_of(child);  // it waits for more
  EXPECT_GT(cost.peak_kib, 0);
  close(ends[1]);
  rusage usage{};
  int status = 0;
  EXPECT_EQ(wait4(child, &status, 0, &usage), child);
  cost.code = WIFEXITED(status) ? WEXITSTATUS(status) : -1;
  const auto seconds = [](const timeval& time) {
    return static_cast<double>(time.tv_sec) + static_cast<double>(time.tv_usec) * 1e-6;
  };
  cost.cpu_seconds = seconds(usage.ru_utime) + seconds(usage.ru_stime);
  return cost;
}

constexpr long kMemoryKib = 40'000;  // far below what one of these inputs has; sanitizers are not measured

TEST(Robust, GigabytesWithoutALineEndSlow) {
  const std::string piece(1U << 20U, 'x');
  const Cost cost = scan([&](const auto& put) {
    put("Nov  5 03:04:05 gate sshd[17]: ");
    for (int i = 0; i < 2048 && put(piece); ++i) {
    }
  });
  EXPECT_EQ(cost.code, 0);
  EXPECT_LT(cost.peak_kib, kMemoryKib);
}

TEST(Robust, TimePerByteDoesNotGrowWithTheLineSlow) {
  // lines that every stage has to look at: attempts with a long account, web requests with a long path
  const auto per_run = [&](std::size_t length) {
    const std::string fill(length, 'a');
    const std::string lines = "Nov  5 03:04:05 gate sshd[17]: Invalid user " + fill + " from 192.0.2.1 port 22\n" +
                              "192.0.2.1 - - [05/Nov/2026:03:04:05 +0000] \"GET /" + fill +
                              " HTTP/1.1\" 200 5 \"-\" \"-\"\n";
    double best = 1e9;
    for (int round = 0; round < 5; ++round) {
      const Cost cost = scan([&](const auto& put) {
        for (std::size_t sent = 0; sent < 100'000'000 && put(lines); sent += lines.size()) {
        }
      });
      EXPECT_EQ(cost.code, 0);
      EXPECT_LT(cost.peak_kib, kMemoryKib);
      best = std::min(best, cost.cpu_seconds);
    }
    return best;
  };
  const double short_lines = per_run(10'000);
  const double long_lines = per_run(1'000'000);
  EXPECT_LE(long_lines, short_lines * 2) << "10 kB lines: " << short_lines << " s, 1 MB lines: " << long_lines << " s";
}

TEST(Robust, NulBytesAndBrokenUtf8StopNothing) {
  using std::string_literals::operator""s;
  std::string log;
  for (const std::string& odd : {"\0\0"s, "\xff\xfe\xfd"s, "\xc3"s, "\xed\xa0\x80"s, "a\0b"s, "\x1b[31m"s}) {
    log += "Nov  5 03:04:05 gate sshd[17]: Invalid user " + odd + " from 192.0.2.1 port 22\n" + odd + "\n";
  }
  for (int i = 0; i < 20; ++i) log += "Nov  5 03:04:06 gate cron[1]: an ordinary line, so that the whole is a text\n";
  log += "Nov  5 03:04:07 gate sshd[18]: Failed password for root from 198.51.100.7 port 22 ssh2\n";
  const Said said = tipstaff({"scan", "--format", "json", "--timezone", "UTC", "-"}, {.input = log});
  EXPECT_EQ(said.code, 0) << said.err;
  const auto attempts = json_lines(said.out);
  ASSERT_EQ(attempts.size(), 7U);
  EXPECT_EQ(attempts.back().at("address"), "198.51.100.7");
  EXPECT_EQ(attempts.back().at("line"), 33);
}

TEST(Robust, ALineOfAMegabyteIsOneLine) {
  const std::string log = "Nov  5 03:04:05 gate sshd[17]: Invalid user " + std::string(1'000'000, 'x') +
                          " from 192.0.2.1 port 22\nNov  5 03:04:07 gate sshd[18]: Failed password for root from "
                          "198.51.100.7 port 22 ssh2\n";
  const Said said = tipstaff({"scan", "--format", "json", "--timezone", "UTC", "-"}, {.input = log});
  EXPECT_EQ(said.code, 0) << said.err;
  const auto attempts = json_lines(said.out);
  ASSERT_EQ(attempts.size(), 1U);
  EXPECT_EQ(attempts[0].at("line"), 2);
}

// Somebody fits the length of his name so that the line is cut right behind an address he typed.
TEST(Robust, ACutLineGivesNoAddress) {
  constexpr std::size_t kCap = 64U << 10U;
  const std::string head = "Nov  5 03:04:05 gate sshd[17]: Invalid user ";
  const std::string planted = " from 203.0.113.66 port 22";
  for (std::size_t length = kCap - 4; length <= kCap + 4; ++length) {
    const std::string log = head + std::string(length - head.size() - planted.size(), 'x') + planted +
                            " from 192.0.2.1 port 22\nNov  5 03:04:06 gate cron[1]: x\n";
    const Said said = tipstaff({"scan", "--format", "json", "--timezone", "UTC", "-"}, {.input = log});
    EXPECT_EQ(said.code, 0) << said.err;
    EXPECT_EQ(said.out.find("203.0.113.66"), std::string::npos) << length << ": " << said.out;
  }
}

}  // namespace
}  // namespace tipstaff
