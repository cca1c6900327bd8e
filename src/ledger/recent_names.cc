// How many accounts and hosts the busiest addresses lately tried: for the list of attackers, which names twenty of them
// and must not read all their rows. The newest rows of all are read in one walk through the file, since the busiest are
// busy at the same time: their rows lie side by side. Rows count as they were written: that a later one changes an attempt
// is not looked at.
#include <algorithm>
#include <string>
#include <unordered_map>
#include <utility>

#include "ledger/encode.h"
#include "ledger/reader_state.h"

namespace tipstaff {
namespace {

constexpr std::uint32_t kNone = UINT32_MAX;

// Numbers for the names of all months, by way of the ids that they have in one.
class NameNumbers {
 public:
  void next_month() { ids_.clear(); }
  template <class NameOf>
  std::uint32_t number(std::uint64_t id, NameOf&& name_of) {
    if (id == 0) return kNone;
    const auto [known, is_new] = ids_.try_emplace(id, kNone);
    if (is_new)
      known->second = numbers_.emplace(name_of(id), static_cast<std::uint32_t>(numbers_.size())).first->second;
    return known->second;
  }

 private:
  std::unordered_map<std::uint64_t, std::uint32_t> ids_;
  std::unordered_map<std::string, std::uint32_t> numbers_;
};

using Pairs = std::vector<std::pair<std::uint32_t, std::uint32_t>>;  // an address's place in the question, a name

// Calls `count(place)` for each different name.
template <class Count>
void count_different(Pairs& pairs, Count&& count) {
  std::ranges::sort(pairs);
  const auto again = std::ranges::unique(pairs);
  pairs.erase(again.begin(), again.end());
  for (const auto& [who, number] : pairs) {
    if (number != kNone) count(who);
  }
}

}  // namespace

Result<std::vector<RecentNames>> LedgerReader::recent_names(const std::vector<IpAddress>& addresses,
                                                            std::size_t sample) {
  if (auto done = state_->refresh(); !done) return std::unexpected(done.error());
  std::vector<RecentNames> all(addresses.size());
  Pairs by_account;
  Pairs by_host;
  NameNumbers accounts;
  NameNumbers hosts;
  state_->each([&](OpenMonth& month) {
    accounts.next_month();
    hosts.next_month();
    std::unordered_map<std::uint64_t, std::uint32_t> subjects;  // id of an address -> its place
    std::vector<std::uint64_t> rows;
    Statement address(month.database, "SELECT id FROM address WHERE value = ?");
    for (std::uint32_t i = 0; i < addresses.size(); ++i) {
      const std::string value = to_bytes(addresses[i]);
      if (!address.start(value).next()) continue;
      const std::uint64_t subject = address.number(0);
      subjects.emplace(subject, i);
      const auto newest = month.postings.find_newest(SubjectKind::address, subject, sample + 1).rows;
      const std::size_t left_out = newest.size() > sample ? newest.size() - sample : 0;
      all[i].more = all[i].more || left_out != 0;
      rows.insert(rows.end(), newest.begin() + static_cast<std::ptrdiff_t>(left_out), newest.end());
    }
    std::ranges::sort(rows);
    const auto again = std::ranges::unique(rows);
    rows.erase(again.begin(), again.end());
    month.rows.each_names(rows, [&](const AttemptFacts& row) {
      const auto who = subjects.find(row.address);
      if (row.withdrawn || who == subjects.end()) return true;
      const auto account = [&](std::uint64_t id) { return month.rows.account_name(id); };
      const auto host = [&](std::uint64_t id) { return month.rows.text(id); };
      by_account.emplace_back(who->second, accounts.number(row.account, account));
      by_host.emplace_back(who->second, hosts.number(row.host, host));
      return true;
    });
  });
  count_different(by_account, [&](std::uint32_t who) { ++all[who].accounts; });
  count_different(by_host, [&](std::uint32_t who) { ++all[who].hosts; });
  return all;
}

}  // namespace tipstaff
