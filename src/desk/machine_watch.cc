#include "desk/machine_watch.h"

#include <fmt/format.h>
#include <sys/statvfs.h>

#include <algorithm>
#include <boost/json.hpp>
#include <cerrno>
#include <cstring>
#include <set>

#include "alert/alert_text.h"
#include "base/text.h"
#include "desk/status_json.h"

namespace tipstaff {
namespace {

namespace json = boost::json;

constexpr std::size_t kMostTroubles = 50;
constexpr std::size_t kLargestStatus = 16U << 20U;
constexpr std::string_view kStanding = "troubles";  // names of those that stand, a line each

void add_sources(const json::array& sources, std::vector<Trouble>& all) {
  for (const auto& value : sources) {
    if (!value.is_object() || all.size() >= kMostTroubles) continue;
    const json::object& source = value.as_object();
    const std::string name = text_member(source, "name");
    const json::array& alarms = list_member(source, "alarms");
    if (!alarms.empty()) {
      std::string what;
      for (const auto& alarm : alarms) {
        if (what.empty() && alarm.is_string()) what = std::string(alarm.as_string());
      }
      all.push_back({"blind " + name, fmt::format("blind source {}: {}", name, what),
                     "attempts there are not found; 'tipstaff status' shows it, 'tipstaff explain --line' what is made "
                     "of a line"});
    }
    if (number_member(source, "lost") > 0) {
      all.push_back({"lost " + name, fmt::format("lines of {} were lost ({})", name, number_member(source, "lost")),
                     "more came than was read, or the place was not found again after a restart; see the guard's log"});
    }
  }
}

}  // namespace

std::vector<Trouble> troubles_of_status(std::string_view text) {
  std::vector<Trouble> all;
  boost::system::error_code error;
  const json::value value =
      text.size() > kLargestStatus ? json::value() : json::parse(json::string_view(text.data(), text.size()), error);
  if (error || !value.is_object()) {
    all.push_back({"status", "the guard's status makes no sense", "are guard and desk of the same version?"});
    return all;
  }
  const json::object& status = value.as_object();
  add_sources(list_member(status, "sources"), all);
  if (const auto* ledger = status.if_contains("ledger"); ledger != nullptr && ledger->is_object()) {
    if (flag_is(ledger->as_object(), "recording", false))
      all.push_back({"recording", "attempts are not recorded: " + text_member(ledger->as_object(), "problem"),
                     "guarding goes on; recording resumes by itself when there is room"});
  }
  if (const auto* enforcement = status.if_contains("enforcement"); enforcement != nullptr && enforcement->is_object()) {
    const json::object& one = enforcement->as_object();
    if (flag_is(one, "connected", false) && !flag_is(one, "enforcing", false))
      all.push_back(
          {"enforcer", "nobody is shut out: " + text_member(one, "problem"), "systemctl status tipstaff-enforcer"});
    if (const auto count = number_member(one, "not_effective"); count > 0)
      all.push_back(
          {"not effective",
           fmt::format("{} not effective: attempts come through",
                       count == 1 ? "a block is" : fmt::format("{} blocks are", count)),
           "'tipstaff blocks' marks them; a proxy, another port or a container in front are the likely causes "
           "(docs/enforcing.md)"});
  }
  return all;
}

Result<DiskRoom> room_of(const std::string& folder) {
  struct statvfs room{};
  if (::statvfs(folder.c_str(), &room) != 0)
    return fail(ErrorKind::unavailable, fmt::format("{}: {}", folder, std::strerror(errno)));
  return DiskRoom{std::uint64_t{room.f_bavail} * room.f_frsize, std::uint64_t{room.f_blocks} * room.f_frsize};
}

std::vector<Trouble> troubles_of_disk(const std::string& folder, const DiskRoom& room) {
  constexpr std::uint64_t kMiB = std::uint64_t{1} << 20U;
  if (room.free >= 100 * kMiB && (room.free >= 1024 * kMiB || room.free * 20 >= room.size)) return {};
  return {{"disk", fmt::format("the disk of {} is nearly full: {} MiB are left", folder, room.free / kMiB),
           "make room, or shorten what is kept ([ledger] keep_failures); when it is full, guarding goes on and "
           "recording does not"}};
}

Result<void> MachineWatch::step(Instant now) {
  std::vector<Trouble> all;
  const auto status = options_.ask();
  if (status) {
    missed_since_.reset();
    all = troubles_of_status(*status);
  } else {
    missed_since_ = missed_since_.value_or(now);
    if (now - *missed_since_ >= kGuardMissed)
      all.push_back({"guard", "the guard does not answer: nobody watches this machine",
                     fmt::format("systemctl status tipstaff ({})", status.error().text)});
  }
  if (const auto room = room_of(options_.folder)) {
    for (Trouble& one : troubles_of_disk(options_.folder, *room)) all.push_back(std::move(one));
  }
  std::set<std::string> before;
  const std::string stored = store_.value(kStanding);
  for (std::size_t at = 0; at < stored.size();) {
    const std::size_t end = std::min(stored.find('\n', at), stored.size());
    before.insert(stored.substr(at, end - at));
    at = end + 1;
  }
  // while the guard cannot be asked, what it told of before is taken to last
  std::string standing;
  std::set<std::string> names;
  for (const Trouble& one : all) names.insert(printable(one.name));
  if (!status) names.insert(before.begin(), before.end());
  for (const std::string& name : names) standing += name + "\n";
  std::vector<StoredMessage> messages;
  for (const Trouble& one : all) {
    if (before.contains(printable(one.name))) continue;
    Alert alert;
    alert.kind = AlertKind::machine;
    alert.of = AlertClass::now;
    alert.key = fmt::format("machine|{}|{}", one.name, now.time_since_epoch().count());
    alert.host = options_.host;
    alert.at = now;
    alert.sentence = one.sentence;
    alert.advice = one.advice;
    for (StoredMessage& message : messages_for(options_.channels, alert, "now", options_.zone, now))
      messages.push_back(std::move(message));
  }
  if (standing == stored && messages.empty()) return {};
  return store_.put_with_value(messages, kStanding, standing);
}

}  // namespace tipstaff
