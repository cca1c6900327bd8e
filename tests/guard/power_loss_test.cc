// The power goes while the ledger is written, at every kind of moment: whatever of the last writes the disk has lost, the
// ledger opens again, verifies, holds only what was written to it, and says where to read on no further than its rows
// reach; reading on from there completes it. What was brought to the disk for a signed head is never lost.
#include <gtest/gtest.h>

#include <algorithm>
#include <iostream>
#include <map>
#include <memory>
#include <optional>
#include <random>
#include <string>
#include <vector>

#include "ledger/reader.h"
#include "ledger/verify.h"
#include "ledger/writer.h"
#include "tests/guard/power_cut.h"
#include "tests/guard/told.h"
#include "tests/run.h"

namespace tipstaff {
namespace {

namespace fs = std::filesystem;

constexpr Instant kBegin = std::chrono::sys_days{std::chrono::year{2026} / 11 / 25};
constexpr std::size_t kRows = 400;
constexpr const char* kSources[] = {"file:/var/log/auth.log", "journal"};

// Row n of a source, which tells of nothing but n. Its line is 100 bytes long.
AttemptRow row_of(std::size_t source, std::size_t n) {
  AttemptRow row;
  row.key = {kSources[source], 1, n * 100, 0};
  row.address = IpAddress::v4(0xc6336400U + static_cast<std::uint32_t>(n % 250));  // 198.51.100.0/24
  row.port = static_cast<std::uint16_t>(1024 + n);
  row.account = "u" + std::to_string(source) + "-" + std::to_string(n);
  row.service = row.detector = row.origin = "sshd";
  row.host = "gate";
  row.time = kBegin + std::chrono::seconds(n);
  row.window_time = *row.time;
  row.raw = {"line " + std::to_string(n) + " of " + kSources[source]};
  return row;
}

using Reached = std::map<std::string, std::size_t>;  // by source: rows up to here

// Writes batches from where `reached` is until both sources are at their ends; false where the ledger cannot any more.
// `signed_at`: how far it had come when a head was signed.
bool write_on(LedgerWriter& writer, Reached reached, std::mt19937_64& random, Reached& signed_at) {
  for (std::size_t done = 0; done < std::size(kSources);) {
    const std::size_t source = random() % std::size(kSources);
    Batch batch;
    batch.recorded = kBegin + std::chrono::hours(1);
    std::size_t& at = reached[kSources[source]];
    for (std::size_t n = 1 + random() % 20; n > 0 && at < kRows; --n) batch.attempts.push_back(row_of(source, at++));
    batch.positions.push_back({kSources[source], 1, at * 100, "checkpoint " + std::to_string(at)});
    if (!writer.write(batch)) return false;
    if (random() % 16 == 0) {
      if (!writer.sign_head(batch.recorded)) return false;
      signed_at = reached;
    }
    done =
        static_cast<std::size_t>(std::ranges::count_if(kSources, [&](auto* name) { return reached[name] == kRows; }));
  }
  return true;
}

// What is recorded: each row as it was written, of each source all up to the position and none behind it.
void check(const std::string& folder, const Reached& at_least, Reached& reached) {
  auto writer = open_writer(folder);
  ASSERT_TRUE(writer.has_value()) << writer.error().message();
  const auto positions = (*writer)->positions();
  ASSERT_TRUE(positions.has_value()) << positions.error().message();
  reached.clear();
  for (const auto& position : *positions) {
    reached[position.source] = position.offset / 100;
    EXPECT_EQ(position.checkpoint, "checkpoint " + std::to_string(position.offset / 100));
  }
  for (const auto& [source, rows] : at_least)
    EXPECT_GE(reached[source], rows) << source << ": lost after it was signed";

  auto reader = LedgerReader::open(folder);
  ASSERT_TRUE(reader.has_value()) << reader.error().message();
  const auto verified = verify_ledger(folder, {});
  ASSERT_TRUE(verified.has_value()) << verified.error().message();
  EXPECT_FALSE(verified->broken) << verified->broken->file << ": " << verified->broken->text;
  std::map<AttemptKey, AttemptRow> found;
  for (const auto& row : all_rows(**reader)) EXPECT_TRUE(found.emplace(row.key, row).second) << "recorded twice";
  std::size_t expected = 0;
  for (std::size_t source = 0; source < std::size(kSources); ++source) {
    const std::size_t rows = reached[kSources[source]];
    expected += rows;
    for (std::size_t n = 0; n < rows; ++n) {
      const AttemptRow wanted = row_of(source, n);
      const auto row = found.find(wanted.key);
      ASSERT_NE(row, found.end()) << kSources[source] << ": reading would go on behind row " << n
                                  << ", which is missing";
      EXPECT_EQ(row->second.account, wanted.account);
      EXPECT_EQ(row->second.address, wanted.address);
      EXPECT_EQ(row->second.port, wanted.port);
      EXPECT_EQ(row->second.time, wanted.time);
      EXPECT_EQ(row->second.raw, wanted.raw);
    }
  }
  EXPECT_EQ(found.size(), expected) << "rows that no position covers";
  for (const auto& entry : fs::directory_iterator(folder)) {
    EXPECT_EQ(entry.path().string().find(".damaged"), std::string::npos) << "put aside: " << entry.path();
  }
}

TEST(PowerLoss, NothingIsInventedAndAllIsReadAgain) {
  const char* const given = std::getenv("TIPSTAFF_SEED");
  const std::uint64_t seed = given == nullptr ? std::random_device()() : std::stoull(given);
  std::cout << "[ SEED     ] TIPSTAFF_SEED=" << seed << '\n';
  std::mt19937_64 random(seed);
  const std::size_t rounds = std::getenv("TIPSTAFF_LONG") == nullptr ? 30 : 200;
  std::size_t cuts = 0;
  std::size_t losses = 0;
  for (std::size_t round = 0; round < rounds && !HasFailure(); ++round) {
    SCOPED_TRACE("round " + std::to_string(round));
    const TemporaryFolder folder;
    const std::string ledger = folder.path() / "ledger";
    PowerCut disk(random());
    Reached reached;
    Reached durable;
    for (int cut = 0; cut < 3; ++cut) {  // one power cut after the other, in the midst of mending too
      disk.cut_at(1 + random() % (cut == 2 ? 20 : 400));
      if (auto writer = open_writer(ledger)) {
        static_cast<void>(write_on(**writer, reached, random, durable));
      }
      cuts += disk.is_cut() ? 1 : 0;
      disk.lay_down(ledger);
      losses += disk.lost();
      ASSERT_NO_FATAL_FAILURE(check(ledger, durable, reached));
    }
    {
      auto writer = open_writer(ledger);
      ASSERT_TRUE(writer.has_value()) << writer.error().message();
      ASSERT_TRUE(write_on(**writer, reached, random, durable));
    }
    ASSERT_NO_FATAL_FAILURE(check(ledger, durable, reached));
    for (const auto* source : kSources) EXPECT_EQ(reached[source], kRows);
  }
  EXPECT_GT(cuts, rounds);
  EXPECT_GT(losses, rounds);
}

}  // namespace
}  // namespace tipstaff
