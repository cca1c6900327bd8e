// What the ledger costs: attempts written per CPU-second, at 100,000 rows and at as many as are asked for (10 million),
// and how long the questions of `report` take then. The attempts are a made-up log: a few addresses try very often and
// very many try a few times, one row in ten is amended, each has its raw line. CPU time is that of the whole process,
// checkpoints included. It is a program of its own, not a Google Benchmark, since each step builds on the one before.
//   ledger_bench [ROWS [FOLDER]]
//   ledger_bench ask FOLDER        the questions alone, to a ledger that is there
#include <fmt/format.h>
#include <sys/resource.h>

#include <chrono>
#include <cmath>
#include <cstdint>
#include <cstdlib>
#include <filesystem>
#include <random>
#include <string>
#include <string_view>
#include <tuple>
#include <vector>

#include "ledger/reader.h"
#include "ledger/writer.h"

namespace {

using namespace tipstaff;
namespace fs = std::filesystem;

constexpr std::size_t kBatch = 512;
constexpr std::uint64_t kStep = 100'000;
constexpr std::uint32_t kAddresses = 500'000;
constexpr std::uint32_t kAccounts = 100'000;

double cpu_seconds() {
  rusage usage{};
  getrusage(RUSAGE_SELF, &usage);
  const auto seconds = [](const timeval& time) {
    return static_cast<double>(time.tv_sec) + static_cast<double>(time.tv_usec) / 1e6;
  };
  return seconds(usage.ru_utime) + seconds(usage.ru_stime);
}

[[noreturn]] void die(const Error& error) {
  fmt::print(stderr, "ledger_bench: {}\n", error.message());
  std::exit(1);
}

class Log {
 public:
  Batch next() {
    Batch batch;
    now_ += std::chrono::milliseconds(100);
    batch.recorded = now_;
    while (batch.attempts.size() < kBatch) {
      if (made_ % 10 == 9 && !batch.attempts.empty()) {
        AttemptRow changed = batch.attempts[batch.attempts.size() / 2];
        ++changed.version;
        changed.raw.push_back(changed.raw.front());
        batch.attempts.push_back(std::move(changed));
      } else {
        batch.attempts.push_back(attempt());
      }
      ++made_;
    }
    const AttemptKey& key = batch.attempts.back().key;
    batch.positions.push_back({key.source, 1, key.offset, "device 1 inode 2"});
    return batch;
  }

 private:
  // Zipf-like: the n-th is drawn about 1/n as often as the first.
  std::uint32_t pick(std::uint32_t many) {
    const double u = std::uniform_real_distribution<double>(0, 1)(random_);
    return static_cast<std::uint32_t>(std::pow(static_cast<double>(many), u)) - 1;
  }

  AttemptRow attempt() {
    AttemptRow row;
    offset_ += 110;
    const std::uint32_t who = pick(kAddresses);
    row.key = {fmt::format("file:/var/log/auth-{}.log", made_ % 4), 1, offset_, 0};
    row.outcome = made_ % 50 == 7 ? RowOutcome::success : RowOutcome::failure;
    row.address = who % 5 == 0 ? IpAddress(0x20010db800000000ULL + who, 1) : IpAddress::v4(0xc6120000U + who);
    row.port = static_cast<std::uint16_t>(1'024 + offset_ % 60'000);
    row.account = fmt::format("user{}", pick(kAccounts));
    row.service = row.detector = row.origin = "sshd";
    row.extra = "password";
    row.host = "host-a.example.com";
    row.time = row.window_time = now_ + std::chrono::microseconds(made_ % kBatch);
    row.raw = {fmt::format(
        "2026-11-25T08:00:{:02}.{:06}Z host-a sshd[{}]: Failed password for invalid user {} from {} port "
        "{} ssh2",
        made_ % 60, made_ % 1'000'000, 1'000 + made_ % 30'000, *row.account, row.address->to_string(), row.port)};
    return row;
  }

