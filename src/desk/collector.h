// From the ledger to messages. What rules said and did is read as it is recorded; each block and alert becomes an alert
// with what is known of the address: its name and country, what the ledger has of it. Its class decides whether it is
// mailed at once or left to the daily word. Nothing waits for a name longer than kNamesWait, and nothing here is in the way
// of a block: the guard has acted long before. Sends nothing itself: messages go into the AlertStore.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "alert/alert.h"
#include "alert/alert_store.h"
#include "base/result.h"
#include "base/time.h"
#include "decide/config.h"
#include "ledger/reader.h"
#include "lookup/names/name_lookups.h"
#include "lookup/network_facts.h"

namespace tipstaff {

/// Where messages go.
struct Channels {
  std::vector<std::string> mail;  ///< recipients; none: no mail
  bool webhook = false;
};

/// The message for each way it goes: `mail` for each recipient, `json` for the webhook.
[[nodiscard]] std::vector<StoredMessage> messages_for(const Channels& channels, const StoredMessage& mail,
                                                      const std::string& json);

/// Those of an alert of this class.
[[nodiscard]] std::vector<StoredMessage> messages_for(const Channels& channels, const Alert& alert, std::string_view of,
                                                      const TimeZone& zone, Instant now);

/// Where the ledger's chain stands, as mails say it; "" for an empty one.
[[nodiscard]] std::string chain_head_text(const LedgerInfo& info);

struct CollectorOptions {
  std::shared_ptr<const Config> config;
  std::string folder;  ///< of the ledger
  Channels channels;
  TimeZone zone;
  NameLookups* names = nullptr;   ///< null: DNS is not asked
  NetworkFacts* facts = nullptr;  ///< null: there is no database
};

class Collector {
 public:
  static constexpr std::chrono::seconds kNamesWait{20};  ///< for DNS, of an address
  static constexpr std::size_t kObservations = 5;        ///< listed in an alert
  static constexpr std::size_t kAccounts = 8;            ///< named in an alert
  /// So many alerts are mailed one by one within kBurst; what comes beyond is told together when it is over.
  static constexpr std::chrono::minutes kBurst{10};
  static constexpr std::uint64_t kMostEach = 10;  ///< of plain blocks (alerts = "each")
  static constexpr std::uint64_t kMostNow = 60;   ///< of the class "now"
  static constexpr std::size_t kStep = 500;       ///< rows taken up, or worked out, in one step

  Collector(CollectorOptions options, AlertStore& store);

  /// Takes up what is new in the ledger, and works out the alerts that can be. A desk that runs for the first time begins
  /// with what comes. True: there is more to do at once. Errors: the ledger or the store; nothing is lost.
  [[nodiscard]] Result<bool> step(Instant now);

  /// The alert of a row, as it would be mailed now. Nothing: it was taken back, or is nothing to be told.
  [[nodiscard]] Result<std::optional<Alert>> alert_of(const StoredVerdict& row);

 private:
  [[nodiscard]] Result<void> open_ledger(Instant now);
  [[nodiscard]] Result<bool> take_up(Instant now);
  [[nodiscard]] Result<void> work_out(Instant now);
  [[nodiscard]] Result<void> tell_burst(Instant now);
  [[nodiscard]] std::optional<StoredVerdict> row_of(std::uint64_t id);
  [[nodiscard]] bool waits_for_name(const StoredVerdict& row, Instant since, Instant now) const;
  void add_facts(IpAddress address, Alert& alert) const;
  [[nodiscard]] AlertClass class_of(const Alert& alert, const Rule* rule) const;

  CollectorOptions options_;
  AlertStore& store_;
  std::unique_ptr<LedgerReader> ledger_;
  std::string ledger_host_;
};

}  // namespace tipstaff
