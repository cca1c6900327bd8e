#include "control/control_room.h"

#include <fmt/format.h>

#include <boost/asio/io_context.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/json.hpp>
#include <chrono>
#include <optional>
#include <utility>
#include <vector>

#include "base/text.h"
#include "control/control_socket.h"
#include "control/explain_subject.h"
#include "control/trial.h"
#include "ledger/reader.h"

namespace tipstaff {
namespace {

using std::chrono::seconds;

constexpr seconds kTrialAgain{5};  // where it could not be taken back

Instant now() { return std::chrono::floor<std::chrono::microseconds>(std::chrono::system_clock::now()); }

}  // namespace

struct ControlRoom::State {
  State(boost::asio::io_context& of, ConfigPlaces places, RoomDoors into)
      : loop(of), live(std::move(places)), doors(std::move(into)), trial_timer(loop) {}

  void in_force(const GuardSetup& setup) {
    config = setup.config;
    texts = setup.texts;
    make_commands();
  }

  [[nodiscard]] RoleGroups groups() const {
    return {config->guard.view_group, config->guard.support_group, config->guard.admin_group};
  }

  void make_commands() {
    ControlDoors into;
    into.now = now;
    into.blocks = doors.blocks;
    into.config = [this] { return config; };
    into.watch_only = doors.watch_only;
    into.status = doors.status;
    into.explain = [this](const ControlAsk& ask) { return explain(ask); };
    into.trial = [this](seconds length, const std::string& by) { return begin_trial(length, by); };
    into.confirm = [this](const std::string&) { return confirm_trial(); };
    into.reload = [this](const std::string&) { return reload(); };
    into.journal = [this](const ControlChange& change) {
      if (change.written) return;
      doors.log(change.done ? Priority::notice : Priority::warning, change.to_text());
      if (change.done) doors.write({"control", change.at, "", change.to_text()});
    };
    commands = std::make_shared<const ControlCommands>(std::move(into), groups());
  }

  Result<void> open_socket() {
    auto opened = ControlSocket::open(
        loop, config->guard.socket,
        [this](int file) {
          auto peer = peer_of(file);
          if (peer) peer->role = role_of(*peer, groups());
          return peer;
        },
        [this](const Peer& peer, std::string_view line) {
          const auto of_now = commands;  // a reload makes them anew
          return of_now->answer(peer, line);
        });
    if (!opened) return std::unexpected(opened.error());
    socket = std::move(*opened);
    return {};
  }

  Result<std::string> explain(const ControlAsk& ask) {
    doors.settle();
    ExplainInputs inputs;
    inputs.config = config.get();
    inputs.exempt = doors.exempt();
    inputs.timed = doors.blocks().exemptions();
    inputs.each_block = [this](const std::function<void(const StandingBlock&)>& use) {
      doors.blocks().each_block(use);
    };
    inputs.watch_only = doors.watch_only();
    inputs.now = now();
    auto ledger = LedgerReader::open(config->guard.ledger);
    if (ledger) inputs.ledger = ledger->get();
    if (!ledger) inputs.problem = ledger.error().message();
    const auto facts = explain_subject(
        ask.account ? Subject{std::nullopt, std::nullopt, *ask.account} : parse_subject(ask.subject), inputs);
    if (!facts) return std::unexpected(facts.error());
    return fmt::format("\"explanation\":{},\"text\":{}", to_json(*facts),
                       boost::json::serialize(boost::json::value(boost::json::string(to_utf8(to_text(*facts))))));
  }

  // --- configuration ---

  // What is on disk, where all of it is right.
  [[nodiscard]] Result<GuardSetup> checked_setup() const {
    auto next = setup_guard(live);
    if (next && next->problems.empty()) return next;
    return fail(ErrorKind::invalid, "the new configuration is wrong and not used, the old one stays in force: " +
                                        (next ? next->problems.front() : next.error().message()));
  }

  Result<void> take_over(const GuardSetup& next) {
    const std::string path = config->guard.socket;
    if (auto done = doors.take_over(next); !done) return done;
    in_force(next);
    if (next.config->guard.socket == path) return {};
    if (const auto opened = open_socket(); !opened) doors.log(Priority::error, opened.error().message());
    return {};
  }

  Result<std::string> reload() {
    if (auto may = trial->may_reload(); !may) return std::unexpected(may.error());
    const auto next = checked_setup();
    if (!next) return std::unexpected(next.error());
    if (auto done = take_over(*next); !done) return std::unexpected(done.error());
    trial->reloaded();
    return "the new configuration is in force";
  }

