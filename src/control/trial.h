// A configuration on trial: in force from now on, and taken back by itself unless somebody confirms it in time ("commit
// confirmed"). Whoever locks himself out with a new rule is let in again by doing nothing. The states and what survives a
// restart are kept here; loading a configuration and putting it in force are the guard's. Time is handed in.
//
//   none --begin--> running --confirm--> none
//                   running --due, restart--> taken_back --reload, a further trial that is confirmed--> none
//
// While taken_back the files on disk are not in force, whatever restarts: what nobody confirmed must not come into force
// by a reboot.
#pragma once

#include <chrono>
#include <functional>
#include <string>

#include "base/result.h"
#include "base/time.h"
#include "control/held_config.h"

namespace tipstaff {

class Trial {
 public:
  enum class State : std::uint8_t { none, running, taken_back };

  /// Finds a trial that a restart ended: then the state is taken_back, unless the files on disk have been put back.
  /// `live`: where the guard reads its configuration.
  Trial(const std::string& ledger_folder, ConfigPlaces live);

  [[nodiscard]] State state() const { return state_; }
  [[nodiscard]] const TrialNote& note() const { return note_; }
  /// Where the configuration that belongs in force is to be read.
  [[nodiscard]] ConfigPlaces in_force() const { return state_ == State::taken_back ? held_.places() : live_; }

  /// Where the configuration that was in force before the trial is to be read.
  [[nodiscard]] ConfigPlaces held() const { return held_.places(); }

  /// The configuration of these texts is held, so that the one on disk can be put in force. Errors: conflict (a trial
  /// runs), unavailable (it cannot be held).
  [[nodiscard]] Result<void> begin(const ConfigTexts& in_force, Instant now, std::chrono::seconds length,
                                   const std::string& by);
  /// The configuration on disk could not be put in force: as if there had been no trial. A trial that was taken back
  /// before stays taken back.
  void give_up();
  /// Error: not_found (no trial runs; says what became of it).
  [[nodiscard]] Result<void> confirm();
  [[nodiscard]] bool is_due(Instant now) const { return state_ == State::running && now >= note_.until; }
  /// What is to be held in force again is; blocks that rules made between begin and now are to be ended, now and, where
  /// the guard ended during the trial, at its next start (`left_blocks`).
  void took_back(Instant now);
  [[nodiscard]] bool left_blocks() const { return state_ == State::taken_back && !note_.back; }
  /// Somebody put what is on disk in force. Error: conflict (a trial runs).
  [[nodiscard]] Result<void> may_reload() const;
  void reloaded();

  /// For status and log; empty: no trial.
  [[nodiscard]] std::string sentence() const;

 private:
  HeldConfig held_;
  ConfigPlaces live_;
  State state_ = State::none;
  State before_ = State::none;  // the trial
  TrialNote note_;
};

}  // namespace tipstaff
