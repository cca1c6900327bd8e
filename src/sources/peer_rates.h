// How much each sender may send: a bucket of tokens for each address, for IPv6 for each /64, since whoever has one address
// of it has all. The table is bounded; senders that find no room in it share one bucket, so that made-up addresses cannot
// take memory or get more than one sender's share.
#pragma once

#include <cstddef>
#include <cstdint>
#include <unordered_map>

#include "base/address.h"
#include "base/time.h"

namespace tipstaff {

class PeerRates {
 public:
  static constexpr std::size_t kMostPeers = 1024;
  static constexpr std::uint32_t kBurst = 5;  ///< seconds of the rate that a bucket holds

  /// `rate`: messages a second.
  explicit PeerRates(std::uint32_t rate) : rate_(rate), others_{full(), {}} {}

  /// Whether one more message of this sender is taken. Time that goes backwards counts as none.
  [[nodiscard]] bool admit(IpAddress peer, Instant now);
  [[nodiscard]] std::size_t peers() const { return peers_.size(); }

 private:
  struct Bucket {
    double tokens;
    Instant at;
  };
  [[nodiscard]] double full() const { return static_cast<double>(rate_) * kBurst; }
  [[nodiscard]] Bucket& bucket_of(IpAddress peer, Instant now);

  std::uint32_t rate_;
  std::unordered_map<IpAddress, Bucket> peers_;
  Bucket others_;
  Instant tidied_{};
};

}  // namespace tipstaff
