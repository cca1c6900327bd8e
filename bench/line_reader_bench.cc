// What reading costs before any line is understood: blocks alone, and with the loop over lines, for one generated log
// of 32 MB in the page cache, plain and as gzip. Compare with a memcpy of the same size, the first row.
#include <benchmark/benchmark.h>
#include <unistd.h>
#include <zlib.h>

#include <cstdint>
#include <cstring>
#include <filesystem>
#include <string>

#include "sources/line_reader.h"

namespace {

using tipstaff::LineReader;

const std::string& log_text() {
  static const std::string kText = [] {
    std::string text;
    for (unsigned i = 0; text.size() < (32U << 20U); ++i) {
      text += "May  7 10:27:18 mail sshd[" + std::to_string(i % 30'000) + "]: Failed password for invalid user u" +
              std::to_string(i) + " from 192.0.2." + std::to_string(i % 256) + " port " + std::to_string(i % 60'000) +
              " ssh2\n";
    }
    return text;
  }();
  return kText;
}

// A file of the log, removed at the end of the benchmark.
class LogFile {
 public:
  explicit LogFile(bool packed)
      : path_(std::filesystem::temp_directory_path() / ("tipstaff-bench-" + std::to_string(getpid()))) {
    const std::string& text = log_text();
    const gzFile file = gzopen(path_.c_str(), packed ? "wb6" : "wbT");  // T: as it is
    gzwrite(file, text.data(), static_cast<unsigned>(text.size()));
    gzclose(file);
  }
  ~LogFile() { std::filesystem::remove(path_); }
  LogFile(const LogFile&) = delete;
  LogFile(LogFile&&) = delete;
  LogFile& operator=(const LogFile&) = delete;
  LogFile& operator=(LogFile&&) = delete;
  [[nodiscard]] std::string path() const { return path_.string(); }

 private:
  std::filesystem::path path_;
};

void BM_Memcpy(benchmark::State& state) {
  const std::string& text = log_text();
  std::string copy(text.size(), '\0');
  for (auto _ : state) {
    std::memcpy(copy.data(), text.data(), text.size());
    benchmark::ClobberMemory();
  }
  state.SetBytesProcessed(state.iterations() * static_cast<std::int64_t>(text.size()));
}

void read_log(benchmark::State& state, bool packed, bool by_line) {
  const LogFile file(packed);
  for (auto _ : state) {
    auto reader = LineReader::open(file.path());
    std::size_t lines = 0;
    while (reader) {
      const auto block = reader->next();
      if (!block || !*block) break;
      if (by_line) (*block)->for_each_line([&](std::string_view line, bool) { lines += line.empty() ? 0U : 1U; });
    }
    benchmark::DoNotOptimize(lines);
  }
  state.SetBytesProcessed(state.iterations() * static_cast<std::int64_t>(log_text().size()));
}

void BM_Blocks(benchmark::State& state) { read_log(state, false, false); }
void BM_Lines(benchmark::State& state) { read_log(state, false, true); }
void BM_GzipLines(benchmark::State& state) { read_log(state, true, true); }

BENCHMARK(BM_Memcpy)->Unit(benchmark::kMillisecond);
BENCHMARK(BM_Blocks)->Unit(benchmark::kMillisecond);
BENCHMARK(BM_Lines)->Unit(benchmark::kMillisecond);
BENCHMARK(BM_GzipLines)->Unit(benchmark::kMillisecond);

}  // namespace

BENCHMARK_MAIN();
