// See line_reader.h. Lines are not looked for one by one here, that is the caller's loop: going back from the end of a
// window of kMaxLine + 1 bytes finds a newline after one line's worth of bytes, and proves that every line before it is
// short enough. So a block costs a few searches, and a window without any newline is a line that is too long.
#include "sources/line_reader.h"

#include <algorithm>
#include <utility>

#include "sources/text_check.h"
#include "sources/unpack.h"

namespace tipstaff {
namespace {

constexpr std::size_t kBuffer = std::size_t{128} << 10U;  // measured, see NOTES.md
static_assert(kBuffer > LineReader::kMaxLine + kTextHead, "a line that is too long must fit to be seen");

}  // namespace

Result<LineReader> LineReader::open(const std::string& path) {
  LineReader reader;
  reader.file_ = std::make_unique<InputFile>();
  if (const auto opened = reader.file_->open(path); !opened) return std::unexpected(opened.error());
  reader.unpacked_ = unpack(*reader.file_);
  reader.buffer_ = std::make_unique_for_overwrite<char[]>(kBuffer);
  while (reader.end_ < kTextHead && !reader.ended_) reader.refill();

  const std::string_view head(reader.buffer_.get(), reader.end_);
  if (auto why = why_no_text(head, path)) return fail(ErrorKind::invalid, *std::move(why), reader.name());
  if (head.starts_with("\xEF\xBB\xBF")) reader.begin_ = reader.searched_ = 3;
  return reader;
}

Result<std::optional<LineReader::Block>> LineReader::next() {
  while (true) {
    if (const auto block = take()) return block;
    if (failed_) return std::unexpected(*failed_);
    if (ended_) return std::nullopt;
    refill();
  }
}

std::optional<double> LineReader::progress() const {
  const auto all = size();
  if (!all || *all == 0) return std::nullopt;
  return std::min(1.0, static_cast<double>(bytes_read()) / static_cast<double>(*all));  // a log grows while it is read
}

void LineReader::refill() {
  if (begin_ > 0) {
    std::memmove(buffer_.get(), buffer_.get() + begin_, end_ - begin_);
    end_ -= begin_;
    searched_ -= begin_;
    begin_ = 0;
  }
  ByteStream& from = unpacked_ ? *unpacked_ : *file_;
  const auto got = from.read(buffer_.get() + end_, kBuffer - end_);
  if (!got) failed_ = got.error();
  ended_ = got.value_or(0) == 0;
  end_ += got.value_or(0);
}

LineReader::Block LineReader::hand_out(std::size_t until) {
  const std::string_view bytes(buffer_.get() + begin_, until - begin_);
  begin_ = until;
  return {bytes, skipping_};
}

std::optional<LineReader::Block> LineReader::take() {
  const char* const base = buffer_.get();
  if (skipping_) {
    const void* const stop = std::memchr(base + begin_, '\n', end_ - begin_);
    skipping_ = stop == nullptr;
    begin_ = searched_ = skipping_ ? end_ : static_cast<std::size_t>(static_cast<const char*>(stop) - base) + 1;
    if (skipping_) return std::nullopt;
  }

  std::size_t whole = begin_;  // end of the last whole line found
  while (true) {
    const std::size_t window = std::min(end_, whole + kMaxLine + 1);
    const std::size_t from = std::max(whole, searched_);
    const void* const stop = memrchr(base + from, '\n', window - from);
    searched_ = window;
    if (stop == nullptr) break;
    whole = static_cast<std::size_t>(static_cast<const char*>(stop) - base) + 1;
    searched_ = whole;
  }
  if (whole > begin_) return hand_out(whole);
  if (end_ - begin_ > kMaxLine) {
    skipping_ = true;
    return hand_out(begin_ + kMaxLine);
  }
  if (!ended_ || failed_ || begin_ == end_) return std::nullopt;
  return hand_out(end_);
}

}  // namespace tipstaff
