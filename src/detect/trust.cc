// See trust.h. The user is the real one, as the kernel passes it with a message: a setuid program keeps its caller's.
#include "detect/trust.h"

#include <algorithm>

#include "base/text.h"

namespace tipstaff {
namespace {

constexpr std::size_t kLongestComm = 15;  // TASK_COMM_LEN of the kernel, without its end

// Users as systemd divides them: up to 999 services, 61184 to 65519 services with DynamicUser=, 65534 nobody.
bool is_person(std::uint32_t uid) { return uid >= 1'000 && (uid < 61'184 || uid > 65'519) && uid != 65'534; }

bool is_named(std::string_view comm, std::string_view program) {
  return !comm.empty() && program.substr(0, kLongestComm) == comm;
}

}  // namespace

bool is_trusted(const Detector& detector, const Writer& writer, std::string_view program) {
  if (!writer.known) return false;
  const bool is_root = writer.uid == 0U;
  if (detector.journal_units.empty() && detector.journal_comm.empty()) {
    return is_root && is_named(writer.comm, program);
  }
  const bool comm_fits =
      std::ranges::any_of(detector.journal_comm, [&](const std::string& comm) { return is_named(writer.comm, comm); });
  if (comm_fits && is_root) return true;
  const bool unit_fits = !writer.unit.empty() && std::ranges::any_of(detector.journal_units, [&](const auto& pattern) {
    return glob_match(pattern, writer.unit);
  });
  if (!unit_fits) return false;
  return detector.journal_comm.empty() || (comm_fits && !(writer.uid && is_person(*writer.uid)));
}

}  // namespace tipstaff
