// How the logs are written. Each log has its folder, a file it writes to, and the connections whose lines are still to
// come; a line is taken from any of these. Files are opened with O_APPEND, as syslog daemons do.
#include "tests/guard/feeder.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <gtest/gtest.h>
#include <unistd.h>
#include <zlib.h>

#include <algorithm>
#include <array>
#include <ctime>

#include "tests/guard/session.h"
#include "tests/run.h"

namespace tipstaff {

namespace fs = std::filesystem;

namespace {

constexpr std::array kKinds = {Rotation::rename_numbers, Rotation::rename_dates, Rotation::compress,
                               Rotation::copy_truncate,  Rotation::symlink,      Rotation::new_name,
                               Rotation::remove};
constexpr std::array<const char*, 7> kFolders = {"numbers", "dates", "packed", "copied", "linked", "named", "removed"};

bool rotates_alone(Rotation kind) {
  return kind == Rotation::rename_numbers || kind == Rotation::rename_dates || kind == Rotation::symlink ||
         kind == Rotation::new_name;
}

int open_to_append(const fs::path& path) {
  const int fd = ::open(path.c_str(), O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0640);
  EXPECT_GE(fd, 0) << path;
  return fd;
}

void write_all(int fd, std::string_view bytes) {
  EXPECT_EQ(::write(fd, bytes.data(), bytes.size()), static_cast<ssize_t>(bytes.size()));
}

std::string stamp(Instant time, bool fine) {
  const auto seconds = std::chrono::floor<std::chrono::seconds>(time);
  const std::time_t plain = std::chrono::system_clock::to_time_t(seconds);
  std::tm parts{};
  gmtime_r(&plain, &parts);
  std::array<char, 64> text{};
  if (!fine) return {text.data(), std::strftime(text.data(), text.size(), "%b %e %H:%M:%S", &parts)};
  const std::size_t size = std::strftime(text.data(), text.size(), "%Y-%m-%dT%H:%M:%S", &parts);
  return fmt::format("{}.{:06}+00:00", std::string_view(text.data(), size), (time - seconds).count());
}

}  // namespace

std::string to_string(const Told& told) {
  return fmt::format("{} {} port {} account '{}' at {} x{} on {}", told.outcome, told.address, told.port, told.account,
                     to_rfc3339(told.time), told.count, told.host);
}

class Feeder::Log {
 public:
  Log(Rotation kind, const fs::path& folder, std::uint64_t seed) : kind_(kind), random_(seed) {
    const std::string name = kFolders[static_cast<std::size_t>(kind)];
    folder_ = folder / "logs" / name;
    fs::create_directories(folder_);
    fs::create_directories(folder / "copies");
    copy_path_ = folder / "copies" / (name + ".log");
    copy_ = open_to_append(copy_path_);
    host_ = "host-" + name;
    open_next();
    plan();
  }
  ~Log() {
    if (fd_ >= 0) ::close(fd_);
    ::close(copy_);
  }
  Log(const Log&) = delete;
  Log& operator=(const Log&) = delete;

  [[nodiscard]] std::size_t rotations() const { return rotations_; }
  [[nodiscard]] const fs::path& copy() const { return copy_path_; }
  [[nodiscard]] const std::vector<Told>& told() const { return told_; }
  [[nodiscard]] fs::path followed() const {
    return kind_ == Rotation::new_name ? folder_ / "host-*.log" : folder_ / "auth.log";
  }

  // One line of any open connection, or of a new one that `make` gives.
  template <class Make>
  void write_line(Instant time, Make&& make) {
    settle();
    if (open_.empty() || (!ending_ && open_.size() < kConnections && random_() % 3 == 0)) open_.push_back({make()});
    const std::size_t which = random_() % open_.size();
    Open& one = open_[which];
    for (const auto& each : one.session.tries) {
      if (each.line != one.next) continue;
      told_.push_back({one.session.address, one.session.port, each.account, each.outcome,
                       std::chrono::floor<std::chrono::seconds>(time), each.count, host_});
    }
    put(fmt::format("{} {} {}[{}]: {}\n", stamp(time, kind_ != Rotation::rename_dates), host_, one.session.program,
                    one.session.number, one.session.messages[one.next]));
    if (++one.next == one.session.messages.size()) open_.erase(open_.begin() + static_cast<std::ptrdiff_t>(which));
    if (!rotates_alone(kind_) || since_rotation_ < planned_) return;
    if (kind_ == Rotation::new_name) ending_ = true;  // another name is another source: no connection goes on there
    if (kind_ != Rotation::new_name || open_.empty()) rotate();
  }

  /// Takes no new connection until it is rotated.
  void end() { ending_ = true; }
  [[nodiscard]] bool quiet() const { return ending_ && open_.empty(); }

  // Before each line: what a daemon does that was told to open its log anew, or whose log is to be made again.
  void settle() {
    if (lag_ > 0 && --lag_ == 0) {
      flush();
      reopen();
    }
    if (fd_ < 0) open_next();
  }

  void flush() {
    if (!held_.empty()) write_all(fd_, held_);
    held_.clear();
  }

  void rotate() {
    flush();
    if (lag_ > 0) reopen();
    lag_ = 0;
    switch (kind_) {
      case Rotation::rename_numbers:
        shift_numbers("");
        fs::rename(folder_ / "auth.log", folder_ / "auth.log.1");
        ::close(open_to_append(folder_ / "auth.log"));
        lag_ = 1 + random_() % 8;  // the daemon is told a little later
        break;
      case Rotation::rename_dates:
        fs::rename(folder_ / "auth.log", folder_ / fmt::format("auth.log-20261125-{}", 100 + rotations_));
        reopen();
        break;
      case Rotation::compress:
        shift_packed();
        reopen();
        break;
      case Rotation::copy_truncate:
        shift_numbers("");
        fs::copy_file(folder_ / "auth.log", folder_ / "auth.log.1");
        EXPECT_EQ(ftruncate(fd_, 0), 0);
        break;
      case Rotation::symlink:
      case Rotation::new_name:
        reopen();
        break;
      case Rotation::remove:
        fs::remove(folder_ / "auth.log");
        ::close(fd_);
        fd_ = -1;
        break;
    }
    ++rotations_;
    since_rotation_ = 0;
    ending_ = false;
    plan();
  }

