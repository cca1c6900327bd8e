#include "ledger/folder.h"

#include <fcntl.h>
#include <fmt/chrono.h>
#include <fmt/format.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <filesystem>

namespace tipstaff {
namespace {

namespace fs = std::filesystem;

constexpr mode_t kFileRights = 0640;

std::unexpected<Error> cannot(std::string_view what, const std::string& path, int why) {
  return fail(why == EACCES || why == EPERM || why == EROFS ? ErrorKind::denied : ErrorKind::unavailable,
              fmt::format("{}: {}", what, std::strerror(why)), path);
}

bool is_month(std::string_view name) {
  constexpr std::string_view kShape = "0000-00.db";
  return name.size() == kShape.size() && std::equal(name.begin(), name.end(), kShape.begin(), [](char c, char shape) {
           return shape == '0' ? c >= '0' && c <= '9' : c == shape;
         });
}

}  // namespace

std::string month_file_of(Instant time) {
  const std::chrono::year_month_day day(std::chrono::floor<std::chrono::days>(time));
  return fmt::format("{:04}-{:02}.db", static_cast<int>(day.year()), static_cast<unsigned>(day.month()));
}

std::vector<std::string> list_months(const std::string& folder) {
  std::vector<std::string> names;
  std::error_code code;
  for (fs::directory_iterator at(folder, code), end; !code && at != end; at.increment(code)) {
    const std::string name = at->path().filename().string();
    if (is_month(name)) names.push_back(name);
  }
  std::ranges::sort(names);
  return names;
}

Result<void> make_folder(const std::string& folder) {
  if (::mkdir(folder.c_str(), 0750) == 0 || errno == EEXIST) return {};
  return cannot("the ledger's folder cannot be made", folder, errno);
}

Result<void> make_file(const std::string& path) {
  const int file = ::open(path.c_str(), O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, kFileRights);
  if (file < 0) return cannot("the ledger's file cannot be opened", path, errno);
  struct stat about{};
  struct stat folder{};
  if (::fstat(file, &about) == 0 && about.st_size == 0 && ::geteuid() == 0 &&
      ::stat(fs::path(path).parent_path().c_str(), &folder) == 0) {
    static_cast<void>(::fchown(file, folder.st_uid, folder.st_gid) == 0);
  }
  const bool good = (about.st_mode & 07777U & ~kFileRights) == 0 || ::fchmod(file, kFileRights) == 0;
  const int why = errno;
  ::close(file);
  if (!good) return cannot("the rights of the ledger's file cannot be set to 0640", path, why);
  return {};
}

Result<std::string> set_aside(const std::string& path, Instant now) {
  const std::string stem =
      fmt::format("{}.damaged-{:%Y%m%d-%H%M%S}", path, fmt::gmtime(std::chrono::floor<std::chrono::seconds>(now)));
  std::string aside = stem;
  for (int again = 2; ::access(aside.c_str(), F_OK) == 0; ++again) aside = fmt::format("{}-{}", stem, again);
  for (const char* tail : {"-wal", "-shm", ""}) {
    if (::rename((path + tail).c_str(), (aside + tail).c_str()) != 0 && *tail == '\0') {
      return cannot("the damaged file cannot be renamed", path, errno);
    }
  }
  return aside;
}

Result<void> move_database(const std::string& from, const std::string& to) {
  for (const char* tail : {"-wal", "-shm"}) ::unlink((from + tail).c_str());  // kept by a writer for readers; empty
  if (::rename(from.c_str(), to.c_str()) != 0) return cannot("the ledger's file cannot be renamed", from, errno);
  const int folder = ::open(fs::path(to).parent_path().c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  if (folder >= 0) {
    ::fsync(folder);
    ::close(folder);
  }
  return {};
}

void remove_database(const std::string& path) {
  for (const char* tail : {"", "-wal", "-shm"}) ::unlink((path + tail).c_str());
}

FolderLock::FolderLock(const std::string& folder)
    : file_(::open(folder.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC)),
      held_(file_ >= 0 && ::flock(file_, LOCK_EX) == 0) {}

FolderLock::~FolderLock() {
  if (file_ >= 0) ::close(file_);
}

}  // namespace tipstaff
