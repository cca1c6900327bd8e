// The thread takes addresses that wait, and for each asks what names_of() misses, in rounds, until it misses nothing or the
// time is over. Answers that come later are thrown away. The same question of two addresses goes out once.
#include "lookup/names/name_lookups.h"

#include <sys/eventfd.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <deque>
#include <map>
#include <mutex>
#include <set>
#include <thread>
#include <unordered_map>
#include <unordered_set>
#include <utility>

#include "lookup/names/dns_client.h"
#include "lookup/resolver.h"

namespace tipstaff {
namespace {

using Steady = std::chrono::steady_clock;
using std::chrono::milliseconds;

constexpr std::size_t kMostInFlight = 256;  // questions
constexpr std::size_t kMostProblem = 512;   // bytes
constexpr milliseconds kLongestWait{1'000};

// Addresses that mean something on one link or machine only (RFC 6890, RFC 4291 2.7).
bool has_no_name(IpAddress address) {
  if (address.is_v4()) {
    const auto value = static_cast<std::uint32_t>(address.low());
    return value >> 24U == 0 || value >> 24U == 127 || value >> 16U == 0xa9fe || value >> 28U >= 0xe;
  }
  const std::uint64_t high = address.high();
  return (high == 0 && address.low() <= 1) || high >> 54U == 0xfe80U >> 6U || high >> 56U == 0xffU;
}

bool is_host_name(const std::string& name) {
  return is_dns_name(name) && !name.ends_with('.') &&
         std::ranges::none_of(name, [](char c) { return c >= 'A' && c <= 'Z'; });
}

}  // namespace

struct NameLookups::State {
  struct Job {
    DnsAnswers answers;
    std::set<DnsQuestion> open;
    Steady::time_point until;
  };

  NameLookupOptions options;
  PublicSuffixes suffixes;
  std::unique_ptr<DnsClient> client;
  int wake = -1;
  std::thread thread;

  mutable std::mutex mutex;  // of all down to `ending`
  std::deque<IpAddress> waiting;
  std::unordered_set<IpAddress> asked;  // those that wait or are worked on
  std::unordered_map<IpAddress, AddressNames> kept;
  std::set<std::pair<Instant, IpAddress>> by_expiry;
  Counters counters;
  bool ending = false;

  // the thread's own
  std::unordered_map<IpAddress, Job> jobs;
  std::map<DnsQuestion, std::vector<IpAddress>> askers;  // of questions that are out

  State(NameLookupOptions from, PublicSuffixes list) : options(std::move(from)), suffixes(std::move(list)) {
    if (!options.clock)
      options.clock = [] { return std::chrono::floor<std::chrono::microseconds>(std::chrono::system_clock::now()); };
    options.at_a_time = std::max<std::size_t>(options.at_a_time, 1);
    options.most_kept = std::max<std::size_t>(options.most_kept, 1);
  }

  ~State() {
    if (thread.joinable()) {
      {
        const std::scoped_lock lock(mutex);
        ending = true;
      }
      wake_up();
      thread.join();
    }
    if (wake >= 0) ::close(wake);
  }

  void wake_up() const {
    const std::uint64_t one = 1;
    while (::write(wake, &one, sizeof one) < 0 && errno == EINTR) {
    }
  }

  // --- what is kept (locked by the caller) ---

  void forget(IpAddress address) {
    const auto found = kept.find(address);
    if (found == kept.end()) return;
    by_expiry.erase({found->second.expires, address});
    kept.erase(found);
  }

  void keep(AddressNames names) {
    forget(names.address);
    while (kept.size() >= options.most_kept) {
      if (by_expiry.begin()->first > options.clock()) ++counters.evicted;
      forget(by_expiry.begin()->second);
    }
    by_expiry.emplace(names.expires, names.address);
    kept.emplace(names.address, std::move(names));
  }

  // --- the thread ---

  void run() {
    for (;;) {
      take_waiting();
      client->wait(wake, pause());
      std::uint64_t number = 0;
      std::ignore = ::read(wake, &number, sizeof number);
      give_up_late();
      const std::scoped_lock lock(mutex);
      if (ending) return;
    }
  }

  [[nodiscard]] milliseconds pause() const {
    auto until = Steady::now() + kLongestWait;
    for (const auto& [address, job] : jobs) until = std::min(until, job.until);
    return std::max(std::chrono::ceil<milliseconds>(until - Steady::now()), milliseconds(0));
  }

  void take_waiting() {
    while (jobs.size() < options.at_a_time && client->in_flight() < kMostInFlight) {
      IpAddress address;
      {
        const std::scoped_lock lock(mutex);
        if (waiting.empty()) return;
        address = waiting.front();
        waiting.pop_front();
      }
      jobs[address].until = Steady::now() + options.longest;
      go_on(address);
    }
  }

  // Asks what is missing, or is done.
  void go_on(IpAddress address) {
    Job& job = jobs.at(address);
    std::vector<DnsQuestion> missing;
    std::chrono::seconds ttl{0};
    AddressNames names = names_of(address, job.answers, suffixes, missing, ttl);
    if (missing.empty()) {
      jobs.erase(address);
      finish(std::move(names), ttl);
      return;
    }
    for (const DnsQuestion& question : missing) {
      job.open.insert(question);
      std::vector<IpAddress>& all = askers[question];
      all.push_back(address);
      if (all.size() > 1) continue;
      client->ask(question);
      const std::scoped_lock lock(mutex);
      ++counters.questions;
    }
  }