  std::mt19937_64 random_{20'261'125};
  Instant now_{std::chrono::seconds(1'793'750'400)};  // 2026-11-03
  std::uint64_t offset_ = 0, made_ = 0;
};

template <class Ask>
void time_question(const char* name, Ask&& ask, int times = 5) {
  double worst = 0;
  double best = 1e9;
  double cpu = 1e9;
  std::size_t rows = 0;
  for (int i = 0; i < times; ++i) {
    const auto start = std::chrono::steady_clock::now();
    const double cpu_start = cpu_seconds();
    rows = ask();
    const double took = std::chrono::duration<double, std::milli>(std::chrono::steady_clock::now() - start).count();
    worst = std::max(worst, took);
    best = std::min(best, took);
    cpu = std::min(cpu, (cpu_seconds() - cpu_start) * 1e3);
  }
  fmt::print("{:44} {:8} rows {:8.1f} ms, CPU {:8.1f} ms  (slowest of {}: {:.1f} ms)\n", name, rows, best, cpu, times,
             worst);
  std::fflush(stdout);
}

void ask(const std::string& folder) {
  auto reader = LedgerReader::open(folder);
  if (!reader) die(reader.error());
  const auto report = [&](IpNetwork network, bool raw) {
    ReportQuery query;
    query.network = network;
    query.raw = raw;
    const auto answer = (*reader)->report(query);
    if (!answer) die(answer.error());
    return answer->attempts.size();
  };
  auto busiest = (*reader)->busiest(1'000);
  if (!busiest) die(busiest.error());
  // An address with about a thousand rows or the least busy of the thousand, and one from the long tail.
  IpAddress middle = busiest->back().address;
  for (const auto& one : *busiest) {
    if (one.summary.failures >= 1'000) middle = one.address;
  }
  time_question("top 20 attackers", [&] { return (*reader)->busiest(20)->size(); });
  time_question("report of an address with many attempts",
                [&] { return report(IpNetwork(middle, middle.is_v4() ? 32 : 128), false); });
  time_question("the same with raw lines", [&] { return report(IpNetwork(middle, middle.is_v4() ? 32 : 128), true); });
  time_question("report of a rare address",
                [&] { return report(IpNetwork(IpAddress::v4(0xc6120000U + 400'001), 32), false); });
  time_question("summary of the busiest",
                [&] { return static_cast<std::size_t>((*reader)->summary(busiest->front().address)->failures); });
  // As `report` does it: found first, then read a thousand at a time.
  const auto wide = [&](const char* network, bool read) {
    ReportQuery query;
    query.network = IpNetwork::parse(network);
    const auto index = (*reader)->find(query);
    if (!index) return std::size_t{0};  // more than fit
    std::size_t rows = index->rows.size();
    for (std::size_t at = 0; read && at < rows; at += 1'000) std::ignore = (*reader)->rows(*index, at, 1'000, false);
    return rows;
  };
  time_question("a wide network (2001:db8::/32), found", [&] { return wide("2001:db8::/32", false); }, 1);
  time_question("the same, found and read", [&] { return wide("2001:db8::/32", true); }, 1);
  time_question("all of IPv4, found and read", [&] { return wide("0.0.0.0/0", true); }, 1);
}

}  // namespace

int main(int argc, char** argv) {
  if (argc > 2 && std::string_view(argv[1]) == "ask") {
    ask(argv[2]);
    return 0;
  }
  const std::uint64_t most = argc > 1 ? std::strtoull(argv[1], nullptr, 10) : 10'000'000;
  const std::string folder =
      argc > 2 ? argv[2] : (fs::temp_directory_path() / fmt::format("tipstaff-ledger-bench-{}", getpid())).string();
  fs::remove_all(folder);
  LedgerOptions options;
  options.folder = folder;
  auto writer = LedgerWriter::open(std::move(options));
  if (!writer) die(writer.error());
  Log log;
  std::uint64_t rows = 0;
  double written_cpu = 0;
  for (std::uint64_t next = kStep; rows < most; next = next < 1'000'000 ? next * 10 : next + 1'000'000) {
    const double before = written_cpu;
    const std::uint64_t rows_before = rows;
    const auto wall = std::chrono::steady_clock::now();
    while (rows < std::min(next, most)) {
      const Batch batch = log.next();
      const double start = cpu_seconds();
      const auto counts = (*writer)->write(batch);
      if (!counts) die(counts.error());
      written_cpu += cpu_seconds() - start;
      rows += counts->written;
    }
    const double took = std::chrono::duration<double>(std::chrono::steady_clock::now() - wall).count();
    const double bytes = static_cast<double>(fs::file_size(folder + "/2026-11.db"));
    fmt::print("to {:9} rows: {:7.0f} attempts per CPU-second, {:7.0f} per second, {:5.0f} bytes a row\n", rows,
               static_cast<double>(rows - rows_before) / (written_cpu - before),
               static_cast<double>(rows - rows_before) / took, bytes / static_cast<double>(rows));
    std::fflush(stdout);
  }
  ask(folder);
  writer->reset();
  if (argc <= 2) fs::remove_all(folder);
  return 0;
}
