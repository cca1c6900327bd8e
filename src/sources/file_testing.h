// For the tests of everything that follows files: a folder of its own, a writer of logs whose files get times of a
// clock that only rises (the kernel's is too coarse for a test), and a follower on a real loop that collects what it is
// given.
#pragma once

#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/stat.h>
#include <unistd.h>
#include <zlib.h>

#include <boost/asio/io_context.hpp>
#include <chrono>
#include <ctime>
#include <filesystem>
#include <fstream>
#include <map>
#include <string>
#include <vector>

#include "sources/file_follower.h"

namespace tipstaff {

class TestFolder {
 public:
  TestFolder() {
    std::string name = ::testing::TempDir() + "tipstaff-files-XXXXXX";
    path_ = mkdtemp(name.data());
  }
  TestFolder(const TestFolder&) = delete;
  TestFolder& operator=(const TestFolder&) = delete;
  ~TestFolder() { std::filesystem::remove_all(path_); }

  [[nodiscard]] std::string operator/(const std::string& name) const { return path_ + "/" + name; }

  /// The time of the next write; each is a second later than the one before.
  void set_time(time_t seconds) { seconds_ = seconds; }
  void append(const std::string& name, const std::string& text) { write(name, text, std::ios::app); }
  void replace(const std::string& name, const std::string& text) { write(name, text, std::ios::trunc); }
  /// Writes to a file that was opened before, whatever its name is now.
  void append(int descriptor, const std::string& text) {
    ASSERT_EQ(::write(descriptor, text.data(), text.size()), static_cast<ssize_t>(text.size()));
    stamp_file(descriptor);
  }
  /// To be written to at its end; made if it is not there.
  [[nodiscard]] int open(const std::string& name) {
    const bool made = !has(name);
    const int descriptor = ::open((*this / name).c_str(), O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC, 0644);
    if (made) stamp_file(descriptor);
    return descriptor;
  }
  void rename(const std::string& from, const std::string& to) const {
    std::filesystem::rename(*this / from, *this / to);
  }
  void remove(const std::string& name) const { std::filesystem::remove(*this / name); }
  [[nodiscard]] bool has(const std::string& name) const { return std::filesystem::exists(*this / name); }
  [[nodiscard]] std::string content(const std::string& name) const {
    std::ifstream file(*this / name, std::ios::binary);
    return {std::istreambuf_iterator<char>(file), {}};
  }
  /// name.8 -> name.9 ... name.1 -> name.2, packed or not.
  void shift(const std::string& name, int most = 40) const {
    for (int number = most; number > 0; --number) {
      for (const char* end : {"", ".gz"}) {
        const std::string from = name + "." + std::to_string(number) + end;
        if (has(from)) rename(from, name + "." + std::to_string(number + 1) + end);
      }
    }
  }
  /// logrotate's copytruncate.
  void copy_and_empty(const std::string& name, const std::string& copy) {
    replace(copy, content(name));
    replace(name, "");
  }
  /// As gzip does: a new file with the old one's time.
  void pack(const std::string& name) const {
    const auto time = std::filesystem::last_write_time(*this / name);
    const std::string text = content(name);
    gzFile file = gzopen((*this / (name + ".gz")).c_str(), "wb");
    if (!text.empty()) gzwrite(file, text.data(), static_cast<unsigned>(text.size()));
    gzclose(file);
    std::filesystem::last_write_time(*this / (name + ".gz"), time);
    remove(name);
  }

 private:
  void write(const std::string& name, const std::string& text, std::ios::openmode mode) {
    {
      std::ofstream file(*this / name, std::ios::binary | mode);
      file << text;
    }
    const int descriptor = open(name);
    stamp_file(descriptor);
    ::close(descriptor);
  }
  void stamp_file(int descriptor) {
    ++seconds_;
    const timespec stamps[2] = {{seconds_, 0}, {seconds_, 0}};
    futimens(descriptor, stamps);
  }

  std::string path_;
  time_t seconds_ = ::time(nullptr);
};

/// What a follower handed out.
struct Handed {
  std::string line;
  Place place;
  Place next;
  bool cut = false;
  bool catching_up = false;
};

/// A follower on a loop of its own. settle is 0 unless a test says otherwise: nothing waits for a clock.
class TestFollower {
 public:
  explicit TestFollower(FileOptions options, std::optional<SavedPlace> saved = std::nullopt)
      : watch_(loop_), follower_(watch_, with_clock(std::move(options)), std::move(saved)) {
    const auto started = follower_.start(loop_, [this](const Record& record) { take(record); });
    EXPECT_TRUE(started) << started.error().message();
    spin();
  }

  /// Runs the loop until nothing is left to do but to wait.
  void spin() {
    do {
      loop_.restart();
    } while (loop_.poll() > 0);
  }
  /// As a minute later.
  void recheck() {
    watch_.recheck();
    spin();
  }
  [[nodiscard]] std::vector<std::string> lines() const {
    std::vector<std::string> lines;
    for (const Handed& handed : handed_) lines.push_back(handed.line);
    return lines;
  }
  [[nodiscard]] std::vector<std::string> take_lines() {
    std::vector<std::string> taken = lines();
    handed_.clear();
    return taken;
  }
  [[nodiscard]] const std::vector<Handed>& handed() const { return handed_; }
  [[nodiscard]] SavedPlace save() const { return save(follower_.position()); }
  [[nodiscard]] SavedPlace save(Place place) const { return {place, follower_.checkpoint(place)}; }
  [[nodiscard]] FileFollower& operator*() { return follower_; }
  FileFollower* operator->() { return &follower_; }

  std::size_t pause_after = ~std::size_t{0};  ///< lines until the sink pauses the source
  Instant now{std::chrono::hours(24 * 365 * 50)};

 private:
  FileOptions with_clock(FileOptions options) {
    options.now = [this] { return now; };
    return options;
  }
  void take(const Record& record) {
    handed_.push_back({std::string(record.line), record.place, record.next, record.cut, record.catching_up});
    if (--pause_after == 0) follower_.pause(true);
  }

  boost::asio::io_context loop_;
  FileWatch watch_;
  std::vector<Handed> handed_;
  FileFollower follower_;
};

inline FileOptions follow(std::string path, bool from_start = true) {
  FileOptions options;
  options.path = std::move(path);
  options.from_start = from_start;
  options.settle = {};
  return options;
}

using Lines = std::vector<std::string>;

}  // namespace tipstaff
