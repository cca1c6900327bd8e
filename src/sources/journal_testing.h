// Journal files for tests, made by systemd-journal-remote out of its export format, since systemd need not run here.
// Each file is a run of its own; appending to it goes on with its numbers.
#pragma once

#include <fcntl.h>
#include <gtest/gtest.h>
#include <spawn.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <cstdint>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#if defined(__SANITIZE_ADDRESS__)
#include <sanitizer/lsan_interface.h>
#endif

namespace tipstaff {

/// While it stands, what is allocated is not looked for as a leak: a library that is left in the middle cannot free it.
#if defined(__SANITIZE_ADDRESS__)
using LeavesBehind = __lsan::ScopedDisabler;
#else
struct LeavesBehind {
  LeavesBehind() {}  // NOLINT(modernize-use-equals-default): else the object counts as unused
};
#endif

inline constexpr const char* kJournalTool = "/lib/systemd/systemd-journal-remote";

/// An entry as sshd's own: what differs is changed by a test.
struct TestEntry {
  std::string message;
  std::int64_t seconds = 0;  ///< after the tests' beginning of time
  std::string identifier = "sshd";
  std::string unit = "ssh.service";
  std::string comm = "sshd";
  std::string uid = "0";
  std::string pid = "4711";
  std::string host = "mx";
};

/// 2026-11-05T03:00:00Z.
inline constexpr std::int64_t kJournalBegin = 1'793'847'600;

/// The export format; a field whose value is empty is left out. A value with a line feed has its binary form.
[[nodiscard]] inline std::string to_export(const TestEntry& entry) {
  const std::int64_t microseconds = (kJournalBegin + entry.seconds) * 1'000'000;
  std::string text = "__REALTIME_TIMESTAMP=" + std::to_string(microseconds) +
                     "\n__MONOTONIC_TIMESTAMP=" + std::to_string(microseconds - kJournalBegin * 1'000'000 + 1) +
                     "\n_BOOT_ID=11111111111111111111111111111111\n";
  const std::pair<const char*, const std::string*> fields[] = {
      {"MESSAGE", &entry.message},    {"SYSLOG_IDENTIFIER", &entry.identifier},
      {"_SYSTEMD_UNIT", &entry.unit}, {"_COMM", &entry.comm},
      {"_UID", &entry.uid},           {"_PID", &entry.pid},
      {"_HOSTNAME", &entry.host}};
  for (const auto& [name, value] : fields) {
    if (value->empty()) continue;
    text += name;
    if (value->find('\n') == std::string::npos) {
      text += "=" + *value + "\n";
      continue;
    }
    text += '\n';
    for (unsigned byte = 0; byte < 8; ++byte) text += static_cast<char>(value->size() >> (8 * byte) & 0xffU);
    text += *value + "\n";
  }
  return text + "\n";
}

class TestJournal {
 public:
  TestJournal() {
    std::string name = ::testing::TempDir() + "tipstaff-journal-XXXXXX";
    path_ = mkdtemp(name.data());
  }
  TestJournal(const TestJournal&) = delete;
  TestJournal& operator=(const TestJournal&) = delete;
  ~TestJournal() { std::filesystem::remove_all(path_); }

  [[nodiscard]] static bool has_tool() { return access(kJournalTool, X_OK) == 0; }
  [[nodiscard]] const std::string& path() const { return path_; }
  [[nodiscard]] std::string operator/(const std::string& name) const { return path_ + "/" + name; }

  /// Appends to path()/name, which it makes where there is none.
  void append(const std::string& name, const std::vector<TestEntry>& entries) const {
    std::string text;
    for (const TestEntry& entry : entries) text += to_export(entry);
    const std::string input = path_ + "/export.txt";
    std::ofstream(input, std::ios::binary) << text;
    const std::string output = "--output=" + *this / name;
    std::array<char*, 4> arguments = {const_cast<char*>(kJournalTool), const_cast<char*>(output.c_str()),
                                      const_cast<char*>(input.c_str()), nullptr};
    posix_spawn_file_actions_t quiet;
    posix_spawn_file_actions_init(&quiet);
    posix_spawn_file_actions_addopen(&quiet, STDERR_FILENO, "/dev/null", O_WRONLY, 0);
    pid_t child = 0;
    ASSERT_EQ(posix_spawn(&child, kJournalTool, &quiet, nullptr, arguments.data(), environ), 0);
    posix_spawn_file_actions_destroy(&quiet);
    int status = 0;
    ASSERT_EQ(waitpid(child, &status, 0), child);
    ASSERT_EQ(status, 0) << kJournalTool << " failed";
    std::filesystem::remove(input);
  }
  void rename(const std::string& from, const std::string& to) const {
    std::filesystem::rename(*this / from, *this / to);
  }
  void remove(const std::string& name) const { std::filesystem::remove(*this / name); }

 private:
  std::string path_;
};

}  // namespace tipstaff
