#include "sources/peer_rates.h"

#include <algorithm>
#include <chrono>

namespace tipstaff {

PeerRates::Bucket& PeerRates::bucket_of(IpAddress peer, Instant now) {
  const IpAddress key = peer.is_v4() ? peer : IpAddress(peer.high(), 0);
  if (const auto found = peers_.find(key); found != peers_.end()) return found->second;
  if (peers_.size() >= kMostPeers && now - tidied_ >= std::chrono::seconds(1)) {
    tidied_ = now;  // who was silent for so long has a full bucket again, as if it had none
    std::erase_if(peers_, [&](const auto& one) { return now - one.second.at >= std::chrono::seconds(kBurst); });
  }
  if (peers_.size() >= kMostPeers) return others_;
  return peers_.emplace(key, Bucket{full(), now}).first->second;
}

bool PeerRates::admit(IpAddress peer, Instant now) {
  Bucket& bucket = bucket_of(peer, now);
  const std::chrono::duration<double> passed = now - bucket.at;
  bucket.at = now;
  bucket.tokens = std::min(full(), bucket.tokens + std::max(passed.count(), 0.0) * rate_);
  if (bucket.tokens < 1) return false;
  bucket.tokens -= 1;
  return true;
}

}  // namespace tipstaff
