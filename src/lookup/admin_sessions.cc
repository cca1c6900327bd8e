#include "lookup/admin_sessions.h"

#include <fmt/format.h>
#include <grp.h>
#include <pwd.h>
#include <unistd.h>
#include <utmp.h>

#include <algorithm>
#include <array>
#include <charconv>
#include <cstdlib>
#include <cstring>
#include <fstream>
#include <map>
#include <optional>

namespace tipstaff {
namespace {

constexpr std::size_t kMostRecords = 4'096;
constexpr std::chrono::minutes kClocksApart{2};  // of the kernel's and the record's idea of the time

// The first bytes of a small file; empty where it cannot be read.
std::string read_small(const std::string& path) {
  std::ifstream file(path);
  std::string text(4'096, '\0');
  file.read(text.data(), static_cast<std::streamsize>(text.size()));
  text.resize(static_cast<std::size_t>(file.gcount()));
  return text;
}

std::optional<std::int64_t> number(std::string_view text) {
  std::int64_t value = 0;
  const auto [stop, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  return error == std::errc() && stop != text.data() ? std::optional(value) : std::nullopt;
}

// btime of /proc/stat: seconds since the epoch. The line stands behind one for each processor.
std::optional<Instant> boot_time(const std::string& processes) {
  std::ifstream file(processes + "/stat");
  std::string word;
  for (int words = 0; words < 1'000'000 && file >> word; ++words) {
    if (word != "btime") continue;
    std::int64_t seconds = 0;
    if (!(file >> seconds)) return std::nullopt;
    return Instant(std::chrono::seconds(seconds));
  }
  return std::nullopt;
}

// When the process began (proc(5), field 22); none: it is no more.
std::optional<Instant> start_of(const std::string& processes, std::int32_t pid, Instant boot) {
  const std::string stat = read_small(fmt::format("{}/{}/stat", processes, pid));
  std::size_t at = stat.rfind(')');  // the name in front may hold anything
  if (at == std::string::npos) return std::nullopt;
  for (int field = 2; field < 22; ++field) {
    at = stat.find(' ', at + 1);
    if (at == std::string::npos) return std::nullopt;
  }
  const auto ticks = number(std::string_view(stat).substr(at + 1));
  const long hertz = ::sysconf(_SC_CLK_TCK);
  if (!ticks || hertz <= 0) return std::nullopt;
  return boot + std::chrono::seconds(*ticks / hertz);
}

std::uint64_t join(std::uint32_t high, std::uint32_t low) { return std::uint64_t{high} << 32U | low; }

std::optional<IpAddress> peer_of(const utmp& record) {
  std::array<std::uint32_t, 4> words{};
  static_assert(sizeof record.ut_addr_v6 == sizeof words);
  std::memcpy(words.data(), record.ut_addr_v6, sizeof words);
  const auto host_order = [](std::uint32_t word) { return __builtin_bswap32(word); };
  static_assert(__BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__, "utmp holds addresses in network order");
  if (words == std::array<std::uint32_t, 4>{}) return std::nullopt;
  if (words[1] == 0 && words[2] == 0 && words[3] == 0) return IpAddress::v4(host_order(words[0]));
  return IpAddress(join(host_order(words[0]), host_order(words[1])), join(host_order(words[2]), host_order(words[3])));
}

// A field of fixed length that ends at a zero byte or is full.
template <std::size_t kLength>
std::string text_of(const char (&field)[kLength]) {
  return {field, ::strnlen(field, kLength)};
}

}  // namespace

bool is_administrator(const std::string& user) {
  passwd entry{};
  passwd* found = nullptr;
  std::array<char, 16'384> buffer{};
  if (::getpwnam_r(user.c_str(), &entry, buffer.data(), buffer.size(), &found) != 0 || found == nullptr) return false;
  if (entry.pw_uid == 0) return true;
  std::array<gid_t, 1'024> groups{};
  int count = static_cast<int>(groups.size());
  if (::getgrouplist(user.c_str(), entry.pw_gid, groups.data(), &count) < 0) count = static_cast<int>(groups.size());
  for (const char* const name : kAdminGroups) {
    group of{};
    group* known = nullptr;
    std::vector<char> text(1U << 18U);  // members and all
    if (::getgrnam_r(name, &of, text.data(), text.size(), &known) != 0 || known == nullptr) continue;
    if (std::find(groups.begin(), groups.begin() + count, of.gr_gid) != groups.begin() + count) return true;
  }
  return false;
}

std::vector<AdminSession> admin_sessions(const SessionPlaces& places) {
  std::vector<AdminSession> all;
  std::ifstream file(places.utmp, std::ios::binary);
  const auto boot = file ? boot_time(places.processes) : std::nullopt;
  if (!boot) return all;
  std::map<std::string, bool> asked;
  utmp record{};
  for (std::size_t i = 0; i < kMostRecords && all.size() < kMostSessions; ++i) {
    if (!file.read(reinterpret_cast<char*>(&record), sizeof record)) break;
    if (record.ut_type != USER_PROCESS || record.ut_pid <= 0) continue;
    const auto peer = peer_of(record);
    if (!peer) continue;
    const Instant since{std::chrono::seconds(static_cast<std::uint32_t>(record.ut_tv.tv_sec))};
    const auto started = start_of(places.processes, record.ut_pid, *boot);
    if (!started || *started > since + kClocksApart) continue;
    const std::string user = text_of(record.ut_user);
    auto known = asked.find(user);
    if (known == asked.end()) known = asked.emplace(user, places.is_administrator(user)).first;
    if (!known->second) continue;
    const auto same =
        std::ranges::find_if(all, [&](const AdminSession& one) { return one.address == *peer && one.user == user; });
    if (same == all.end()) {
      all.push_back({*peer, user, since});
    } else {
      same->since = std::min(same->since, since);
    }
  }
  std::ranges::sort(all, {}, [](const AdminSession& one) { return std::pair(one.address, one.user); });
  return all;
}

StartingSession::StartingSession()
    : StartingSession(std::getenv("SSH_CONNECTION"), ::getppid(),
                      std::chrono::floor<std::chrono::seconds>(std::chrono::system_clock::now())) {}

StartingSession::StartingSession(const char* ssh_connection, int parent, Instant now) : parent_(parent) {
  if (ssh_connection == nullptr) return;
  const std::string_view text(ssh_connection);  // "CLIENT PORT SERVER PORT"
  if (const auto address = IpAddress::parse(text.substr(0, text.find(' '))))
    session_.push_back({*address, "whoever started this guard", now});
}

std::vector<AdminSession> StartingSession::look() const {
  if (parent_ != 0 && ::getppid() != parent_) return {};
  return session_;
}

}  // namespace tipstaff
