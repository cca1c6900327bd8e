#include "lookup/database_file.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <system_error>
#include <utility>

namespace tipstaff {
namespace {

DatabaseFile::Mark mark_in(const struct stat& facts) {
  const auto modified = std::chrono::seconds(facts.st_mtim.tv_sec) +
                        std::chrono::floor<std::chrono::microseconds>(std::chrono::nanoseconds(facts.st_mtim.tv_nsec));
  return {facts.st_dev, facts.st_ino, static_cast<std::uint64_t>(facts.st_size), Instant(modified)};
}

Error error_of(int number, const std::string& path) {
  const ErrorKind kind = number == ENOENT                      ? ErrorKind::not_found
                         : number == EACCES || number == EPERM ? ErrorKind::denied
                                                               : ErrorKind::unavailable;
  return {kind, "the database cannot be read: " + std::generic_category().message(number), path};
}

}  // namespace

Result<DatabaseFile> DatabaseFile::open(const std::string& path) {
  DatabaseFile file;
  file.fd_ = ::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);  // a pipe must not hold us up
  struct stat facts{};
  if (file.fd_ < 0 || ::fstat(file.fd_, &facts) != 0) return std::unexpected(error_of(errno, path));
  if (!S_ISREG(facts.st_mode)) return fail(ErrorKind::invalid, "the database is no regular file", path);
  file.mark_ = mark_in(facts);
  file.size_ = file.mark_.size;
  if (file.size_ > kMostBytes) return fail(ErrorKind::invalid, "the database is larger than 2 GiB", path);
  file.pages_.resize(kPages);
  return file;
}

DatabaseFile DatabaseFile::of_bytes(std::string bytes) {
  DatabaseFile file;
  file.bytes_ = std::move(bytes);
  file.size_ = file.bytes_.size();
  return file;
}

DatabaseFile::DatabaseFile(DatabaseFile&& other) noexcept
    : fd_(std::exchange(other.fd_, -1)),
      bytes_(std::move(other.bytes_)),
      size_(std::exchange(other.size_, 0)),
      mark_(other.mark_),
      pages_(std::move(other.pages_)) {}

DatabaseFile& DatabaseFile::operator=(DatabaseFile&& other) noexcept {
  std::swap(fd_, other.fd_);
  std::swap(bytes_, other.bytes_);
  std::swap(size_, other.size_);
  std::swap(mark_, other.mark_);
  std::swap(pages_, other.pages_);
  return *this;
}

DatabaseFile::~DatabaseFile() {
  if (fd_ >= 0) ::close(fd_);
}

std::optional<DatabaseFile::Mark> DatabaseFile::mark_of(const std::string& path) {
  struct stat facts{};
  if (::stat(path.c_str(), &facts) != 0) return std::nullopt;
  return mark_in(facts);
}

const char* DatabaseFile::page(std::uint64_t number) {
  std::unique_ptr<Page>& slot = pages_[number % kPages];
  if (slot && slot->number == number) return slot->bytes.data();
  if (!slot) slot = std::make_unique<Page>();
  slot->number = ~0ULL;
  const std::uint64_t from = number * kPage;
  const auto wanted = static_cast<std::size_t>(std::min<std::uint64_t>(kPage, size_ - from));
  for (std::size_t have = 0; have < wanted;) {
    const ssize_t got = ::pread(fd_, slot->bytes.data() + have, wanted - have, static_cast<off_t>(from + have));
    if (got < 0 && errno == EINTR) continue;
    if (got <= 0) return nullptr;  // it has been cut short
    have += static_cast<std::size_t>(got);
  }
  slot->number = number;
  return slot->bytes.data();
}

bool DatabaseFile::read(std::uint64_t offset, char* to, std::size_t size) {
  if (offset > size_ || size > size_ - offset) return false;
  if (fd_ < 0) {
    std::memcpy(to, bytes_.data() + offset, size);
    return true;
  }
  while (size > 0) {
    const char* const bytes = page(offset / kPage);
    if (bytes == nullptr) return false;
    const auto within = static_cast<std::size_t>(offset % kPage);
    const std::size_t piece = std::min(size, kPage - within);
    std::memcpy(to, bytes + within, piece);
    to += piece;
    offset += piece;
    size -= piece;
  }
  return true;
}

std::optional<std::uint64_t> DatabaseFile::number(std::uint64_t offset, unsigned bytes) {
  std::array<char, 8> raw{};
  if (bytes > raw.size() || !read(offset, raw.data(), bytes)) return std::nullopt;
  std::uint64_t value = 0;
  for (unsigned i = 0; i < bytes; ++i) value = value << 8U | static_cast<unsigned char>(raw[i]);
  return value;
}

std::optional<std::string> DatabaseFile::text(std::uint64_t offset, std::size_t size) {
  if (offset > size_ || size > size_ - offset) return std::nullopt;
  std::string out(size, '\0');
  if (!read(offset, out.data(), size)) return std::nullopt;
  return out;
}

}  // namespace tipstaff
