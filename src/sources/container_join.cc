// See container_join.h. Pieces are joined as they are written, escapes and all, so that the result is one record of the
// same format, with the first piece's stamp: whoever reads such records needs no other code for joined ones.
#include "sources/container_join.h"

#include <algorithm>
#include <optional>
#include <utility>

namespace tipstaff {
namespace {

using std::string_view_literals::operator""sv;

struct Piece {
  std::size_t stream = 0;   // 0: output, 1: errors
  bool last = false;        // the line ends with it
  std::string_view before;  // of the record, up to the text
  std::string_view text;
  std::string_view after;
};

/// True where an odd number of backslashes ends the text: the byte behind it is escaped.
bool ends_escaping(std::string_view text) {
  const std::size_t other = text.find_last_not_of('\\');
  return (text.size() - (other == std::string_view::npos ? 0 : other + 1)) % 2 == 1;
}

/// {"log":"text\n","stream":"stdout","time":"2026-11-05T03:04:05.123456789Z"}; a piece has no \n at the end of its
/// text.
std::optional<Piece> read_docker(std::string_view line) {
  constexpr std::string_view kBefore = R"({"log":")";
  if (!line.starts_with(kBefore)) return std::nullopt;
  std::size_t end = line.find('"', kBefore.size());
  while (end != std::string_view::npos && ends_escaping(line.substr(kBefore.size(), end - kBefore.size()))) {
    end = line.find('"', end + 1);
  }
  if (end == std::string_view::npos) return std::nullopt;
  Piece piece;
  piece.before = kBefore;
  piece.text = line.substr(kBefore.size(), end - kBefore.size());
  piece.after = line.substr(end);
  piece.stream = piece.after.find(R"("stream":"stderr")") != std::string_view::npos ? 1 : 0;
  piece.last = piece.text.ends_with('n') && ends_escaping(piece.text.substr(0, piece.text.size() - 1));
  return piece;
}

/// 2026-11-05T03:04:05.123456789Z stdout F text; a piece has P instead of F.
std::optional<Piece> read_cri(std::string_view line) {
  constexpr std::size_t kLongestStamp = 40;
  const std::size_t space = line.substr(0, kLongestStamp).find(' ');
  if (space == std::string_view::npos || line.empty() || line[0] < '0' || line[0] > '9') return std::nullopt;
  const std::string_view rest = line.substr(space + 1);
  for (const auto& [start, stream, last] : {std::tuple("stdout P "sv, 0, false), std::tuple("stderr P "sv, 1, false),
                                            std::tuple("stdout F "sv, 0, true), std::tuple("stderr F "sv, 1, true)}) {
    if (!rest.starts_with(start)) continue;
    const std::size_t at = space + 1 + start.size();
    return Piece{static_cast<std::size_t>(stream), last, line.substr(0, at), line.substr(at), {}};
  }
  return std::nullopt;
}

}  // namespace

bool is_container_log(std::string_view path) {
  return path.ends_with("-json.log") || path.find("/containers/") != std::string_view::npos ||
         path.find("/pods/") != std::string_view::npos;
}

Result<void> ContainerSource::start(boost::asio::io_context& loop, RecordSink sink) {
  sink_ = std::move(sink);
  return inner_->start(loop, [this](const Record& record) { take(record); });
}

SourceHealth ContainerSource::health() const {
  SourceHealth health = inner_->health();
  health.dropped += dropped_;
  return health;
}

Place ContainerSource::not_behind_unfinished(Place place) const {
  for (const Stream& stream : streams_) {
    if (stream.unfinished) place = std::min(place, stream.place);
  }
  return place;
}

void ContainerSource::give_up_old(Instant now) {
  for (Stream& stream : streams_) {
    if (!stream.unfinished || now - stream.arrival <= kPatience) continue;
    dropped_ += stream.line.size();
    stream.unfinished = false;
    stream.doubtful = true;
  }
}

void ContainerSource::take(const Record& record) {
  give_up_old(record.arrival);
  Record whole = record;
  std::optional<Piece> piece = read_docker(record.line);
  if (!piece) piece = read_cri(record.line);
  if (!piece) {
    // a record that was cut may have been a piece, of whichever stream
    if (record.cut) {
      for (Stream& stream : streams_) stream.doubtful = true;
    }
    whole.next = not_behind_unfinished(record.next);
    return sink_(whole);
  }

  Stream& stream = streams_[piece->stream];
  if (!stream.unfinished && (piece->last || stream.doubtful)) {
    whole.cut = record.cut || stream.doubtful;
    stream.doubtful = stream.doubtful && !piece->last;
    whole.next = not_behind_unfinished(record.next);
    return sink_(whole);
  }
  if (!stream.unfinished) {
    stream.unfinished = true;
    stream.cut = false;
    stream.catching_up = record.catching_up;
    stream.place = record.place;
    stream.line = piece->before;
    stream.end = piece->after;
  }
  stream.arrival = record.arrival;
  stream.cut = stream.cut || record.cut || stream.line.size() + piece->text.size() + stream.end.size() > kMaxLine;
  if (!stream.cut) stream.line += piece->text;
  if (!piece->last) return;

  stream.unfinished = false;
  stream.line += stream.end;
  whole.line = stream.line;
  whole.cut = stream.cut;
  whole.place = stream.place;
  whole.catching_up = stream.catching_up;
  whole.next = not_behind_unfinished(record.next);
  sink_(whole);
  stream.line = std::string();
}

}  // namespace tipstaff
