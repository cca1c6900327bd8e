// See input_file.h. Standard input may be somebody else's non-blocking pipe; then poll() waits for it.
#include "sources/input_file.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <poll.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <system_error>

namespace tipstaff {
namespace {

std::unexpected<Error> fail_errno(int number, const std::string& name) {
  switch (number) {
    case ENOENT:
    case ENOTDIR:
      return fail(ErrorKind::not_found, "there is no such file", name);
    case EACCES:
    case EPERM:
      return fail(ErrorKind::denied,
                  "permission denied; run as root or as a member of the group that may read this file (often adm)",
                  name);
    case EISDIR:
      return fail(ErrorKind::invalid, "is a directory; name the log files in it", name);
    default:
      return fail(ErrorKind::unavailable, fmt::format("cannot be read: {}", std::generic_category().message(number)),
                  name);
  }
}

}  // namespace

InputFile::~InputFile() {
  if (owned_) close(fd_);
}

Result<void> InputFile::open(const std::string& path) {
  const bool standard_input = path == "-";
  name_ = standard_input ? "standard input" : path;
  fd_ = standard_input ? STDIN_FILENO : ::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NOCTTY);
  if (fd_ < 0) return fail_errno(errno, name_);
  owned_ = !standard_input;

  struct stat facts{};
  if (fstat(fd_, &facts) != 0) return fail_errno(errno, name_);
  if (S_ISDIR(facts.st_mode)) return fail_errno(EISDIR, name_);
  if (S_ISREG(facts.st_mode)) {
    size_ = static_cast<std::uint64_t>(facts.st_size);
    if (!standard_input) {
      modified_ =
          Instant(std::chrono::seconds(facts.st_mtim.tv_sec) + std::chrono::microseconds(facts.st_mtim.tv_nsec / 1000));
    }
    posix_fadvise(fd_, 0, 0, POSIX_FADV_SEQUENTIAL);  // a hint: without it we are slower, not wrong
  }

  std::string head(kMagic, '\0');
  std::size_t have = 0;
  while (have < kMagic) {
    const auto got = read_more(head.data() + have, kMagic - have);
    if (!got) return std::unexpected(got.error());
    if (*got == 0) break;
    have += *got;
  }
  head.resize(have);
  head_ = std::move(head);
  return {};
}

Result<std::size_t> InputFile::read(char* to, std::size_t size) {
  if (!head_.empty()) {
    const std::size_t given = std::min(size, head_.size());
    std::memcpy(to, head_.data(), given);
    head_.erase(0, given);
    bytes_read_ += given;
    return given;
  }
  const auto got = read_more(to, size);
  if (got) bytes_read_ += *got;
  return got;
}

Result<std::size_t> InputFile::read_more(char* to, std::size_t size) {
  while (true) {
    const ssize_t got = ::read(fd_, to, size);
    if (got >= 0) return static_cast<std::size_t>(got);
    if (errno == EAGAIN) {
      pollfd wait{.fd = fd_, .events = POLLIN, .revents = 0};
      poll(&wait, 1, -1);
    } else if (errno != EINTR) {
      return fail_errno(errno, name_);
    }
  }
}

}  // namespace tipstaff
