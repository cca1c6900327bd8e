// Makes the daily or weekly word: gathers its figures from the ledger and the guard's status, once at the hour that is set,
// also after the desk was down at that hour.
#pragma once

#include <functional>
#include <optional>
#include <string>

#include "alert/alert_store.h"
#include "alert/word_text.h"
#include "base/result.h"
#include "decide/desk_settings.h"
#include "desk/collector.h"
#include "ledger/reader.h"

namespace tipstaff {

class WordMaker {
 public:
  static constexpr std::size_t kTop = 10;
  static constexpr std::size_t kDays = 7;            ///< in the chart
  static constexpr std::size_t kMostBlocks = 2'000;  ///< of which it is looked whether somebody logged in later

  struct Options {
    DeskSettings settings;
    std::string folder;
    std::string host;
    Channels channels;
    TimeZone zone;
    NameLookups* names = nullptr;
    NetworkFacts* facts = nullptr;
    std::function<Result<std::string>()> ask;  ///< the guard's status
  };
  WordMaker(Options options, AlertStore& store) : options_(std::move(options)), store_(store) {}

  /// Puts the word in when its hour has come; a desk that runs for the first time waits for the next one.
  [[nodiscard]] Result<void> step(Instant now);
  /// Figures of the span that ends at `to`.
  [[nodiscard]] Result<WordFacts> facts_until(Instant to);
  /// The hour of the word at or before `now`.
  [[nodiscard]] Instant last_hour(Instant now) const;

 private:
  [[nodiscard]] Result<WordCounts> counts(LedgerReader& ledger, Instant from, Instant to, WordFacts* facts);
  void add_status(WordFacts& facts);

  Options options_;
  AlertStore& store_;
};

}  // namespace tipstaff
