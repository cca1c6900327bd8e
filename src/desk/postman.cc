#include "desk/postman.h"

#include <algorithm>

namespace tipstaff {
namespace {

constexpr std::size_t kLooked = 200;  // due messages among which one of a channel that works is looked for

}  // namespace

std::chrono::seconds Postman::wait_after(std::uint32_t tries) {
  const unsigned doubled = std::min(tries == 0 ? 0U : tries - 1, 10U);
  return std::min<std::chrono::seconds>(kFirstWait * (1U << doubled), kLongestWait);
}

Result<bool> Postman::step(Instant now) {
  for (const StoredMessage& message : store_.due(now, kLooked)) {
    Way& way = ways_.at(static_cast<std::size_t>(message.channel));
    if (now < way.quiet_until) continue;
    const Sent sent = send_(message);
    const bool later = sent.delivery == Delivery::later;
    way.failed = later ? way.failed + 1 : 0;
    way.quiet_until = later ? now + wait_after(way.failed) : Instant{};
    const MessageState state = later                                ? MessageState::waiting
                               : sent.delivery == Delivery::refused ? MessageState::refused
                                                                    : MessageState::sent;
    if (auto done = store_.tried(message.id, state, now + wait_after(message.tries + 1), now, sent.said); !done)
      return std::unexpected(done.error());
    return true;
  }
  return false;
}

}  // namespace tipstaff