 private:
  struct Open {
    Session session;
    std::size_t next = 0;
  };
  static constexpr std::size_t kConnections = 8;

  void plan() { planned_ = 250 + random_() % 500; }

  void put(const std::string& line) {
    write_all(copy_, line);
    ++since_rotation_;
    const std::string bytes = held_ + line;
    held_.clear();
    if (random_() % 16 == 0) {  // the rest comes with the next line
      const std::size_t size = random_() % bytes.size();
      held_ = bytes.substr(size);
      write_all(fd_, std::string_view(bytes).substr(0, size));
    } else {
      write_all(fd_, bytes);
    }
  }

  void reopen() {
    ::close(fd_);
    open_next();
  }

  void open_next() {
    if (kind_ == Rotation::new_name) {
      fd_ = open_to_append(folder_ / fmt::format("host-{}.log", opened_++));
      return;
    }
    if (kind_ == Rotation::symlink) {
      const std::string target = fmt::format("run-{}.log", opened_++);
      fd_ = open_to_append(folder_ / target);
      fs::create_symlink(target, folder_ / "next");
      fs::rename(folder_ / "next", folder_ / "auth.log");
      return;
    }
    fd_ = open_to_append(folder_ / "auth.log");
  }

  // auth.log.1 -> auth.log.2 and so on, so that auth.log.1 is free.
  void shift_numbers(const std::string& ending) {
    for (std::size_t n = rotations_; n > 0; --n) {
      fs::rename(folder_ / fmt::format("auth.log.{}{}", n, ending),
                 folder_ / fmt::format("auth.log.{}{}", n + 1, ending));
    }
  }
  void shift_packed() {
    shift_numbers(".gz");
    const std::string bytes = read_file(folder_ / "auth.log");
    gzFile packed = gzopen((folder_ / "auth.log.1.gz").c_str(), "wb");
    EXPECT_EQ(bytes.empty() ? 0 : gzwrite(packed, bytes.data(), static_cast<unsigned>(bytes.size())),
              static_cast<int>(bytes.size()));
    EXPECT_EQ(gzclose(packed), Z_OK);
    fs::remove(folder_ / "auth.log");
  }

  Rotation kind_;
  std::mt19937_64 random_;
  fs::path folder_;
  fs::path copy_path_;
  std::string host_;
  int fd_ = -1;
  int copy_ = -1;
  std::string held_;  // second half of a line
  std::vector<Open> open_;
  std::vector<Told> told_;
  std::size_t rotations_ = 0;
  std::size_t opened_ = 0;
  std::size_t since_rotation_ = 0;
  std::size_t planned_ = 0;
  std::size_t lag_ = 0;  // lines that still go to the renamed file
  bool ending_ = false;
};

Feeder::Feeder(const Options& options) : options_(options), random_(options.seed) {
  for (const Rotation kind : kKinds) logs_.push_back(std::make_unique<Log>(kind, options.folder, random_()));
}

Feeder::~Feeder() = default;

Feeder::Log& Feeder::log_of(Rotation kind) { return *logs_[static_cast<std::size_t>(kind)]; }

void Feeder::write_line(Log& log) {
  const Instant time = options_.begin + options_.step * static_cast<std::int64_t>(written_);
  log.write_line(time, [&] { return make_session(sessions_++, random_); });
  ++written_;
}

void Feeder::feed(std::size_t lines) {
  const std::size_t end = std::min(written_ + lines, options_.lines);
  while (written_ < end) {
    Log& log = *logs_[random_() % logs_.size()];
    for (std::size_t n = 1 + random_() % 40; n > 0 && written_ < end && !log.quiet(); --n) write_line(log);
  }
  if (done_ || written_ < options_.lines) return;
  for (const Rotation kind : kKinds) finish(kind);
  done_ = true;
}

bool Feeder::done() const { return done_; }

std::size_t Feeder::written() const { return written_; }

void Feeder::rotate(Rotation kind) { log_of(kind).rotate(); }

void Feeder::finish(Rotation kind) {
  Log& log = log_of(kind);
  for (log.end(); !log.quiet(); log.end()) write_line(log);  // a rotation in between would let new ones in
  for (const auto& each : logs_) each->flush();
}

std::size_t Feeder::rotations(Rotation kind) const { return logs_[static_cast<std::size_t>(kind)]->rotations(); }

std::vector<std::string> Feeder::paths() const {
  std::vector<std::string> all;
  for (const auto& log : logs_) all.push_back(log->followed());
  return all;
}

std::vector<Told> Feeder::expected() const {
  std::vector<Told> all;
  for (const auto& log : logs_) all.insert(all.end(), log->told().begin(), log->told().end());
  std::ranges::sort(all);
  return all;
}

std::vector<Told> Feeder::expected(Rotation kind) const {
  std::vector<Told> all = logs_[static_cast<std::size_t>(kind)]->told();
  std::ranges::sort(all);
  return all;
}

std::vector<fs::path> Feeder::copies() const {
  std::vector<fs::path> all;
  for (const auto& log : logs_) all.push_back(log->copy());
  return all;
}

}  // namespace tipstaff
