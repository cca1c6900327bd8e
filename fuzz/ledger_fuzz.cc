// A ledger's month as a stranger made it: whatever the bytes are, reading, verifying and opening for writing end with an
// answer or an error, and what was read is bounded. The file lies in memory (/dev/shm), since SQLite reads files.
#include <unistd.h>

#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <string>

#include "ledger/reader.h"
#include "ledger/verify.h"
#include "ledger/writer.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace tipstaff;
  namespace fs = std::filesystem;
  const fs::path root = fs::exists("/dev/shm") ? fs::path("/dev/shm") : fs::temp_directory_path();
  const fs::path folder = root / ("tipstaff-fuzz-" + std::to_string(::getpid()));
  std::error_code code;
  fs::remove_all(folder, code);
  fs::create_directory(folder);
  std::ofstream(folder / "2026-11.db", std::ios::binary)
      .write(reinterpret_cast<const char*>(data), static_cast<std::streamsize>(size));
  if (auto reader = LedgerReader::open(folder.string())) {
    ReportQuery query;
    query.network = IpNetwork::parse("0.0.0.0/0");
    query.raw = true;
    query.most = 1'000;
    if (const auto report = (*reader)->report(query); report && report->attempts.size() > query.most) std::abort();
    const auto busy = (*reader)->busiest(20);
    if (busy && busy->size() > 20) std::abort();
    static_cast<void>((*reader)->busiest(20, Instant{}, Instant{std::chrono::seconds(4'000'000'000)}));
    static_cast<void>((*reader)->verdicts(20));
    static_cast<void>((*reader)->events(20));
    static_cast<void>((*reader)->positions());
    static_cast<void>((*reader)->info());
  }
  if (const auto verified = verify_ledger(folder.string(), {});
      verified && verified->broken && verified->broken->text.empty()) {
    std::abort();
  }
  LedgerOptions options;
  options.folder = folder.string();
  options.clock = [] { return Instant(std::chrono::seconds(1'795'593'600)); };
  if (auto writer = LedgerWriter::open(std::move(options))) {
    Batch batch;
    batch.recorded = Instant(std::chrono::seconds(1'795'593'600));
    AttemptRow row;
    row.key = {"file:/var/log/auth.log", 1, 7, 0};
    row.address = IpAddress::v4(0xc0000201);
    row.account = "root";
    row.window_time = batch.recorded;
    row.raw = {"line"};
    batch.attempts = {row};
    static_cast<void>((*writer)->write(batch));
    static_cast<void>((*writer)->forget({.address = row.address, .account = {}, .before = {}}, "", batch.recorded));
    static_cast<void>((*writer)->expire({}, batch.recorded + std::chrono::days(400)));
  }
  fs::remove_all(folder, code);
  return 0;
}
