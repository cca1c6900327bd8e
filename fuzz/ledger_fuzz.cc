// A ledger's month as a stranger made it: whatever the bytes are, reading, verifying and opening for writing end with an
// answer or an error, and what was read is bounded. Bytes that begin as a database does are the file itself. Others are
// put in the place of our own packed values in a good file, behind SQLite's back door where its checks do not look:
// postings, raw blocks, digests, keys, details, accounts. Files lie in memory (/dev/shm), since SQLite reads files.
#include <fmt/format.h>
#include <unistd.h>

#include <array>
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <string>
#include <string_view>
#include <vector>

#include "ledger/reader.h"
#include "ledger/sqlite.h"
#include "ledger/verify.h"
#include "ledger/writer.h"

namespace {

using namespace tipstaff;
namespace fs = std::filesystem;

constexpr Instant kNow{std::chrono::seconds(1'795'593'600)};

Batch batch_of(std::uint64_t offset) {
  Batch batch;
  batch.recorded = kNow;
  AttemptRow row;
  row.key = {"file:/var/log/auth.log", 1, offset, 0};
  row.address = IpAddress::v4(0xc0000201);
  row.account = "root";
  row.window_time = kNow;
  row.raw = {"line"};
  VerdictRow verdict;
  verdict.cause = row.key;
  verdict.rule = "rule";
  verdict.network = IpNetwork(*row.address, 32);
  verdict.at = kNow;
  verdict.attempts = {row.key};
  batch.attempts = {row};
  batch.verdicts = {verdict};
  batch.events = {{"removed", kNow, {}, "text"}};
  return batch;
}

LedgerOptions options_for(const fs::path& folder) {
  LedgerOptions options;
  options.folder = folder.string();
  options.clock = [] { return kNow; };
  return options;
}

// The file of a small good ledger.
const std::string& good_month(const fs::path& folder) {
  static const std::string kBytes = [&] {
    {
      auto writer = LedgerWriter::open(options_for(folder));
      for (std::uint64_t i = 1; writer && i <= 20; ++i) static_cast<void>((*writer)->write(batch_of(i)));
      if (writer) static_cast<void>((*writer)->sign_head(kNow));
    }
    std::ifstream in(folder / "2026-11.db", std::ios::binary);
    return std::string((std::istreambuf_iterator<char>(in)), {});
  }();
  return kBytes;
}

// The first byte says which value, the others are its bytes.
void put_into(const fs::path& month, std::string_view bytes) {
  constexpr std::array<const char*, 12> kPlaces = {"UPDATE posting SET entries = ?",
                                                   "UPDATE raw SET block = ?",
                                                   "UPDATE batch SET digests = ? WHERE id > 3",
                                                   "UPDATE verdict SET attempts = ?",
                                                   "UPDATE event SET detail = ?",
                                                   "UPDATE account SET value = ?",
                                                   "UPDATE address SET value = ?",
                                                   "UPDATE verdict SET network = ?",
                                                   "UPDATE event SET kind = CAST('erased' AS BLOB), detail = ?",
                                                   "UPDATE attempt SET salt = ?",
                                                   "UPDATE batch SET link = ?",
                                                   "UPDATE source SET checkpoint = ?"};
  auto database = Database::open(month.string(), Database::Mode::write);
  if (!database || bytes.empty()) return;
  const auto which = static_cast<unsigned char>(bytes.front()) % kPlaces.size();
  Statement(*database, kPlaces[which]).run(bytes.substr(1));
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string_view bytes(reinterpret_cast<const char*>(data), size);
  const fs::path root = fs::exists("/dev/shm") ? fs::path("/dev/shm") : fs::temp_directory_path();
  const fs::path folder = root / fmt::format("tipstaff-fuzz-{}", ::getpid());
  std::error_code code;
  fs::remove_all(folder, code);
  const bool whole = bytes.starts_with("SQLite format 3");
  const std::string& good = good_month(folder);
  fs::remove_all(folder, code);
  fs::create_directory(folder);
  const fs::path month = folder / "2026-11.db";
  const std::string_view file = whole ? bytes : std::string_view(good);
  std::ofstream(month, std::ios::binary).write(file.data(), static_cast<std::streamsize>(file.size()));
  if (!whole) put_into(month, bytes);

  if (auto reader = LedgerReader::open(folder.string())) {
    ReportQuery query;
    query.network = IpNetwork::parse("0.0.0.0/0");
    query.raw = true;
    query.most = 1'000;
    if (const auto report = (*reader)->report(query); report && report->attempts.size() > query.most) std::abort();
    if (const auto busy = (*reader)->busiest(20); busy && busy->size() > 20) std::abort();
    static_cast<void>((*reader)->busiest(20, Instant{}, kNow + std::chrono::years(50)));
    std::vector<IpAddress> addresses;
    for (const BusyAddress& one : (*reader)->busiest(20).value_or(std::vector<BusyAddress>()))
      addresses.push_back(one.address);
    if (const auto names = (*reader)->recent_names(addresses, 10); names && names->size() != addresses.size())
      std::abort();
    static_cast<void>((*reader)->totals());
    static_cast<void>((*reader)->rule_totals());
    static_cast<void>((*reader)->verdicts(20));
    static_cast<void>((*reader)->events(20));
    static_cast<void>((*reader)->positions());
    static_cast<void>((*reader)->info());
  }
  const auto verified = verify_ledger(folder.string(), {});
  if (verified && verified->broken && verified->broken->text.empty()) std::abort();
  if (auto writer = LedgerWriter::open(options_for(folder))) {
    const Batch batch = batch_of(7);
    static_cast<void>((*writer)->write(batch));
    static_cast<void>((*writer)->forget({.address = batch.attempts[0].address, .account = {}, .before = {}}, "", kNow));
    static_cast<void>((*writer)->expire({}, kNow + std::chrono::days(400)));
  }
  fs::remove_all(folder, code);
  return 0;
}