  void take_answer(const DnsQuestion& question, const DnsAnswer& answer) {
    if (answer.state == DnsAnswer::State::failed) {
      const std::scoped_lock lock(mutex);
      ++counters.failed;
    }
    const auto found = askers.find(question);
    if (found == askers.end()) return;
    const std::vector<IpAddress> all = std::move(found->second);
    askers.erase(found);
    for (const IpAddress address : all) {
      const auto job = jobs.find(address);
      if (job == jobs.end() || job->second.open.erase(question) == 0) continue;
      job->second.answers.emplace(question, answer);
      if (job->second.open.empty()) go_on(address);
    }
  }

  // What is not answered in time has failed; so has what would have to be asked after that.
  void give_up_late() {
    const auto now = Steady::now();
    std::vector<IpAddress> late;
    for (const auto& [address, job] : jobs) {
      if (job.until <= now) late.push_back(address);
    }
    for (const IpAddress address : late) {
      Job job = std::move(jobs.at(address));
      jobs.erase(address);
      DnsAnswer none;
      none.problem = "no answer in time";
      for (const DnsQuestion& question : job.open) job.answers.emplace(question, none);
      for (;;) {
        std::vector<DnsQuestion> missing;
        std::chrono::seconds ttl{0};
        AddressNames names = names_of(address, job.answers, suffixes, missing, ttl);
        if (missing.empty()) {
          finish(std::move(names), ttl);
          break;
        }
        for (const DnsQuestion& question : missing) job.answers.emplace(question, none);
      }
    }
  }

  void finish(AddressNames names, std::chrono::seconds ttl) {
    names.asked = options.clock();
    if (names.problem.size() > kMostProblem) names.problem.resize(kMostProblem);
    names.expires = names.asked + (names.problem.empty() ? std::clamp(ttl, options.least_kept, options.longest_kept)
                                                         : options.failure_kept);
    {
      const std::scoped_lock lock(mutex);
      counters.dropped += names.dropped;
      asked.erase(names.address);
      keep(names);
    }
    if (options.answered) options.answered(names);
  }

  [[nodiscard]] bool is_good(const AddressNames& names) const {
    const Instant now = options.clock();
    if (names.expires <= now || names.expires > now + std::max(options.longest_kept, options.failure_kept))
      return false;
    if (!names.name.empty() && !is_host_name(names.name)) return false;
    if (!names.domain.empty() && (!is_host_name(names.domain) || !names.confirmed)) return false;
    if (names.confirmed && names.name.empty()) return false;
    return (names.roles.empty() || !names.domain.empty()) && names.roles.size() <= 3 &&
           names.problem.size() <= kMostProblem && names.source == "DNS";
  }
};

NameLookups::NameLookups(std::unique_ptr<State> state) : state_(std::move(state)) {}
NameLookups::~NameLookups() = default;

Result<std::unique_ptr<NameLookups>> NameLookups::start(NameLookupOptions options, PublicSuffixes suffixes) {
  auto state = std::make_unique<State>(std::move(options), std::move(suffixes));
  State* const raw = state.get();
  auto client = DnsClient::open(
      {state->options.servers, state->options.timeout, state->options.tries},
      [raw](const DnsQuestion& question, const DnsAnswer& answer) { raw->take_answer(question, answer); });
  if (!client) return std::unexpected(client.error());
  state->client = std::move(*client);
  state->wake = ::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
  if (state->wake < 0)
    return fail(ErrorKind::unavailable, std::string("look-ups cannot begin: ") + std::strerror(errno));
  try {
    state->thread = std::thread([raw] { raw->run(); });
  } catch (const std::system_error& error) {
    return fail(ErrorKind::unavailable, std::string("look-ups cannot begin: ") + error.what());
  }
  return std::unique_ptr<NameLookups>(new NameLookups(std::move(state)));
}

std::optional<AddressNames> NameLookups::known(IpAddress address) const {
  if (has_no_name(address)) {
    AddressNames none;
    none.address = address;
    none.source = "DNS";
    none.asked = state_->options.clock();
    none.expires = none.asked + state_->options.longest_kept;
    return none;
  }
  const std::scoped_lock lock(state_->mutex);
  const auto found = state_->kept.find(address);
  if (found == state_->kept.end() || found->second.expires <= state_->options.clock()) return std::nullopt;
  return found->second;
}

bool NameLookups::ask(IpAddress address) {
  if (known(address)) return true;
  State& state = *state_;
  {
    const std::scoped_lock lock(state.mutex);
    if (state.asked.contains(address)) return true;
    if (state.waiting.size() >= state.options.most_waiting) {
      ++state.counters.refused;
      return false;
    }
    state.asked.insert(address);
    state.waiting.push_back(address);
  }
  state.wake_up();
  return true;
}

std::vector<AddressNames> NameLookups::kept() const {
  const std::scoped_lock lock(state_->mutex);
  const Instant now = state_->options.clock();
  std::vector<AddressNames> all;
  for (const auto& [expires, address] : state_->by_expiry) {
    if (expires > now) all.push_back(state_->kept.at(address));
  }
  return all;
}

void NameLookups::restore(const std::vector<AddressNames>& saved) {
  const std::scoped_lock lock(state_->mutex);
  for (const AddressNames& names : saved) {
    if (state_->is_good(names) && !state_->kept.contains(names.address)) state_->keep(names);
  }
}

NameLookups::Counters NameLookups::counters() const {
  const std::scoped_lock lock(state_->mutex);
  Counters all = state_->counters;
  all.waiting = state_->asked.size();
  all.kept = state_->kept.size();
  return all;
}

}  // namespace tipstaff
