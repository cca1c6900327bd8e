// From the store to the outside: sends what is due, the class "now" first, one message at a time, and notes what became of
// it. What cannot be sent now is tried again, later each time (1 minute, 2, 4 ... up to 4 hours), for as long as it takes;
// what a server will never take is kept as refused, for `tipstaff alerts`. After a server failed as a whole the other
// messages of that channel wait too. How a message is sent is not known here.
#pragma once

#include <array>
#include <functional>
#include <optional>

#include "alert/alert_store.h"
#include "base/result.h"
#include "base/time.h"
#include "mail/send/send.h"

namespace tipstaff {

class Postman {
 public:
  using Send = std::function<Sent(const StoredMessage& message)>;
  static constexpr std::chrono::minutes kFirstWait{1};
  static constexpr std::chrono::hours kLongestWait{4};

  Postman(AlertStore& store, Send send) : store_(store), send_(std::move(send)) {}

  /// Sends at most one message; true: one was tried. Errors: of the store.
  [[nodiscard]] Result<bool> step(Instant now);
  /// How long a message waits behind its n-th try, n from 1.
  [[nodiscard]] static std::chrono::seconds wait_after(std::uint32_t tries);

 private:
  struct Way {
    std::uint32_t failed = 0;  // tries one after the other
    Instant quiet_until{};
  };
  AlertStore& store_;
  Send send_;
  std::array<Way, 2> ways_;  // by channel
};

}  // namespace tipstaff
