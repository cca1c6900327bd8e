// See unpack.h. One loop feeds compressed blocks to a codec; a codec is one library behind four lines of bookkeeping.
// Checksums stand at the end of the data, so lines are handed out before they are checked; a mismatch is reported then.
#include "sources/unpack.h"

#include <fmt/format.h>
#include <lzma.h>
#define ZLIB_CONST  // input by pointer to const
#include <zlib.h>
#include <zstd.h>
#include <zstd_errors.h>

#include <algorithm>
#include <array>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <utility>

namespace tipstaff {
namespace {

constexpr std::size_t kInput = std::size_t{64} << 10U;  // compressed bytes read at once
constexpr int kWindowLog = 27;                          // of zstd: 2^27 bytes = kUnpackMemory
static_assert(std::size_t{1} << kWindowLog == kUnpackMemory);

/// What one call of a codec did.
struct Step {
  std::size_t made = 0;    // bytes written
  std::string_view fault;  // why it cannot go on; empty: it can
};

class Codec {
 public:
  Codec() = default;
  Codec(const Codec&) = delete;
  Codec(Codec&&) = delete;
  Codec& operator=(const Codec&) = delete;
  Codec& operator=(Codec&&) = delete;
  virtual ~Codec() = default;
  [[nodiscard]] virtual std::string_view name() const = 0;
  /// Takes bytes off `input`, writes at most `size` bytes. `last`: no input will follow this.
  virtual Step step(std::string_view& input, bool last, char* to, std::size_t size) = 0;
  /// True where the data may end here.
  [[nodiscard]] virtual bool complete() const = 0;
};

class Gzip final : public Codec {
 public:
  Gzip() : ready_(inflateInit2(stream_.get(), MAX_WBITS + 16) == Z_OK) {}  // 16: gzip's header only
  [[nodiscard]] std::string_view name() const override { return "gzip"; }
  [[nodiscard]] bool complete() const override { return complete_; }

  Step step(std::string_view& input, bool /*last*/, char* to, std::size_t size) override {
    if (!ready_) return {0, "out of memory"};
    if (complete_) {  // another member, or the zero bytes that tapes leave
      input.remove_prefix(std::min(input.find_first_not_of('\0'), input.size()));
      if (input.empty()) return {};
      if (input.front() != '\x1f') return {0, "other bytes follow the compressed data"};
      inflateReset(stream_.get());
      complete_ = false;
    }
    stream_->next_in = reinterpret_cast<const Bytef*>(input.data());
    stream_->avail_in = static_cast<uInt>(input.size());
    stream_->next_out = reinterpret_cast<Bytef*>(to);
    stream_->avail_out = static_cast<uInt>(size);
    const int result = inflate(stream_.get(), Z_NO_FLUSH);
    input.remove_prefix(input.size() - stream_->avail_in);
    Step done{size - stream_->avail_out, {}};
    if (result == Z_STREAM_END) {
      complete_ = true;
    } else if (result != Z_OK && result != Z_BUF_ERROR) {
      done.fault = stream_->msg != nullptr ? stream_->msg : "damaged";
    }
    return done;
  }

 private:
  struct End {
    void operator()(z_stream* stream) const {
      inflateEnd(stream);
      delete stream;
    }
  };
  std::unique_ptr<z_stream, End> stream_{new z_stream{}};
  bool ready_;
  bool complete_ = false;
};

class Xz final : public Codec {
 public:
  Xz() : ready_(lzma_stream_decoder(stream_.get(), kUnpackMemory, LZMA_CONCATENATED) == LZMA_OK) {}
  [[nodiscard]] std::string_view name() const override { return "xz"; }
  [[nodiscard]] bool complete() const override { return complete_; }

  Step step(std::string_view& input, bool last, char* to, std::size_t size) override {
    if (!ready_) return {0, "out of memory"};
    stream_->next_in = reinterpret_cast<const std::uint8_t*>(input.data());
    stream_->avail_in = input.size();
    stream_->next_out = reinterpret_cast<std::uint8_t*>(to);
    stream_->avail_out = size;
    const lzma_ret result = lzma_code(stream_.get(), last ? LZMA_FINISH : LZMA_RUN);
    input.remove_prefix(input.size() - stream_->avail_in);
    Step done{size - stream_->avail_out, {}};
    if (result == LZMA_STREAM_END) {
      complete_ = true;
    } else if (result == LZMA_MEMLIMIT_ERROR) {
      done.fault = "needs more than 128 MiB to unpack; unpack it with xz -dc and read standard input";
    } else if (result == LZMA_FORMAT_ERROR) {
      done.fault = "other bytes follow the compressed data";
    } else if (result == LZMA_OPTIONS_ERROR) {
      done.fault = "made with options this version does not know";
    } else if (result == LZMA_MEM_ERROR) {
      done.fault = "out of memory";
    } else if (result != LZMA_OK && result != LZMA_BUF_ERROR) {
      done.fault = "checksum or structure wrong";
    }
    return done;
  }

