#include "sources/line_reader.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <lzma.h>
#include <sys/stat.h>
#include <unistd.h>
#include <zlib.h>
#include <zstd.h>

#include <array>
#include <filesystem>
#include <fstream>
#include <functional>
#include <thread>
#include <vector>

#include "sources/unpack.h"

namespace tipstaff {
namespace {

constexpr std::size_t kMax = LineReader::kMaxLine;

std::string gzip(const std::string& text) {
  z_stream stream{};
  deflateInit2(&stream, 6, Z_DEFLATED, MAX_WBITS + 16, 8, Z_DEFAULT_STRATEGY);
  std::string out(deflateBound(&stream, text.size()), '\0');
  std::string in = text;
  stream.next_in = reinterpret_cast<Bytef*>(in.data());
  stream.avail_in = static_cast<uInt>(in.size());
  stream.next_out = reinterpret_cast<Bytef*>(out.data());
  stream.avail_out = static_cast<uInt>(out.size());
  deflate(&stream, Z_FINISH);
  out.resize(stream.total_out);
  deflateEnd(&stream);
  return out;
}

std::string xz(const std::string& text) {
  std::string out(lzma_stream_buffer_bound(text.size()), '\0');
  std::size_t size = 0;
  lzma_easy_buffer_encode(1, LZMA_CHECK_CRC64, nullptr, reinterpret_cast<const std::uint8_t*>(text.data()), text.size(),
                          reinterpret_cast<std::uint8_t*>(out.data()), &size, out.size());
  out.resize(size);
  return out;
}

std::string zstd(const std::string& text) {
  std::string out(ZSTD_compressBound(text.size()), '\0');
  ZSTD_CCtx* const context = ZSTD_createCCtx();
  ZSTD_CCtx_setParameter(context, ZSTD_c_checksumFlag, 1);
  out.resize(ZSTD_compress2(context, out.data(), out.size(), text.data(), text.size()));
  ZSTD_freeCCtx(context);
  return out;
}

struct Format {
  const char* name;
  std::function<std::string(const std::string&)> pack;
};
const std::vector<Format>& formats() {
  static const std::vector<Format> kAll = {
      {"plain", [](const std::string& text) { return text; }}, {"gzip", gzip}, {"xz", xz}, {"zstd", zstd}};
  return kAll;
}

// A file that is gone when the test ends.
class TempFile {
 public:
  explicit TempFile(const std::string& bytes) {
    std::string pattern = (std::filesystem::temp_directory_path() / "tipstaff-XXXXXX").string();
    const int fd = mkstemp(pattern.data());
    close(fd);
    path_ = pattern;
    std::ofstream(path_, std::ios::binary) << bytes;
  }
  ~TempFile() { std::filesystem::remove(path_); }
  TempFile(const TempFile&) = delete;
  TempFile& operator=(const TempFile&) = delete;
  [[nodiscard]] const std::string& path() const { return path_; }

