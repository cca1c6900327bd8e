#include "control/file_scan.h"

#include <chrono>

#include "detect/folder.h"
#include "detect/header.h"
#include "detect/stamp.h"
#include "sources/line_reader.h"

namespace tipstaff {
namespace {

Instant now() { return std::chrono::floor<std::chrono::microseconds>(std::chrono::system_clock::now()); }

}  // namespace

FileCounts& FileCounts::operator+=(const FileCounts& other) {
  lines += other.lines;
  known_program += other.known_program;
  understood += other.understood;
  cut += other.cut;
  ambiguous += other.ambiguous;
  given_up += other.given_up;
  return *this;
}

Result<void> scan_file(const std::string& path, const FileScanOptions& options,
                       const std::function<void(const Attempt&)>& sink, FileCounts& counts,
                       const ProgressSink& progress) {
  auto reader = LineReader::open(path);
  if (!reader) return std::unexpected(reader.error());
  Recognizer recognizer(*options.detectors, options.recognizer);
  Folder folder(sink);
  SourceClock clock(options.zone, options.year, reader->modified().value_or(now()));
  LineSplitter splitter;
  std::string scratch;
  Finding finding;
  const auto take = [&](std::string_view line, bool cut) {
    ++counts.lines;
    if (cut) ++counts.cut;
    PlainTail tail;
    auto seen = Recognizer::Glance::unknown;
    if (splitter.glance(line, tail)) seen = recognizer.glance(tail, line.data() + line.size());
    if (seen >= Recognizer::Glance::strange) {
      if (seen >= Recognizer::Glance::known) ++counts.known_program;
      if (seen == Recognizer::Glance::understood) ++counts.understood;
      return;
    }
    const bool plain = seen == Recognizer::Glance::more;
    const Header header = plain ? splitter.header_of(line, tail) : splitter.split(line, scratch);
    if (!plain) clock.follow(header);
    recognizer.recognize(header, finding);
    if (cut && finding.fields.has_address) {  // whoever wrote the line chose where it is cut, and so what stands last
      finding.ambiguous = true;
      finding.fields.has_address = false;
      finding.fields.port = 0;
    }
    if (finding.known_program || finding.understood) ++counts.known_program;
    if (!finding.understood) return;
    ++counts.understood;
    if (finding.kind == Kind::harmless) return;
    if (finding.ambiguous) ++counts.ambiguous;
    folder.add(header, finding, clock.time_of(header), counts.lines);
  };
  Result<void> result;
  while (true) {
    const auto block = reader->next();
    if (!block) {
      result = std::unexpected(block.error());
      break;
    }
    if (!*block) break;
    (*block)->for_each_line(take);
    if (progress) progress(reader->progress());
  }
  folder.finish();
  counts.given_up += folder.given_up();
  return result;
}

std::optional<Instant> first_stamp(const std::string& path, const FileScanOptions& options) {
  auto reader = LineReader::open(path);
  if (!reader) return std::nullopt;
  SourceClock clock(options.zone, options.year, reader->modified().value_or(now()));
  const auto block = reader->next();
  if (!block || !*block) return std::nullopt;
  std::optional<Instant> first;
  std::string scratch;
  (*block)->for_each_line([&](std::string_view line, bool) {
    if (first) return;
    const Header header = split_header(line, scratch);
    clock.follow(header);
    first = clock.time_of(header);
  });
  return first;
}

}  // namespace tipstaff