 private:
  struct End {
    void operator()(lzma_stream* stream) const {
      lzma_end(stream);
      delete stream;
    }
  };
  std::unique_ptr<lzma_stream, End> stream_{new lzma_stream(LZMA_STREAM_INIT)};
  bool ready_;
  bool complete_ = false;
};

class Zstd final : public Codec {
 public:
  Zstd() {
    if (context_) ZSTD_DCtx_setParameter(context_.get(), ZSTD_d_windowLogMax, kWindowLog);
  }
  [[nodiscard]] std::string_view name() const override { return "zstd"; }
  [[nodiscard]] bool complete() const override { return complete_; }

  Step step(std::string_view& input, bool /*last*/, char* to, std::size_t size) override {
    if (!context_) return {0, "out of memory"};
    ZSTD_inBuffer in{input.data(), input.size(), 0};
    ZSTD_outBuffer out{to, size, 0};
    const std::size_t result = ZSTD_decompressStream(context_.get(), &out, &in);
    input.remove_prefix(in.pos);
    complete_ = result == 0;
    if (ZSTD_isError(result) == 0) return {out.pos, {}};
    if (ZSTD_getErrorCode(result) == ZSTD_error_frameParameter_windowTooLarge) {
      return {out.pos, "needs more than 128 MiB to unpack; unpack it with zstd -dc --long=31 and read standard input"};
    }
    return {out.pos, ZSTD_getErrorName(result)};
  }

 private:
  struct End {
    void operator()(ZSTD_DCtx* context) const { ZSTD_freeDCtx(context); }
  };
  std::unique_ptr<ZSTD_DCtx, End> context_{ZSTD_createDCtx()};
  bool complete_ = false;
};

class Unpacked final : public ByteStream {
 public:
  Unpacked(InputFile& file, std::unique_ptr<Codec> codec) : file_(file), codec_(std::move(codec)) {}

  Result<std::size_t> read(char* to, std::size_t size) override {
    if (failed_) return std::unexpected(*failed_);
    while (true) {
      if (input_.empty() && !last_) {
        const auto got = file_.read(buffer_.data(), buffer_.size());
        if (!got) return got;
        input_ = std::string_view(buffer_.data(), *got);
        last_ = *got == 0;
      }
      if (input_.empty() && last_ && codec_->complete()) return 0;
      const std::size_t before = input_.size();
      const Step step = codec_->step(input_, last_, to, size);
      const bool stuck = step.made == 0 && input_.size() == before && !codec_->complete();
      if (!step.fault.empty()) {
        failed_ = damage(step.fault);
      } else if (stuck) {
        failed_ = damage("the file is cut off");
      }
      if (step.made > 0) return step.made;
      if (failed_) return std::unexpected(*failed_);
    }
  }

 private:
  [[nodiscard]] Error damage(std::string_view why) const {
    return {ErrorKind::corrupt,
            fmt::format("the {} data cannot be unpacked beyond byte {} of the file: {}; the whole lines before it "
                        "were read",
                        codec_->name(), file_.bytes_read() - input_.size(), why),
            file_.name()};
  }

  InputFile& file_;
  std::unique_ptr<Codec> codec_;
  std::array<char, kInput> buffer_{};
  std::string_view input_;  // what of buffer_ is not unpacked yet
  bool last_ = false;       // the file has ended
  std::optional<Error> failed_;
};

std::unique_ptr<Codec> codec_for(std::string_view magic) {
  if (magic.starts_with("\x1f\x8b\x08")) return std::make_unique<Gzip>();
  if (magic.starts_with(std::string_view("\xfd\x37zXZ\0", 6))) return std::make_unique<Xz>();
  const bool skippable = magic.size() >= 4 && (magic[0] & 0xF0) == 0x50 && magic.substr(1, 3) == "\x2a\x4d\x18";
  if (magic.starts_with("\x28\xb5\x2f\xfd") || skippable) return std::make_unique<Zstd>();
  return nullptr;
}

}  // namespace

std::unique_ptr<ByteStream> unpack(InputFile& file) {
  auto codec = codec_for(file.magic());
  if (!codec) return nullptr;
  return std::make_unique<Unpacked>(file, std::move(codec));
}

}  // namespace tipstaff
