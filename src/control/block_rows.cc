#include "control/block_rows.h"

#include <fmt/format.h>

#include <algorithm>
#include <boost/json/basic_parser_impl.hpp>
#include <limits>
#include <optional>

#include "base/text.h"
#include "control/control_commands.h"
#include "control/moment.h"
#include "enforce/block.h"

namespace tipstaff {
namespace {

namespace json = boost::json;

std::optional<Instant> time_of(const std::string& text) {
  if (text.empty()) return std::nullopt;
  const auto time = parse_moment(text, TimeZone(), Instant{});
  return time ? std::optional(*time) : std::nullopt;
}

// What the parser calls. An answer is an object with "now" and the array "blocks", whose objects have no further ones.
class Handler {
 public:
  static constexpr std::size_t max_object_size = std::numeric_limits<std::size_t>::max();
  static constexpr std::size_t max_array_size = max_object_size;
  static constexpr std::size_t max_key_size = max_object_size;
  static constexpr std::size_t max_string_size = max_object_size;
  using Failure = boost::system::error_code;

  explicit Handler(BlockRows& rows) : rows_(rows) {}
  [[nodiscard]] bool has_list() const { return has_list_; }

  static bool on_document_begin(Failure&) { return true; }
  static bool on_document_end(Failure&) { return true; }
  bool on_object_begin(Failure&) {
    if (++depth_ == 3 && listing_) block_ = {};
    return true;
  }
  bool on_object_end(std::size_t, Failure&) {
    if (depth_-- == 3 && listing_) rows_.add(block_);
    return true;
  }
  bool on_array_begin(Failure&) {
    if (++depth_ == 2) listing_ = key_ == "blocks";
    has_list_ = has_list_ || listing_;
    return true;
  }
  bool on_array_end(std::size_t, Failure&) {
    if (depth_-- == 2) listing_ = false;
    return true;
  }
  bool on_key_part(json::string_view part, std::size_t, Failure&) { return keep(part); }
  bool on_key(json::string_view part, std::size_t, Failure&) {
    key_.assign(parts_).append(part.data(), part.size());
    parts_.clear();
    return true;
  }
  bool on_string_part(json::string_view part, std::size_t, Failure&) { return keep(part); }
  bool on_string(json::string_view part, std::size_t, Failure&) {
    if (std::string* const text = text_of_key()) text->assign(parts_).append(part.data(), part.size());
    parts_.clear();
    if (depth_ == 1 && key_ == "now") {
      if (const auto now = time_of(now_)) rows_.set_now(*now);
    }
    return true;
  }
  static bool on_number_part(json::string_view, Failure&) { return true; }
  bool on_int64(std::int64_t number, json::string_view, Failure&) {
    return number < 0 || count(static_cast<std::uint64_t>(number));
  }
  bool on_uint64(std::uint64_t number, json::string_view, Failure&) { return count(number); }
  static bool on_double(double, json::string_view, Failure&) { return true; }
  bool on_bool(bool is, Failure&) {
    if (!listing_ || depth_ != 3) return true;
    if (key_ == "enforced") block_.enforced = is;
    if (key_ == "exempt") block_.exempt = is;
    if (key_ == "effective") block_.effective = is;
    return true;
  }
  static bool on_null(Failure&) { return true; }
  static bool on_comment_part(json::string_view, Failure&) { return true; }
  static bool on_comment(json::string_view, Failure&) { return true; }

 private:
  bool keep(json::string_view part) {
    parts_.append(part.data(), part.size());
    return true;
  }
  bool count(std::uint64_t number) {
    if (!listing_ || depth_ != 3) return true;
    if (key_ == "id") block_.id = number;
    if (key_ == "dropped") block_.dropped = number;
    return true;
  }
  std::string* text_of_key() {
    if (depth_ == 1) return key_ == "now" ? &now_ : nullptr;
    if (!listing_ || depth_ != 3) return nullptr;
    return key_ == "network"   ? &block_.network
           : key_ == "until"   ? &block_.until
           : key_ == "rule"    ? &block_.rule
           : key_ == "service" ? &block_.service
           : key_ == "by"      ? &block_.by
           : key_ == "why"     ? &block_.why
                               : nullptr;
  }

  BlockRows& rows_;
  ListedBlock block_;
  std::string key_, parts_, now_;
  unsigned depth_ = 0;
  bool listing_ = false;
  bool has_list_ = false;
};

}  // namespace

Result<BlockRows> BlockRows::read(std::string_view answer, Instant now) {
  BlockRows rows(now);
  json::basic_parser<Handler> parser(json::parse_options(), rows);
  boost::system::error_code error;
  const std::size_t read = parser.write_some(false, answer.data(), answer.size(), error);
  if (error || read != answer.size() || !parser.done() || !parser.handler().has_list())
    return fail(ErrorKind::invalid, "the list of blocks cannot be read; restart the guard after an update");
  return rows;
}

void BlockRows::cell(std::size_t column, std::string_view text) {
  cells_ += text;
  ends_.back()[column] = static_cast<std::uint32_t>(cells_.size());
  if (column < widths_.size()) widths_[column] = std::max(widths_[column], text.size());
}

void BlockRows::add(const ListedBlock& block) {
  ends_.emplace_back();
  cell(0, fmt::format("#{}", block.id));
  cell(1, printable(block.network));
  cell(2, block.service.empty() ? "all" : printable(block.service));
  cell(3, left(block.until));
  cell(4, cause(block));
  cell(5, fmt::format("dropped {}{}", block.dropped,
                      block.exempt       ? ", observed: exempt"
                      : !block.enforced  ? ", would be blocked"
                      : !block.effective ? ", NOT EFFECTIVE"
                                         : ""));
}

std::string BlockRows::text() const {
  std::string out;
  std::size_t width = 1;
  for (const std::size_t one : widths_) width += one + 2;
  out.reserve(cells_.size() + ends_.size() * width);
  std::size_t at = 0;
  for (const auto& row : ends_) {
    for (std::size_t i = 0; i < row.size(); ++i) {
      const std::string_view text = std::string_view(cells_).substr(at, row[i] - at);
      out += text;
      if (i < widths_.size()) out.append(widths_[i] - text.size() + 2, ' ');
      at = row[i];
    }
    out += '\n';
  }
  return out;
}

const std::string& BlockRows::left(const std::string& until) {
  if (left_.empty() || until != until_) {
    until_ = until;
    left_ = time_left(time_of(until_).value_or(kForever), now_);
  }
  return left_;
}

const std::string& BlockRows::cause(const ListedBlock& block) {
  if (cause_.empty() || block.rule != rule_ || block.by != by_ || block.why != why_) {
    rule_ = block.rule;
    by_ = block.by;
    why_ = block.why;
    cause_ = rule_.empty() ? fmt::format("by {}{}", by_.empty() ? "hand" : printable(by_),
                                         why_.empty() ? "" : fmt::format(" ({})", printable(why_)))
                           : fmt::format("rule \"{}\"", printable(rule_));
  }
  return cause_;
}

}  // namespace tipstaff
