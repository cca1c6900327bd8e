// One pass of refresh() goes: take what has come, ask what is due, make the set anew and compare it. Due times go by the
// clock given; one that was set back makes everything due.
#include "decide/exemption_sources.h"

#include <fmt/format.h>

#include <algorithm>
#include <thread>
#include <utility>

#include "lookup/resolver.h"

namespace tipstaff {
namespace {

constexpr std::size_t kMostAsked = 4;  // names at a time
constexpr std::chrono::milliseconds kLook{5};

IpNetwork host(IpAddress address) { return {address, address.is_v4() ? 32U : 128U}; }

}  // namespace

std::string to_sentence(const NameStatus& name) {
  std::string text = fmt::format("{} ({}): ", name.name, name.where);
  for (std::size_t i = 0; i < name.addresses.size(); ++i) text += (i == 0 ? "" : " ") + name.addresses[i].to_string();
  if (name.resolved) text += fmt::format(", resolved {}", to_rfc3339(*name.resolved));
  if (!name.problem.empty()) {
    text += fmt::format("{}{}", name.resolved ? "; since then: " : "no address known: ", name.problem);
  } else if (!name.resolved) {
    text += "not looked up yet";
  }
  return text;
}

ExemptionFacts ExemptionFacts::of_this_machine() {
  ExemptionFacts facts;
  facts.own = own_addresses_by_interface;
  facts.gateways = default_gateways;
  facts.sessions = [starting = StartingSession()] {
    std::vector<AdminSession> all = admin_sessions();
    for (AdminSession& one : starting.look()) all.push_back(std::move(one));
    return all;
  };
  facts.resolve = tipstaff::resolve;
  return facts;
}

ExemptionSources::ExemptionSources(AllowSettings settings, ExemptionFacts facts)
    : settings_(std::move(settings)), facts_(std::move(facts)) {
  for (const ExemptName& name : settings_.names) {
    auto& one = names_.emplace_back(std::make_unique<Name>());
    one->status.name = name.name;
    one->status.where = name.where;
  }
}

void ExemptionSources::inherit(const ExemptionSources& before) {
  machine_ = before.machine_;
  if (settings_.sessions) sessions_ = before.sessions_;
  timed_ = before.timed_;
  for (const auto& name : names_) {
    for (const auto& known : before.names_) {
      if (known->status.name != name->status.name) continue;
      name->status.addresses = known->status.addresses;
      name->status.resolved = known->status.resolved;
      name->status.problem = known->status.problem;
    }
  }
}

void ExemptionSources::begin(Instant now, std::chrono::milliseconds longest) {
  refresh(now);
  const auto end = std::chrono::steady_clock::now() + longest;
  while ((machine_asked_.is_busy() || sessions_asked_.is_busy()) && std::chrono::steady_clock::now() < end)
    std::this_thread::sleep_for(kLook);
  refresh(now);
}

void ExemptionSources::wait(Instant now, std::chrono::milliseconds longest) {
  refresh(now);
  const auto end = std::chrono::steady_clock::now() + longest;
  while (is_waiting() && std::chrono::steady_clock::now() < end) {
    std::this_thread::sleep_for(kLook);
    refresh(now);
  }
  refresh(now);
}

bool ExemptionSources::is_waiting() const {
  return machine_asked_.is_busy() || sessions_asked_.is_busy() ||
         std::ranges::any_of(names_, [](const auto& name) { return name->asked.is_busy() || !name->next; });
}

bool ExemptionSources::refresh(Instant now) {
  take_answers(now);
  std::erase_if(timed_, [now](const PassingExemption& one) { return one.until <= now; });
  ask(now);
  return make_snapshot();
}

bool ExemptionSources::is_due(std::optional<Instant>& next, Instant now, std::chrono::seconds every) {
  return !next || now >= *next || *next - now > every;
}

void ExemptionSources::take_answers(Instant now) {
  if (auto machine = machine_asked_.take()) {
    machine_ = std::move(*machine);
    if (machine_.own.size() > kMostOwn) machine_.own.resize(kMostOwn);
    if (machine_.gateways.size() > 2 * kMostGateways) machine_.gateways.resize(2 * kMostGateways);
  }
  if (auto sessions = sessions_asked_.take()) {
    sessions_ = std::move(*sessions);
    if (sessions_.size() > kMostSessions) sessions_.resize(kMostSessions);
  }
  for (const auto& name : names_) {
    auto answer = name->asked.take();
    if (!answer) continue;
    NameStatus& status = name->status;
    if (!*answer) {
      status.problem = answer->error().text.empty() ? "no answer" : answer->error().text;
      continue;
    }
    status.problem.clear();
    status.resolved = now;
    status.addresses = std::move(**answer);
    if (status.addresses.size() > kMostAddressesOfName) status.addresses.resize(kMostAddressesOfName);
  }
}

void ExemptionSources::ask(Instant now) {
  if (is_due(machine_next_, now, kMachineEvery) && facts_.own && facts_.gateways) {
    if (machine_asked_.ask([own = facts_.own, gateways = facts_.gateways] { return Machine{own(), gateways()}; }))
      machine_next_ = now + kMachineEvery;
  }
  if (settings_.sessions && facts_.sessions && is_due(sessions_next_, now, kSessionsEvery)) {
    if (sessions_asked_.ask(facts_.sessions)) sessions_next_ = now + kSessionsEvery;
  }
  std::size_t asked = 0;
  for (const auto& name : names_) asked += name->asked.is_busy() ? 1U : 0U;
  for (const auto& name : names_) {
    if (asked >= kMostAsked) return;
    if (!facts_.resolve || name->asked.is_busy() || !is_due(name->next, now, settings_.names_refresh)) continue;
    if (!name->asked.ask([resolve = facts_.resolve, text = name->status.name] { return resolve(text); })) return;
    name->next = now + settings_.names_refresh;
    ++asked;
  }
}

bool ExemptionSources::make_snapshot() {
  std::vector<Exemption> entries;
  for (const OwnAddress& one : machine_.own)
    entries.push_back({one.network, fmt::format("own address of {}", one.interface), ExemptionKind::own});
  for (const Gateway& one : machine_.gateways)
    entries.push_back({host(one.address), fmt::format("default gateway by {}", one.interface), ExemptionKind::gateway});
  for (const AdminSession& one : sessions_) {
    entries.push_back({host(one.address), fmt::format("session of {} since {}", one.user, to_rfc3339(one.since)),
                       ExemptionKind::session});
  }
  for (const auto& name : names_) {
    for (const IpAddress address : name->status.addresses) {
      entries.push_back(
          {host(address), fmt::format("name {} ({})", name->status.name, name->status.where), ExemptionKind::name});
    }
  }
  for (const PassingExemption& one : timed_) entries.push_back({one.network, one.where, ExemptionKind::support});
  if (entries == snapshot_->entries()) return false;
  snapshot_ = std::make_shared<const Exemptions>(std::move(entries));
  return true;
}

std::vector<NameStatus> ExemptionSources::names() const {
  std::vector<NameStatus> all;
  for (const auto& name : names_) all.push_back(name->status);
  return all;
}

Result<void> ExemptionSources::exempt_until(PassingExemption exemption, Instant now) {
  if (exemption.until <= now) return fail(ErrorKind::invalid, "the exemption would be over already");
  const auto known = std::ranges::find(timed_, exemption.network, &PassingExemption::network);
  if (known != timed_.end()) {
    *known = std::move(exemption);
    return {};
  }
  if (timed_.size() >= kMostTimed)
    return fail(ErrorKind::conflict,
                fmt::format("{} exemptions for a time stand already; end some of them", kMostTimed));
  timed_.push_back(std::move(exemption));
  return {};
}

bool ExemptionSources::end_exemption(const IpNetwork& network) {
  return std::erase_if(timed_, [&network](const PassingExemption& one) { return one.network == network; }) > 0;
}

}  // namespace tipstaff