  Result<std::string> begin_trial(seconds length, const std::string& by) {
    if (auto may = trial->may_reload(); !may) return std::unexpected(may.error());
    const auto next = checked_setup();
    if (!next) return std::unexpected(next.error());
    const auto differing = next->texts.differing(texts);
    if (differing.empty())
      return fail(ErrorKind::conflict, "the files on disk are those in force: change them first, then try them");
    if (next->config->guard.ledger != config->guard.ledger || next->config->guard.socket != config->guard.socket)
      return fail(ErrorKind::conflict,
                  "[ledger] directory and [control] socket cannot be tried; change them by themselves and restart");
    if (auto held = trial->begin(texts, now(), length, by); !held) return std::unexpected(held.error());
    if (auto done = take_over(*next); !done) {
      trial->give_up();
      return std::unexpected(done.error());
    }
    take_back_in(length);
    std::string names;
    for (const std::string& name : differing) names += (names.empty() ? "" : ", ") + name;
    return fmt::format("on trial until {}: {}; say 'tipstaff confirm' to keep it, or wait and it is taken back",
                       to_rfc3339(trial->note().until), names);
  }

  Result<std::string> confirm_trial() {
    if (auto confirmed = trial->confirm(); !confirmed) return std::unexpected(confirmed.error());
    trial_timer.cancel();
    return "the configuration on trial is kept";
  }

  void take_back_in(seconds length) {
    trial_timer.expires_after(length);
    trial_timer.async_wait([this](const boost::system::error_code& error) {
      if (!error && trial->state() == Trial::State::running) take_back();
    });
  }

  void take_back() {
    end_trial_blocks();  // first: what is put in force may no longer have a firewall
    const auto held = setup_guard(trial->held());
    const Result<void> done = held ? take_over(*held) : std::unexpected(held.error());
    if (!done) {
      doors.log(Priority::error, "the trial cannot be taken back, that is tried again: " + done.error().message());
      return take_back_in(kTrialAgain);
    }
    trial->took_back(now());
    doors.log(Priority::warning, trial->sentence());
    doors.write({"control", now(), "", trial->sentence()});
  }

  // Whom the rules on trial shut out is let in again.
  void end_trial_blocks() {
    const std::size_t open = doors.blocks().take_back_since(
        trial->note().begun, "blocked by a configuration on trial that was taken back", "trial");
    if (open > 0) doors.log(Priority::notice, fmt::format("{} blocks that were made during the trial are ended", open));
  }

  boost::asio::io_context& loop;
  ConfigPlaces live;
  RoomDoors doors;
  boost::asio::steady_timer trial_timer;
  std::shared_ptr<const Config> config;
  ConfigTexts texts;  // of what is in force
  std::unique_ptr<Trial> trial;
  std::shared_ptr<const ControlCommands> commands;
  std::unique_ptr<ControlSocket> socket;
};

ControlRoom::ControlRoom(boost::asio::io_context& loop, ConfigPlaces live, RoomDoors doors)
    : state_(std::make_unique<State>(loop, std::move(live), std::move(doors))) {}

ControlRoom::~ControlRoom() = default;

Result<GuardSetup> ControlRoom::first_setup() {
  auto setup = setup_guard(state_->live);
  if (!setup) return setup;
  state_->trial = std::make_unique<Trial>(setup->config->guard.ledger, state_->live);
  if (state_->trial->state() == Trial::State::taken_back) {
    auto held = setup_guard(state_->trial->held());
    if (held && held->config->guard.ledger == setup->config->guard.ledger) {
      setup = std::move(held);
      state_->doors.log(Priority::warning, state_->trial->sentence());
    } else {
      setup->problems.push_back("the configuration before the trial cannot be read, so the one on disk is in force: " +
                                (held ? std::string("it names another ledger") : held.error().message()));
      state_->trial->reloaded();
    }
  }
  state_->in_force(*setup);
  return setup;
}

Result<void> ControlRoom::open_socket() { return state_->open_socket(); }

void ControlRoom::begun() {
  if (!state_->trial->left_blocks()) return;
  state_->end_trial_blocks();
  state_->trial->took_back(now());
}

Result<std::string> ControlRoom::reload() { return state_->reload(); }

std::string ControlRoom::sentence() const { return state_->trial->sentence(); }

void ControlRoom::close() { state_->socket.reset(); }

}  // namespace tipstaff
