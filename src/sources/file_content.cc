// See file_content.h. O_NONBLOCK keeps a named pipe under a log's name from holding up the loop; it is refused then.
#include "sources/file_content.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <system_error>

#include "sources/read_right.h"
#include "sources/unpack.h"

namespace tipstaff {
namespace {

constexpr std::size_t kStep = std::size_t{32} << 10U;  // unpacked at once

std::unexpected<Error> fail_errno(int number, const std::string& path) {
  switch (number) {
    case ENOENT:
    case ENOTDIR:
      return fail(ErrorKind::not_found, "there is no such file", path);
    case EACCES:
    case EPERM:
      return fail(ErrorKind::denied, why_denied(path), path);
    default:
      return fail(ErrorKind::unavailable, fmt::format("cannot be read: {}", std::generic_category().message(number)),
                  path);
  }
}

}  // namespace

FileHead FileHead::of(std::string_view first) {
  first = first.substr(0, kMost);
  const std::size_t stop = first.rfind('\n');
  if (stop != std::string_view::npos) {
    first = first.substr(0, stop + 1);
  } else if (first.size() < kMost) {
    return {};
  }
  std::uint64_t hash = 0xcbf29ce484222325ULL;
  for (const char c : first) hash = (hash ^ static_cast<unsigned char>(c)) * 0x100000001b3ULL;
  return {static_cast<std::uint32_t>(first.size()), hash};
}

bool FileHead::fits(std::string_view first) const {
  if (length == 0) return true;
  return first.size() >= length && of(first.substr(0, length)) == *this;
}

FileContent::~FileContent() {
  if (fd_ >= 0) close(fd_);
}

Result<std::unique_ptr<FileContent>> FileContent::open(const std::string& path) {
  std::unique_ptr<FileContent> made(new FileContent);
  made->fd_ = ::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);
  if (made->fd_ < 0) return fail_errno(errno, path);
  struct stat facts{};
  if (fstat(made->fd_, &facts) != 0) return fail_errno(errno, path);
  if (S_ISDIR(facts.st_mode)) return fail(ErrorKind::invalid, "is a directory; name the log files in it", path);
  if (!S_ISREG(facts.st_mode)) return fail(ErrorKind::invalid, "is no regular file; name a log file", path);
  made->id_ = {facts.st_dev, facts.st_ino};
  if (const auto opened = made->open_packed(); !opened) return std::unexpected(opened.error());
  if (!made->unpacked_) made->file_.reset();
  return made;
}

Result<void> FileContent::open_packed() {
  unpacked_.reset();
  file_ = std::make_unique<InputFile>();
  damage_.reset();
  window_.clear();
  window_at_ = 0;
  // through the descriptor: under the path may lie another file by now
  if (const auto opened = file_->open(fmt::format("/proc/self/fd/{}", fd_)); !opened) return opened;
  unpacked_ = unpack(*file_);
  return {};
}

Result<FileContent::Facts> FileContent::facts() const {
  struct stat facts{};
  if (fstat(fd_, &facts) != 0) return fail_errno(errno, "");
  const Instant modified(std::chrono::seconds(facts.st_mtim.tv_sec) +
                         std::chrono::microseconds(facts.st_mtim.tv_nsec / 1000));
  return Facts{static_cast<std::uint64_t>(facts.st_size), modified};
}

Result<std::size_t> FileContent::read(std::uint64_t offset, char* to, std::size_t size) {
  if (unpacked_) return read_packed(offset, to, size);
  std::size_t have = 0;
  while (have < size) {
    const ssize_t got = pread(fd_, to + have, size - have, static_cast<off_t>(offset + have));
    if (got == 0) break;
    if (got > 0) {
      have += static_cast<std::size_t>(got);
    } else if (errno != EINTR) {
      return fail_errno(errno, "");
    }
  }
  return have;
}

Result<std::size_t> FileContent::read_packed(std::uint64_t offset, char* to, std::size_t size) {
  if (offset < window_at_) {
    if (const auto opened = open_packed(); !opened) return std::unexpected(opened.error());
  }
  while (true) {
    const std::uint64_t passed = std::min<std::uint64_t>(offset - window_at_, window_.size());
    window_.erase(0, static_cast<std::size_t>(passed));
    window_at_ += passed;
    if (damage_ || (window_at_ == offset && window_.size() >= size)) break;
    const std::size_t before = window_.size();
    window_.resize(before + kStep);
    const auto got = unpacked_->read(window_.data() + before, kStep);
    window_.resize(before + got.value_or(0));
    if (!got) damage_ = got.error();
    if (got.value_or(0) == 0) break;
  }
  if (window_at_ != offset) return 0;
  const std::size_t given = std::min(size, window_.size());
  std::memcpy(to, window_.data(), given);
  return given;
}

Result<std::string> FileContent::first() {
  std::string bytes(FileHead::kMost, '\0');
  const auto got = read(0, bytes.data(), bytes.size());
  if (!got) return std::unexpected(got.error());
  bytes.resize(*got);
  return bytes;
}

}  // namespace tipstaff
