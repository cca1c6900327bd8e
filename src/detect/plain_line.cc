#include "detect/plain_line.h"

#include <algorithm>
#include <cstring>

#include "base/bytes.h"

namespace tipstaff {
namespace {

// The fast way through what stands behind the host of a plain line, which `program` is not the first byte of. False too
// for what is rare, such as Solaris' "[ID". The name is not looked at.
inline bool split_tail(const char* program, const char* end, PlainTail& tail) {
  if (end - program <= 16 || program[-2] == ':' || program[-2] == ']') return false;
  const char* name_end = find_either(program, end - 12, '[', ' ');
  tail.pid = 0;
  if (*name_end == '[') {
    const std::size_t count = digits_behind(name_end + 1, tail.pid);
    const char* const behind = name_end + 1 + count;
    if (count == 0 || behind[0] != ']' || behind[1] != ':' || behind[2] != ' ') return false;
    tail.message = behind + 3;
  } else if (name_end[-1] == ':') {
    tail.message = name_end + 1;
    --name_end;
  } else {
    return false;
  }
  if (name_end - program <= 1 || (tail.message[0] == '[' && tail.message[1] == 'I')) return false;
  tail.program = program;
  tail.program_end = name_end;
  while (tail.message < end && (*tail.message == ' ' || *tail.message == '\t')) ++tail.message;
  return true;
}

Header plain_header(std::string_view line, StampKind kind, std::size_t stamp_size, const PlainTail& tail) {
  const char* last = line.data() + line.size();
  while (last > tail.message && (last[-1] == ' ' || last[-1] == '\r' || last[-1] == '\t')) --last;
  return {.stamp_kind = kind,
          .layout = Layout::syslog,
          .contained = false,
          .pid = tail.pid,
          .stamp = {line.data(), stamp_size},
          .host = {line.data() + stamp_size + 1, tail.program - 1},
          .program = {tail.program, tail.program_end},
          .message = {tail.message, last},
          .from_program = {tail.program, last}};
}

}  // namespace

// "Mon DD HH:MM:SS ": its three blanks and two colons, compared eight bytes at a time, and a letter and a digit.
bool looks_like_bsd(std::string_view line) {
  if (line.size() <= 16) return false;
  std::uint64_t head = 0;
  std::uint64_t tail = 0;
  std::memcpy(&head, line.data(), 8);
  std::memcpy(&tail, line.data() + 8, 8);
  constexpr std::uint64_t kTail = 0xff0000ff0000ff00ULL;  // bytes 9, 12 and 15
  constexpr std::uint64_t kHead = 0x00ff0000ff000000ULL;  // bytes 3 and 6
  return (head & kHead) == (repeated(' ') & kHead) && (tail & kTail) == 0x2000003a00003a00ULL && line[0] >= 'A' &&
         line[0] <= 'Z' && line[5] >= '0' && line[5] <= '9';
}

bool split_plain(std::string_view line, Header& header) {
  if (!looks_like_bsd(line)) return false;
  const char* const end = line.data() + line.size();
  const char* const program = find_byte(line.data() + 16, end, ' ') + 1;
  PlainTail tail;
  if (program <= line.data() + 17 || program >= end || !split_tail(program, end, tail) ||
      !is_program_name({tail.program, tail.program_end}))
    return false;
  header = plain_header(line, StampKind::bsd, 15, tail);
  return true;
}

bool LineSplitter::glance(std::string_view line, PlainTail& tail) const {
  const std::size_t program = stamp_size_ + host_.size();
  if (kind_ == StampKind::none || line.size() <= program) return false;
  for (std::size_t i = 0; i < words_; ++i) {
    std::uint64_t bytes = 0;
    std::memcpy(&bytes, line.data() + stamp_[i].at, 8);
    if (((bytes ^ stamp_[i].bytes) & stamp_[i].fixed) != 0 ||
        (other_than_digits(bytes ^ repeated('0')) & ~stamp_[i].fixed) != 0)
      return false;
  }
  return equal_bytes(line.data() + stamp_size_, host_.data(), host_.size()) &&
         split_tail(line.data() + program, line.data() + line.size(), tail);
}

Header LineSplitter::header_of(std::string_view line, const PlainTail& tail) const {
  return plain_header(line, kind_, stamp_size_, tail);
}

Header LineSplitter::split(std::string_view line, std::string& scratch) {
  const Header header = split_header(line, scratch);
  remember(line, header);
  return header;
}

void LineSplitter::remember(std::string_view line, const Header& header) {
  const std::size_t size = header.stamp.size();
  const bool plain =
      header.layout == Layout::syslog && !header.contained && header.stamp.data() == line.data() &&
      (header.stamp_kind == StampKind::bsd ? size == 15 : header.stamp_kind == StampKind::iso && size <= 40) &&
      header.host.data() == line.data() + size + 1 && !header.host.empty() && line[size] == ' ' &&
      header.program.data() == header.host.data() + header.host.size() + 1;
  kind_ = plain ? header.stamp_kind : StampKind::none;
  if (!plain) return;
  stamp_size_ = size;
  words_ = (size + 7) / 8;
  for (std::size_t i = 0; i < words_; ++i) {
    Word& word = stamp_[i];
    word.at = std::min(i * 8, size - 8);
    std::memcpy(&word.bytes, line.data() + word.at, 8);
    word.fixed = (other_than_digits(word.bytes ^ repeated('0')) >> 7U) * 0xffU;
    // a stamp without year: the day is fixed too, "Nov  5 "
    if (kind_ == StampKind::bsd && i == 0) word.fixed |= 0x00ffffffffffffffULL;
  }
  host_ = line.substr(size, header.host.size() + 2);
}

}  // namespace tipstaff
