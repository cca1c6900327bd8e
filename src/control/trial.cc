#include "control/trial.h"

#include <fmt/format.h>

#include <utility>

namespace tipstaff {

Trial::Trial(const std::string& ledger_folder, ConfigPlaces live) : held_(ledger_folder), live_(std::move(live)) {
  if (const auto found = held_.note()) {
    note_ = *found;
    state_ = State::taken_back;
    if (note_.back && read_texts(live_) == read_texts(held_.places())) reloaded();
  }
}

Result<void> Trial::begin(const ConfigTexts& in_force, Instant now, std::chrono::seconds length,
                          const std::string& by) {
  if (state_ == State::running)
    return fail(ErrorKind::conflict, fmt::format("a trial runs already, begun by {}, until {}; confirm it or wait",
                                                 note_.by, to_rfc3339(note_.until)));
  const TrialNote note{now, now + length, by, std::nullopt};
  if (auto kept = held_.keep(in_force, note); !kept) return kept;
  before_ = std::exchange(state_, State::running);
  note_ = note;
  return {};
}

void Trial::give_up() {
  state_ = before_;
  if (state_ == State::none) std::ignore = held_.drop();
}

Result<void> Trial::confirm() {
  if (state_ == State::none) return fail(ErrorKind::not_found, "no trial runs, there is nothing to confirm");
  if (state_ == State::taken_back)
    return fail(ErrorKind::not_found,
                fmt::format("the trial of {} ended unconfirmed and was taken back; begin another, or take the files on "
                            "disk over with: tipstaff reload",
                            to_rfc3339(note_.begun)));
  if (auto dropped = held_.drop(); !dropped) return dropped;
  state_ = State::none;
  return {};
}

void Trial::took_back(Instant now) {
  state_ = State::taken_back;
  note_.back = now;
  std::ignore = held_.mark(note_);  // if it cannot be written, a restart ends blocks once more that may stand
}

Result<void> Trial::may_reload() const {
  if (state_ != State::running) return {};
  return fail(ErrorKind::conflict,
              fmt::format("a trial runs until {}; keep it with 'tipstaff confirm', or wait", to_rfc3339(note_.until)));
}

void Trial::reloaded() {
  std::ignore = held_.drop();  // if it cannot be removed, it is in force again after a restart, and status says so
  state_ = State::none;
}

std::string Trial::sentence() const {
  if (state_ == State::running)
    return fmt::format(
        "on trial since {}, begun by {}: the configuration on disk is taken back at {} unless somebody "
        "says 'tipstaff confirm'",
        to_rfc3339(note_.begun), note_.by, to_rfc3339(note_.until));
  if (state_ == State::taken_back)
    return fmt::format(
        "the files on disk are not in force: the trial that {} began at {} was not confirmed, so the "
        "configuration before it is; 'tipstaff trial' tries the files again, 'tipstaff reload' takes "
        "them over",
        note_.by, to_rfc3339(note_.begun));
  return {};
}

}  // namespace tipstaff
