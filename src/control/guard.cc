#include "control/guard.h"

#include <fmt/format.h>
#include <malloc.h>

#include <algorithm>
#include <array>
#include <boost/asio/io_context.hpp>
#include <boost/asio/signal_set.hpp>
#include <boost/asio/steady_timer.hpp>
#include <chrono>
#include <csignal>
#include <functional>
#include <memory>
#include <optional>
#include <unordered_map>
#include <utility>

#include "control/control_room.h"
#include "control/enforcement.h"
#include "control/guard_commands.h"
#include "control/guard_core.h"
#include "control/guard_sources.h"
#include "control/guard_status.h"
#include "control/output.h"
#include "control/scan.h"
#include "control/service_notify.h"
#include "control/setup.h"
#include "decide/exemption_sources.h"
#include "decide/service_ports.h"
#include "enforce/client.h"
#include "enforce/command_backend.h"
#include "ledger/reader.h"
#include "ledger/thread.h"
#include "ledger/writer.h"

namespace tipstaff {
namespace {

namespace asio = boost::asio;
using std::chrono::milliseconds;
using std::chrono::seconds;

constexpr std::size_t kRowsOfBatch = 512;
constexpr int kLargeTable = 256 << 10;       // bytes
constexpr milliseconds kRowsWait{1'000};     // until rows are committed, where there are fewer
constexpr milliseconds kPlacesWait{10'000};  // until places alone are
constexpr milliseconds kCrowdedWait{50};
constexpr seconds kHousekeeping{15};
constexpr unsigned kFindingRounds = 8;  // of housekeeping, until logs are looked for again where none are named
// Rounds of housekeeping without a line after which free memory goes back: soon, when no rule needs what was read from the
// past any more, and when all connections count as ended.
constexpr std::array kQuietRounds{1U, 8U, 48U};
constexpr seconds kExemptionsEvery{1};
constexpr milliseconds kExemptionsWait{2'000};  // at the start, for what the machine knows of itself
constexpr std::size_t kMostRestored = 200'000;  // attempts, verdicts
constexpr milliseconds kDrain{10'000};
constexpr milliseconds kFirstPlaces{2'000};  // the first places wait for the disk, before anything is read
constexpr milliseconds kSettle{200};
constexpr milliseconds kWriteNow{2'000};  // a change by hand waits so long for the ledger
constexpr seconds kBlockUpkeep{1};

Instant now() { return std::chrono::floor<std::chrono::microseconds>(std::chrono::system_clock::now()); }

std::string_view to_text(SourceHealth::State state) {
  switch (state) {
    case SourceHealth::State::following:
      return "following";
    case SourceHealth::State::waiting:
      return "waiting";
    case SourceHealth::State::missing:
      return "missing";
    case SourceHealth::State::denied:
      return "no right to read";
    case SourceHealth::State::unreadable:
      break;
  }
  return "unreadable";
}

class Guard {
 public:
  explicit Guard(GuardOptions options)
      : options_(std::move(options)),
        log_(log_to_standard_error()),
        notify_(ServiceNotify::from_environment()),
        signals_(loop_, SIGTERM, SIGINT, SIGHUP),
        commit_timer_(loop_),
        crowded_timer_(loop_),
        house_timer_(loop_),
        exempt_timer_(loop_),
        enforce_timer_(loop_),
        watchdog_timer_(loop_),
        room_(loop_, {.file = options_.config, .detectors = options_.detectors}, room_doors()) {}

  int run() {
    auto first = room_.first_setup();
    if (!first) return give_up(first.error());
    for (const std::string& problem : first->problems) log_(Priority::error, problem);
    in_force_ = std::move(*first);
    if (const auto opened = room_.open_socket(); !opened) {
      if (opened.error().kind == ErrorKind::conflict) return give_up(opened.error());
      add_problem(opened.error().message());
    }
    if (const auto opened = open_ledger(); !opened) {
      if (opened.error().kind != ErrorKind::unavailable) return give_up(opened.error());
      add_problem(opened.error().message() + "; guarding goes on without recording until it can be opened");
    }
    make_enforcement();
    begin();
    room_.begun();
    wait_for_signals();
    keep_house();
    if (const auto interval = ServiceNotify::watchdog_interval()) stay_alive(*interval);
    notify_.ready(mode_text());
    loop_.run();
    return kGood;
  }

 private:
  struct Following {
    std::unique_ptr<Source> source;
    SourceHealth::State state = SourceHealth::State::waiting;
    std::string sentence;
    std::string last_warning;
  };

  int give_up(const Error& error) {
    log_(Priority::error, error.message());
    return kFailed;
  }

  void add_problem(const std::string& problem) {
    log_(Priority::error, problem);
    in_force_.problems.push_back(problem);
  }

  // --- ledger ---

  Result<void> open_ledger() {
    LedgerOptions options;
    options.folder = in_force_.config->guard.ledger;
    options.notice = [log = log_](const std::string& text) { log(Priority::error, text); };
    auto writer = LedgerWriter::open(options);
    if (!writer) return std::unexpected(writer.error());
    auto positions = (*writer)->positions();
    if (!positions) return std::unexpected(positions.error());
    for (const PositionRow& row : *positions) saved_.try_emplace(row.source, from_position(row));  // ours are newer
    LedgerThreadOptions thread;
    thread.keep = {in_force_.config->guard.keep_failures, in_force_.config->guard.keep_successes};
    thread.notice = options.notice;
    ledger_folder_ = options.folder;
    ledger_ = std::make_unique<LedgerThread>(std::move(*writer), std::move(thread));
    return {};
  }

  // What the rules knew when the guard ended.
  void restore_rules() {
    auto reader = LedgerReader::open(ledger_folder_);
    if (!reader) return;
    auto recent = (*reader)->last_recorded(core_->memory(), kMostRestored);
    const auto verdicts = (*reader)->each_verdict(kMostRestored, std::exchange(standing_told_, std::nullopt),
                                                  [this](const StoredVerdict& row) { core_->restore_verdict(row); });
    if (!recent || !verdicts) {
      add_problem("the ledger's last attempts cannot be read, so the rules begin to count anew: " +
                  (recent ? verdicts.error() : recent.error()).message());
      return;
    }
    core_->restore(*recent, now());
  }

  // --- enforcement ---

  void make_enforcement() {
    enforcement_ = std::make_shared<Enforcement>(
        EnforcementSinks{.log = log_,
                         .row = [this](VerdictRow row) { core_->add_row(std::move(row)); },
                         .event = [this](EventRow event) { core_->add_event(std::move(event)); },
                         .clock = now});
    commands_ =
        std::make_unique<GuardCommands>(enforcement_, log_,
                                        GuardCommands::Surroundings{.core = [this]() -> GuardCore& { return *core_; },
                                                                    .write_now = [this] { return write_now(); },
                                                                    .clock = now});
  }

  [[nodiscard]] bool enforcing() const { return options_.enforce || in_force_.config->guard.enforce.enabled; }
  [[nodiscard]] std::string mode_text() const {
    return fmt::format("{}, {} sources", enforcing() ? "enforcing" : "watch-only", sources_.size());
  }

  void configure_enforcement() {
    EnforcementOptions options;
    options.enforcing = enforcing();
    const EnforceSettings& settings = in_force_.config->guard.enforce;
    if (settings.by_command) options.backend = "command " + settings.command.front();
    options.ports = [config = in_force_.config, detectors = in_force_.detectors](std::string_view service) {
      return service_ports(*config, *detectors, service);
    };
    options.exempt = in_force_.config->exempt;
    options.restored = restored_;
    enforcement_->configure(std::move(options));
  }

  // The blocks that stand, once: from then on the book knows better than the ledger.
  void restore_blocks() {
    if (restored_ || !ledger_) return;
    const auto reader = LedgerReader::open(ledger_folder_);
    Result<void> done;
    const Instant time = now();
    if (reader) {
      done = (*reader)->each_standing(time, [&](const StoredVerdict& row) {
        enforcement_->restore(row, time);
        core_->restore_verdict(row);
      });
      standing_told_ = time;
    }
    if (!reader) done = std::unexpected(reader.error());
    const std::string damaged = reader && !(*reader)->problems().empty() ? (*reader)->problems().front() : "";
    if (!done || !damaged.empty()) {
      add_problem("the blocks that stand cannot be read from the ledger: " + (done ? damaged : done.error().message()));
      return;
    }
    restored_ = true;
    if (enforcement_->passed_over() > 0) {
      log_(Priority::notice,
           fmt::format("{} blocks were only watched and are not enforced; whoever goes on is blocked anew",
                       enforcement_->passed_over()));
    }
  }

  void begin_enforcing() {
    const EnforceSettings& settings = in_force_.config->guard.enforce;
    if (!enforcing()) {
      log_(Priority::notice,
           "watch-only: would-be blocks are said and recorded, nothing is shut; enforce with --enforce or [enforce] "
           "enabled = true");
      enforcement_->use(nullptr);
      shutting_.reset();
      enforce_timer_.cancel();
      return;
    }
    if (shutting_ != settings) {
      shutting_ = settings;
      std::unique_ptr<BlockBackend> firewall;
      if (settings.by_command) {
        CommandOptions command;
        command.command = settings.command;
        command.clock = now;
        firewall = std::make_unique<CommandBackend>(loop_, std::move(command), enforcement_->handlers());
      } else {
        firewall = std::make_unique<EnforcerClient>(loop_, settings.socket, enforcement_->handlers());
      }
      enforcement_->use(std::move(firewall));
    }
    log_(Priority::notice, fmt::format("enforcing: {} blocks stand", enforcement_->status().standing));
    look_after_blocks();
  }

  void look_after_blocks() {
    enforcement_->pass();
    arm_commit();
    enforce_timer_.expires_after(kBlockUpkeep);
    enforce_timer_.async_wait([this](const boost::system::error_code& error) {
      if (!error) look_after_blocks();
    });
  }

  // True: what was done is in the ledger.
  bool write_now() {
    const std::uint64_t dropped = ledger_ ? ledger_->health().dropped : 0;
    commit();
    if (!ledger_ || !ledger_->drain(kWriteNow)) return false;
    const LedgerHealth health = ledger_->health();
    return health.recording && health.dropped == dropped;
  }

  // --- exemptions ---

  // Before a line is judged. What was known outlives a reload.
  void begin_exemptions() {
    auto next = std::make_unique<ExemptionSources>(in_force_.config->allow, facts_);
    if (exempt_) next->inherit(*exempt_);
    next->begin(now(), exempt_ ? milliseconds(0) : kExemptionsWait);
    exempt_ = std::move(next);
    exemptions_changed();
    look_after_exemptions();
  }

  void look_after_exemptions() {
    exempt_timer_.expires_after(kExemptionsEvery);
    exempt_timer_.async_wait([this](const boost::system::error_code& error) {
      if (error) return;
      if (exempt_->refresh(now())) exemptions_changed();
      look_after_exemptions();
    });
  }

  void exemptions_changed() {
    core_->set_live_exemptions(exempt_->snapshot());
    enforcement_->set_live_exemptions(exempt_->snapshot());
  }

  // --- sources ---

  void begin() {
    core_ = std::make_unique<GuardCore>(in_force_.config, in_force_.detectors, log_, now(), enforcement_);
    configure_enforcement();
    restore_blocks();
    configure_enforcement();
    begin_exemptions();
    enforcement_->end_exempt();
    if (ledger_) restore_rules();
    ::malloc_trim(0);  // what the ledger's rows took
    begin_enforcing();
    for (const std::string& problem : in_force_.config->without_facts) add_problem(problem);
    const auto find = [this](const std::string& name) -> std::optional<SavedPlace> {
      const auto found = saved_.find(name);
      if (found == saved_.end()) return std::nullopt;
      return SavedPlace{found->second.resume, found->second.checkpoint};
    };
    maker_ = std::make_unique<GuardSources>(loop_, in_force_.config->guard, find, log_, [this] { look_for_sources(); });
    look_for_sources();
    // No line is read, and nobody is told "ready", before it is written down where each log begins: whatever is put
    // aside from now on is found again, though the guard be killed at once.
    if (ledger_ && !ledger_->drain(kFirstPlaces))
      log_(Priority::warning, "the ledger is slow to take where the sources begin; they are read meanwhile");
    if (sources_.empty()) {
      no_source_ = fmt::format("there is no source to read; name some in [sources] of {}",
                               options_.config.empty() ? "/etc/tipstaff/tipstaff.toml" : options_.config);
      add_problem(no_source_);
    }
    arm_commit();
  }

  void look_for_sources() {
    std::vector<std::string> problems;
    std::vector<MadeSource> all = maker_->look(problems);
    for (const std::string& problem : problems) add_problem(problem);
    bool is_new = false;
    for (MadeSource& made : all) {
      const auto known = saved_.find(made.source->name());
      const std::size_t number = core_->add_source(made.source->name(), made.zone, made.trust_network,
                                                   known == saved_.end() ? ReadMark() : known->second.read, now());
      Source& source = *made.source;
      sources_.emplace_back().source = std::move(made.source);
      const auto started = source.start(loop_, [this, number](const Record& record) { take(number, record); });
      if (!started) {
        add_problem(fmt::format("{} cannot be read: {}", source.name(), started.error().message()));
      } else if (known == saved_.end()) {
        core_->begin_at(number, source.position());
        is_new = true;
      }
    }
    if (!sources_.empty()) std::erase(in_force_.problems, no_source_);
    if (is_new) commit();  // a source of which no place is saved would begin anew after a kill
    arm_commit();
  }

  void take(std::size_t number, const Record& record) {
    quiet_rounds_ = 0;
    core_->take(number, record);
    if (core_->waiting() >= kRowsOfBatch) {
      commit();
    } else {
      arm_commit();
    }
  }

  // --- commits ---

  void arm_commit() {
    if (!core_->has_news()) return;
    const auto due = std::chrono::steady_clock::now() + (core_->waiting() > 0 ? kRowsWait : kPlacesWait);
    if (armed_ && commit_timer_.expiry() <= due) return;
    armed_ = true;
    commit_timer_.expires_at(due);
    commit_timer_.async_wait([this](const boost::system::error_code& error) {
      if (error) return;
      armed_ = false;
      commit();
    });
  }

  void commit() {
    if (!core_->has_news()) return;
    Batch batch = core_->cut_batch(
        now(), [this](std::size_t number, Place place) { return sources_[number].source->checkpoint(place); });
    for (const PositionRow& row : batch.positions) saved_.insert_or_assign(row.source, from_position(row));
    if (!ledger_) {
      unrecorded_ += batch.attempts.size() + batch.verdicts.size();
      return;
    }
    std::ignore = ledger_->submit(std::move(batch));  // what is dropped is counted and told there
    if (ledger_->crowded() && !crowded_) {
      crowded_ = true;
      for (const Following& one : sources_) one.source->pause(true);
      wait_while_crowded();
    }
  }

  void wait_while_crowded() {
    crowded_timer_.expires_after(kCrowdedWait);
    crowded_timer_.async_wait([this](const boost::system::error_code& error) {
      if (error) return;
      if (ledger_->crowded()) return wait_while_crowded();
      crowded_ = false;
      for (const Following& one : sources_) one.source->pause(false);
    });
  }

  // --- upkeep ---

  void keep_house() {
    core_->pass(now());
    if (maker_->finds() && ++rounds_ % kFindingRounds == 0) look_for_sources();
    for (Following& one : sources_) tell_health(one);
    refresh_facts();
    if (std::ranges::find(kQuietRounds, ++quiet_rounds_) != kQuietRounds.end()) malloc_trim(0);
    arm_commit();
    if (!ledger_) {
      if (const auto opened = open_ledger(); opened) {
        log_(Priority::notice, "the ledger can be opened again; recording goes on");
        Batch gap;
        gap.recorded = now();
        gap.events.push_back({"gap", now(), "",
                              fmt::format("{} rows were not recorded because the ledger could not be opened",
                                          std::exchange(unrecorded_, 0))});
        for (const auto& [source, saved] : saved_) gap.positions.push_back(to_position(source, saved));
        std::ignore = ledger_->submit(std::move(gap));
        begin_again();
      }
    }
    house_timer_.expires_after(kHousekeeping);
    house_timer_.async_wait([this](const boost::system::error_code& error) {
      if (!error) keep_house();
    });
  }

  // Databases of countries and networks are renewed by others now and then.
  void refresh_facts() {
    if (!in_force_.config->facts) return;
    const auto changed = in_force_.config->facts->refresh();
    if (!changed) log_(Priority::error, changed.error().message());
    if (changed && *changed) log_(Priority::notice, "a new database of countries and networks is in use");
  }

  // The ledger could not be read at the start: now the blocks that stand are, the same way as after a restart. What was
  // blocked meanwhile stays in the book, and the firewall is compared with all of it.
  void begin_again() {
    if (restored_ || !end_sources()) return;
    shutting_.reset();
    begin();
  }

  void tell_health(Following& one) {
    const SourceHealth health = one.source->health();
    if (health.state != one.state || health.sentence != one.sentence) {
      const bool good = health.state == SourceHealth::State::following;
      log_(good ? Priority::info : Priority::warning,
           fmt::format("{}: {}{}{}", one.source->name(), to_text(health.state), health.sentence.empty() ? "" : ": ",
                       health.sentence));
      one.state = health.state;
      one.sentence = health.sentence;
    }
    if (!health.warnings.empty() && health.warnings.back() != one.last_warning) {
      one.last_warning = health.warnings.back();
      log_(Priority::warning, fmt::format("{}: {}", one.source->name(), one.last_warning));
    }
  }

  void stay_alive(std::chrono::microseconds interval) {
    notify_.alive();
    watchdog_timer_.expires_after(interval);
    watchdog_timer_.async_wait([this, interval](const boost::system::error_code& error) {
      if (!error) stay_alive(interval);
    });
  }

  // --- status ---

  RoomDoors room_doors() {
    RoomDoors doors;
    doors.log = log_;
    doors.blocks = [this]() -> GuardControl& { return *commands_; };
    doors.watch_only = [this] { return !enforcing(); };
    doors.status = [this] { return status(); };
    doors.exempt = [this] {
      std::vector<Exemption> all = in_force_.config->exempt.entries();
      if (const auto live = exempt_->snapshot()) all.insert(all.end(), live->entries().begin(), live->entries().end());
      return all;
    };
    doors.take_over = [this](const GuardSetup& next) { return take_over(next); };
    doors.settle = [this] {
      commit();
      if (ledger_) std::ignore = ledger_->drain(kSettle);
    };
    doors.write = [this](EventRow event) {
      if (!ledger_) return;
      Batch batch;
      batch.recorded = now();
      batch.events.push_back(std::move(event));
      std::ignore = ledger_->submit(std::move(batch));
    };
    return doors;
  }

  GuardStatus status() {
    GuardStatus status = core_->status(now());
    status.ledger = in_force_.config->guard.ledger;
    status.problems = in_force_.problems;
    for (const NameStatus& name : exempt_->names()) {
      auto& one = status.exempt.names.emplace_back();
      one.name = name.name;
      one.where = name.where;
      for (const IpAddress address : name.addresses) one.addresses.push_back(address.to_string());
      one.resolved = name.resolved;
      one.problem = name.problem;
    }
    status.lookups.dns = in_force_.config->guard.lookups.dns;
    if (in_force_.config->facts) {
      for (const DatabaseInfo& one : in_force_.config->facts->databases())
        status.lookups.databases.push_back(
            fmt::format("{} of {} ({})", one.name, to_rfc3339(one.built).substr(0, 10), one.path));
    }
    status.trial = room_.sentence();
    for (std::string& problem : enforcement_->problems()) status.problems.push_back(std::move(problem));
    if (ledger_) {
      const LedgerHealth health = ledger_->health();
      status.recording = health.recording;
      status.problem = health.problem;
      status.recorded = health.written;
      status.dropped = health.dropped;
    } else {
      status.recording = false;
      status.problem = "the ledger cannot be opened";
      status.dropped = unrecorded_;
    }
    for (std::size_t i = 0; i < sources_.size(); ++i) {
      const SourceHealth health = sources_[i].source->health();
      SourceStatus& one = status.sources[i];
      one.state = to_text(health.state);
      one.sentence = health.sentence;
      one.behind = health.behind;
      one.lost = health.dropped;
    }
    return status;
  }

  // --- signals ---

  void wait_for_signals() {
    signals_.async_wait([this](const boost::system::error_code& error, int signal) {
      if (error) return;
      if (signal != SIGHUP) return stop();
      notify_.reloading();
      const auto done = room_.reload();
      log_(done ? Priority::notice : Priority::error, done ? *done : done.error().message());
      notify_.ready(mode_text());
      wait_for_signals();
    });
  }

  // The same way as a restart: all is written, then everything is made anew from what was saved.
  Result<void> take_over(const GuardSetup& next) {
    if (!end_sources())
      return fail(ErrorKind::unavailable,
                  "the ledger does not take what waits, so the old configuration stays in force for now");
    if (next.config->guard.ledger != ledger_folder_)
      log_(Priority::warning, "another [ledger] directory takes effect when the guard is restarted");
    in_force_ = next;
    begin();
    return {};
  }

  // Everything read is written. False: it is not, and nothing was ended.
  bool end_sources() {
    commit();
    if (ledger_ && !ledger_->drain(kDrain)) return false;
    sources_.clear();
    maker_.reset();
    armed_ = crowded_ = false;
    commit_timer_.cancel();
    crowded_timer_.cancel();
    return true;
  }

  void stop() {
    notify_.stopping();
    enforcement_->stop();
    commit();
    if (ledger_ && !ledger_->drain(kDrain))
      log_(Priority::error, "the ledger did not take all that waited; it is read again at the next start");
    sources_.clear();
    maker_.reset();
    ledger_.reset();
    room_.close();
    enforcement_->use(nullptr);
    loop_.stop();
  }

  GuardOptions options_;
  LogSink log_;
  ServiceNotify notify_;
  asio::io_context loop_{1};
  asio::signal_set signals_;
  asio::steady_timer commit_timer_;
  asio::steady_timer crowded_timer_;
  asio::steady_timer house_timer_;
  asio::steady_timer exempt_timer_;
  asio::steady_timer enforce_timer_;
  asio::steady_timer watchdog_timer_;
  bool armed_ = false;
  bool crowded_ = false;
  unsigned rounds_ = 0;
  unsigned quiet_rounds_ = 0;  // of housekeeping, since the last line
  std::string no_source_;      // the sentence that there is none
  GuardSetup in_force_;        // read as a whole, replaced as a whole
  std::string ledger_folder_;
  std::unique_ptr<LedgerThread> ledger_;
  std::unordered_map<std::string, SavedSource> saved_;  // as committed
  std::uint64_t unrecorded_ = 0;
  std::shared_ptr<Enforcement> enforcement_;
  std::optional<Instant> standing_told_;     // what stood then the core knows of already
  bool restored_ = false;                    // the blocks of the ledger are in its book
  std::optional<EnforceSettings> shutting_;  // by which its firewall was made
  std::unique_ptr<GuardCore> core_;
  const ExemptionFacts facts_ = ExemptionFacts::of_this_machine();
  std::unique_ptr<ExemptionSources> exempt_;
  std::unique_ptr<GuardCommands> commands_;
  std::unique_ptr<GuardSources> maker_;
  std::vector<Following> sources_;
  ControlRoom room_;
};

}  // namespace

int run_guard(const GuardOptions& options) {
  // One heap for both threads, and large tables each by themselves: what a burst took goes back when it is over, and a
  // table that has grown leaves no hole where it was.
  ::mallopt(M_ARENA_MAX, 1);
  ::mallopt(M_MMAP_THRESHOLD, kLargeTable);
  ::mallopt(M_TRIM_THRESHOLD, kLargeTable);
  return Guard(options).run();
}

}  // namespace tipstaff