 private:
  std::string path_;
};

struct Reading {
  std::vector<std::string> lines;
  std::vector<std::size_t> cut;  // 1-based numbers of lines that were cut
  std::size_t blocks = 0;
  std::string error;
};

Reading read_all(LineReader& reader) {
  Reading out;
  while (true) {
    const auto block = reader.next();
    if (!block) {
      out.error = block.error().message();
      return out;
    }
    if (!*block) return out;
    ++out.blocks;
    (*block)->for_each_line([&](std::string_view line, bool cut) {
      out.lines.emplace_back(line);
      if (cut) out.cut.push_back(out.lines.size());
    });
  }
}

Reading read_path(const std::string& path) {
  auto reader = LineReader::open(path);
  if (!reader) return {{}, {}, 0, reader.error().message()};
  return read_all(*reader);
}

Reading read_bytes(const std::string& bytes) { return read_path(TempFile(bytes).path()); }

// A log of `count` lines of changing length, a few MB with 40,000.
std::string log_of(std::size_t count) {
  std::string text;
  for (std::size_t i = 1; i <= count; ++i) {
    text += "line " + std::to_string(i) + ' ' + std::string(i * 7919 % 150, 'x') + '\n';
  }
  return text;
}

TEST(LineReader, HandsOutLines) {
  const struct {
    std::string bytes;
    std::vector<std::string> lines;
  } cases[] = {
      {"", {}},
      {"\n", {""}},
      {"a", {"a"}},
      {"a\n", {"a"}},
      {"a\n\nb", {"a", "", "b"}},
      {"a\r\nb\r\n", {"a\r", "b\r"}},
      {std::string("a\0b\nc\0", 6), {std::string("a\0b", 3), std::string("c\0", 2)}},
      {"\xEF\xBB\xBF"
       "first\nsecond\n",
       {"first", "second"}},
      {"bad \xFF\xFE utf\n", {"bad \xFF\xFE utf"}},
  };
  for (const auto& c : cases) {
    for (const auto& format : formats()) {
      const Reading got = read_bytes(format.pack(c.bytes));
      EXPECT_EQ(got.error, "") << format.name;
      EXPECT_EQ(got.lines, c.lines) << format.name;
      EXPECT_TRUE(got.cut.empty());
    }
  }
}

TEST(LineReader, LinesAcrossBlocks) {
  const std::string text = log_of(40'000);
  const Reading expected = read_bytes(text);
  ASSERT_EQ(expected.lines.size(), 40'000U);
  EXPECT_GT(expected.blocks, 10U);
  std::string joined;
  for (const auto& line : expected.lines) joined += line + '\n';
  EXPECT_EQ(joined, text);
  for (const auto& format : formats()) {
    const Reading got = read_bytes(format.pack(text));
    EXPECT_EQ(got.error, "") << format.name;
    EXPECT_EQ(got.lines, expected.lines) << format.name;
  }
}

TEST(LineReader, SeveralMembersInOneFile) {
  const std::string half = log_of(3000);
  for (const auto& format : formats()) {
    const Reading got =
        read_bytes(format.pack(half + "a line in ") + format.pack("") + format.pack("two members\nend"));
    EXPECT_EQ(got.error, "") << format.name;
    ASSERT_EQ(got.lines.size(), 3002U) << format.name;
    EXPECT_EQ(got.lines[3000], "a line in two members");
    EXPECT_EQ(got.lines[3001], "end");
  }
  EXPECT_EQ(read_bytes(gzip("a\n") + std::string(512, '\0')).error, "") << "zero bytes behind gzip data";
}

TEST(LineReader, LongLinesAreCutAndKeepTheNumbers) {
  const std::size_t lengths[] = {kMax - 1, kMax, kMax + 1, kMax + 2, 2 * kMax, 262'144, 5'000'000};
  for (const std::size_t length : lengths) {
    for (const bool with_end : {true, false}) {
      const std::string long_line = "start" + std::string(length - 5, 'x');
      std::string text = log_of(100) + long_line;
      if (with_end) text += '\n' + log_of(50);
      for (const auto& format : formats()) {
        const Reading got = read_bytes(format.pack(text));
        SCOPED_TRACE(testing::Message() << format.name << ' ' << length << ' ' << with_end);
        EXPECT_EQ(got.error, "");
        ASSERT_EQ(got.lines.size(), with_end ? 151U : 101U);
        EXPECT_EQ(got.lines[100], long_line.substr(0, kMax));
        EXPECT_EQ(got.cut, length > kMax ? std::vector<std::size_t>{101} : std::vector<std::size_t>{});
        if (with_end) {
          EXPECT_EQ(got.lines[101], "line 1 " + std::string(7919 % 150, 'x'));
        }
      }
    }
  }
}

TEST(LineReader, LongLinesInARow) {
  std::string text;
  for (int i = 0; i < 20; ++i)
    text += std::string(kMax - 2 + static_cast<std::size_t>(i % 5), static_cast<char>('a' + i)) + '\n';
  const Reading got = read_bytes(text);
  ASSERT_EQ(got.lines.size(), 20U);
  EXPECT_EQ(got.cut.size(), 8U);
  for (std::size_t i = 0; i < 20; ++i) {
    EXPECT_EQ(got.lines[i], std::string(std::min(kMax, kMax - 2 + i % 5), static_cast<char>('a' + i)));
  }
}

TEST(LineReader, BombsCostTimeNotMemory) {
  const std::string zeros = "a\n" + std::string(5000, ' ') + '\n' + std::string(64U << 20U, '\0');
  for (const auto& format : formats()) {
    const Reading got = read_bytes(format.pack(zeros));
    EXPECT_EQ(got.error, "") << format.name;
    ASSERT_EQ(got.lines.size(), 3U) << format.name;
    EXPECT_EQ(got.lines[2].size(), kMax);
  }
}

TEST(LineReader, TruncatedDataGiveTheWholeLinesBefore) {
  const std::string text = log_of(40'000);
  const std::vector<std::string> lines = read_bytes(text).lines;
  for (const auto& format : formats()) {
    if (format.name == std::string_view("plain")) continue;
    const std::string packed = format.pack(text);
    for (const std::size_t left : {packed.size() - 1, packed.size() / 2, std::size_t{20}}) {
      const Reading got = read_bytes(packed.substr(0, left));
      SCOPED_TRACE(testing::Message() << format.name << ' ' << left);
      EXPECT_NE(got.error.find("beyond byte " + std::to_string(left)), std::string::npos) << got.error;
      EXPECT_NE(got.error.find("tipstaff-"), std::string::npos) << got.error;
      EXPECT_NE(got.error.find("cut off"), std::string::npos) << got.error;
      ASSERT_LE(got.lines.size(), lines.size());
      EXPECT_TRUE(std::equal(got.lines.begin(), got.lines.end(), lines.begin())) << "no half line";
      if (left > 20) {
        EXPECT_GT(got.lines.size(), 5000U);
      }
    }
  }
}

TEST(LineReader, DamagedDataAreAnErrorWithTheOffset) {
  const std::string text = log_of(40'000);
  for (const auto& format : formats()) {
    if (format.name == std::string_view("plain")) continue;
    std::string packed = format.pack(text);
    for (std::size_t i = 0; i < 64; ++i)
      packed[packed.size() / 2 + i] = static_cast<char>(~packed[packed.size() / 2 + i]);
    const Reading got = read_bytes(packed);
    EXPECT_NE(got.error.find("beyond byte "), std::string::npos) << format.name << ": " << got.error;
    const Reading tail = read_bytes(format.pack("one\ntwo\n") + "GARBAGE");
    EXPECT_NE(tail.error.find("beyond byte "), std::string::npos) << format.name << ": " << tail.error;
    EXPECT_EQ(tail.lines, (std::vector<std::string>{"one", "two"})) << format.name;
  }
}

TEST(LineReader, WindowsAboveTheLimitAreRefused) {
  // A zstd frame header that asks for a window of 1 GiB (RFC 8878 3.1.1.1.2), followed by an empty last block.
  const Reading got = read_bytes(std::string("\x28\xb5\x2f\xfd\x00\xa0\x01\x00\x00", 9));
  EXPECT_NE(got.error.find("zstd -dc --long=31"), std::string::npos) << got.error;
}

TEST(LineReader, BinaryFilesAreRefused) {
  EXPECT_NE(read_bytes("LPKSHHRH").error.find("journalctl --file"), std::string::npos);
  EXPECT_NE(read_bytes(gzip("SQLite format 3" + std::string(100, '\0'))).error.find("SQLite"), std::string::npos);
  EXPECT_NE(read_bytes(std::string(4096, '\0')).error.find("100 %"), std::string::npos);
}

TEST(LineReader, FilesThatCannotBeRead) {
  EXPECT_EQ(LineReader::open("/nonexistent/auth.log").error().kind, ErrorKind::not_found);
  EXPECT_NE(read_path("/tmp").error.find("is a directory"), std::string::npos);
  const TempFile file("secret\n");
  chmod(file.path().c_str(), 0);
  if (geteuid() != 0) {  // root reads everything
    const auto reader = LineReader::open(file.path());
    ASSERT_FALSE(reader);
    EXPECT_EQ(reader.error().kind, ErrorKind::denied);
  }
}

TEST(LineReader, TellsSizeTimeAndProgress) {
  const TempFile file(log_of(40'000));
  std::filesystem::last_write_time(file.path(),
                                   std::chrono::file_clock::from_sys(Instant(std::chrono::seconds(1'367'920'838))));
  auto reader = LineReader::open(file.path());
  ASSERT_TRUE(reader);
  EXPECT_EQ(reader->name(), file.path());
  EXPECT_EQ(reader->size(), std::filesystem::file_size(file.path()));
  ASSERT_TRUE(reader->modified());
  EXPECT_EQ(to_rfc3339(*reader->modified()), "2013-05-07T10:00:38Z");
  EXPECT_LT(reader->progress().value_or(1), 0.5);
  read_all(*reader);
  EXPECT_EQ(reader->progress(), 1.0);
  EXPECT_EQ(reader->bytes_read(), *reader->size());

  const TempFile empty("");
  EXPECT_EQ(LineReader::open(empty.path())->progress(), std::nullopt);
}

// Standard input becomes the reading end of a pipe that another thread fills with `step` bytes at a time.
Reading read_pipe(const std::string& bytes, std::size_t step, bool non_blocking = false) {
  std::array<int, 2> ends{};
  EXPECT_EQ(pipe(ends.data()), 0);
  if (non_blocking) fcntl(ends[0], F_SETFL, O_NONBLOCK);
  const int kept = dup(STDIN_FILENO);
  dup2(ends[0], STDIN_FILENO);
  close(ends[0]);
  std::thread writer([&] {
    for (std::size_t at = 0; at < bytes.size();) {
      const ssize_t written = write(ends[1], bytes.data() + at, std::min(step, bytes.size() - at));
      if (written <= 0) break;
      at += static_cast<std::size_t>(written);
    }
    close(ends[1]);
  });
  Reading got;
  {
    auto reader = LineReader::open("-");
    EXPECT_TRUE(reader);
    EXPECT_EQ(reader->name(), "standard input");
    EXPECT_EQ(reader->size(), std::nullopt);
    EXPECT_EQ(reader->progress(), std::nullopt);
    EXPECT_EQ(reader->modified(), std::nullopt);
    got = read_all(*reader);
  }
  writer.join();
  dup2(kept, STDIN_FILENO);
  close(kept);
  return got;
}

TEST(LineReader, PipesOfAnySpeed) {
  const std::string text = log_of(300) + std::string(kMax + 10, 'y') + "\nlast";
  const std::vector<std::string> lines = read_bytes(text).lines;
  for (const auto& format : formats()) {
    for (const std::size_t step : {std::size_t{1}, std::size_t{1000}, std::size_t{1} << 20U}) {
      const Reading got = read_pipe(format.pack(text), step, step == 1000);
      EXPECT_EQ(got.error, "") << format.name;
      EXPECT_EQ(got.lines, lines) << format.name << ' ' << step;
      EXPECT_EQ(got.cut, std::vector<std::size_t>{301});
    }
  }
}

}  // namespace
}  // namespace tipstaff
