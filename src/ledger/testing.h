// Rows and folders for the ledger's tests.
#pragma once

#include <unistd.h>

#include <cstdint>
#include <cstdlib>
#include <filesystem>
#include <memory>
#include <stdexcept>
#include <string>
#include <utility>
#include <vector>

#include "ledger/rows.h"
#include "ledger/writer.h"

namespace tipstaff::ledger_test {

/// A folder of its own, removed at the end.
class TempFolder {
 public:
  TempFolder() {
    std::string name = (std::filesystem::temp_directory_path() / "tipstaff-ledger-XXXXXX").string();
    if (::mkdtemp(name.data()) == nullptr) throw std::runtime_error("no temporary folder");
    path_ = name;
  }
  ~TempFolder() {
    std::error_code code;
    std::filesystem::remove_all(path_, code);
  }
  TempFolder(const TempFolder&) = delete;
  TempFolder& operator=(const TempFolder&) = delete;
  [[nodiscard]] std::string ledger() const { return path_ + "/ledger"; }
  [[nodiscard]] const std::string& path() const { return path_; }

 private:
  std::string path_;
};

/// 2026-11-25T08:00:00Z and so many seconds.
inline Instant at(std::int64_t seconds) { return Instant(std::chrono::seconds(1'795'593'600 + seconds)); }

inline AttemptRow attempt(std::uint64_t offset, const std::string& address = "192.0.2.1",
                          const std::string& account = "root") {
  AttemptRow row;
  row.key = {"file:/var/log/auth.log", 1, offset, 0};
  row.address = IpAddress::parse(address);
  row.port = 40'000;
  if (!account.empty()) row.account = account;
  row.service = row.detector = row.origin = "sshd";
  row.extra = "password";
  row.host = "host-a";
  row.time = row.window_time = at(static_cast<std::int64_t>(offset));
  row.raw = {"Nov 25 08:00:00 host-a sshd[1]: Failed password for " + account + " from " + address +
             " port 40000 ssh2"};
  return row;
}

inline VerdictRow block(const AttemptRow& cause) {
  VerdictRow verdict;
  verdict.cause = cause.key;
  verdict.watch_only = true;
  verdict.rule = "Catch All Login";
  verdict.network = IpNetwork(*cause.address, cause.address->is_v4() ? 32 : 128);
  verdict.host = cause.host;
  verdict.at = *cause.time;
  verdict.until = *cause.time + std::chrono::hours(2);
  verdict.attempts = {cause.key};
  return verdict;
}

/// One row of each kind that is not a rule's, as a guard writes them.
inline Batch by_hand() {
  Batch all;
  all.recorded = at(100);
  const auto row = [&all](VerdictKind kind, const char* network, Instant until) -> VerdictRow& {
    VerdictRow& one = all.verdicts.emplace_back();
    one.cause = {"control", 0, 1'000 + all.verdicts.size(), 0};
    one.kind = kind;
    if (network != nullptr) one.network = IpNetwork::parse(network);
    one.at = at(100);
    one.until = until;
    one.by = "uid 1000 (anna)";
    one.why = "asked for";
    return one;
  };
  row(VerdictKind::block, "203.0.113.0/24", Instant::max());
  row(VerdictKind::unblock, "198.51.100.7", at(4'000));
  row(VerdictKind::exempt, "198.51.100.7", at(5'000));
  VerdictRow& drops = row(VerdictKind::drops, "203.0.113.0/24", Instant::max());
  drops.by = drops.why = "";
  drops.dropped = 12;
  drops.counter = 7;
  all.events.push_back({"control", at(100), "", "uid 1000 (anna) blocked 203.0.113.0/24"});
  return all;
}

inline Batch batch(std::vector<AttemptRow> attempts, Instant recorded = at(0)) {
  Batch all;
  all.recorded = recorded;
  if (!attempts.empty()) {
    const AttemptKey& key = attempts.back().key;
    all.positions.push_back({key.source, key.generation, key.offset + 1, "inode 7"});
  }
  all.attempts = std::move(attempts);
  return all;
}

inline std::unique_ptr<LedgerWriter> open_writer(const TempFolder& folder,
                                                 std::vector<std::string>* notices = nullptr) {
  LedgerOptions options;
  options.folder = folder.ledger();
  options.clock = [] { return at(0); };
  if (notices != nullptr) options.notice = [notices](const std::string& text) { notices->push_back(text); };
  auto writer = LedgerWriter::open(std::move(options));
  if (!writer) throw std::runtime_error(writer.error().message());
  return std::move(*writer);
}

}  // namespace tipstaff::ledger_test
