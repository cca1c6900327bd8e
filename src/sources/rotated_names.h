// The names that logrotate, newsyslog, cronolog and programs of their own give to logs they put aside: auth.log.1,
// auth.log.2.gz, auth.log-20260107.zst, auth-20260107.log, auth.log.old. And their order: which one is the older. Only
// names are looked at here; whether a file really is the continuation of another one, its bytes say (file_search.h).
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace tipstaff {

/// What a name says about when its file was put aside.
struct RotationMark {
  std::optional<unsigned> number;  ///< the higher, the older
  std::string date;                ///< digits only; the lower, the older. Empty where there is a number, and for ".old"
};

/// The mark of `name` if it is a rotated name of `base` (auth.log); none if it is not.
[[nodiscard]] std::optional<RotationMark> rotation_mark(std::string_view base, std::string_view name);

/// True where a name is, by itself, that of a file put aside or packed: no glob follows it. A date before the
/// extension (app-20260107.log) does not count: some programs write to such names directly.
[[nodiscard]] bool is_put_aside(std::string_view name);

/// A date before the extension, taken out: app-20260107.log -> app.log; none where there is none.
[[nodiscard]] std::optional<std::string> without_date(std::string_view name);

/// The paths of the files beside `path`, and beside the file that it links to, that were put aside under its name,
/// oldest first; `path` is not among them. Where a link goes to a name with digits in it (app-2026-01-07.log), names
/// that differ from that in digits only count too. At most kMaxRotated, the newest.
[[nodiscard]] std::vector<std::string> rotated_files(const std::string& path);
inline constexpr std::size_t kMaxRotated = 64;

}  // namespace tipstaff
