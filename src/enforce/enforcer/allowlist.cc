#include "enforce/enforcer/allowlist.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstdlib>
#include <cstring>
#include <memory>
#include <string_view>

#include "base/text.h"

namespace tipstaff {
namespace {

constexpr std::size_t kMostBytes = 8U << 20U;

std::unexpected<Error> unreadable(const std::string& path) {
  return fail(errno == ENOENT ? ErrorKind::not_found : ErrorKind::unavailable,
              fmt::format("cannot be read: {}", std::strerror(errno)), path);
}

// In a folder with the sticky bit only the owner of a name, and of the folder, can move or delete it.
Result<void> is_roots(const struct stat& about, const std::string& path) {
  const bool sticky = S_ISDIR(about.st_mode) && (about.st_mode & S_ISVTX) != 0;
  if (about.st_uid != 0) {
    return fail(ErrorKind::denied,
                fmt::format("belongs to user {}; the allowlist and every folder above it must be root's: chown root {}",
                            about.st_uid, path),
                path);
  }
  if ((about.st_mode & (S_IWGRP | S_IWOTH)) != 0 && !sticky) {
    return fail(
        ErrorKind::denied,
        fmt::format("others than root may write here (mode {:04o}); they could exempt themselves: chmod go-w {}",
                    about.st_mode & 07777U, path),
        path);
  }
  return {};
}

// "/", "/etc", "/etc/tipstaff": every folder above the file.
Result<void> folders_are_roots(const std::string& path) {
  for (std::size_t at = 0; at != std::string::npos; at = path.find('/', at + 1)) {
    const std::string folder = at == 0 ? "/" : path.substr(0, at);
    struct stat about{};
    if (::stat(folder.c_str(), &about) != 0) return unreadable(folder);
    if (auto good = is_roots(about, folder); !good) return good;
  }
  return {};
}

std::string_view trimmed(std::string_view text) {
  constexpr std::string_view kSpace = " \t\r\f\v";
  const std::size_t begin = text.find_first_not_of(kSpace);
  if (begin == std::string_view::npos) return {};
  return text.substr(begin, text.find_last_not_of(kSpace) - begin + 1);
}

}  // namespace

Result<std::vector<IpNetwork>> parse_allowlist(std::string_view text, const std::string& name) {
  std::vector<IpNetwork> all;
  for (std::size_t number = 1; !text.empty(); ++number) {
    const std::size_t end = std::min(text.find('\n'), text.size());
    std::string_view line = text.substr(0, end);
    text.remove_prefix(std::min(end + 1, text.size()));
    line = trimmed(line.substr(0, line.find('#')));
    if (line.empty()) continue;
    const auto network = IpNetwork::parse(line);
    const std::string where = fmt::format("{}:{}", name, number);
    if (!network) {
      return fail(ErrorKind::invalid,
                  fmt::format("'{}' is no address or network; write 192.0.2.7 or 192.0.2.0/24, one a line",
                              printable(line.substr(0, 100))),
                  where);
    }
    if (all.size() == kMostAllowlist)
      return fail(ErrorKind::invalid, fmt::format("more than {} networks", kMostAllowlist), where);
    all.push_back(*network);
  }
  return all;
}

// The path as given and the one that links lead to are both looked at: whoever may change a folder of either chooses the
// file. Once they are root's, nobody else can change them between the look and the opening.
Result<std::vector<IpNetwork>> read_allowlist(const std::string& path) {
  if (!path.starts_with('/')) return fail(ErrorKind::invalid, "the allowlist's path must begin with /", path);
  const std::unique_ptr<char, decltype(&std::free)> real(::realpath(path.c_str(), nullptr), std::free);
  if (real == nullptr) {
    if (errno == ENOENT) return std::vector<IpNetwork>();
    return unreadable(path);
  }
  for (const std::string& each : {path, std::string(real.get())}) {
    if (auto good = folders_are_roots(each); !good) return std::unexpected(good.error());
  }
  const int file = ::open(real.get(), O_RDONLY | O_CLOEXEC | O_NONBLOCK);
  if (file < 0) return unreadable(path);
  std::string text;
  struct stat about{};
  Result<void> good;
  if (::fstat(file, &about) != 0) {
    good = unreadable(path);
  } else if (!S_ISREG(about.st_mode)) {
    good = fail(ErrorKind::invalid, "is no file", path);
  } else {
    good = is_roots(about, path);
  }
  for (char block[65'536]; good;) {
    const ssize_t size = ::read(file, block, sizeof block);
    if (size < 0 && errno == EINTR) continue;
    if (size < 0) good = unreadable(path);
    if (size <= 0) break;
    text.append(block, static_cast<std::size_t>(size));
    if (text.size() > kMostBytes)
      good = fail(ErrorKind::invalid, fmt::format("has more than {} bytes", kMostBytes), path);
  }
  ::close(file);
  if (!good) return std::unexpected(good.error());
  return parse_allowlist(text, path);
}

}  // namespace tipstaff
