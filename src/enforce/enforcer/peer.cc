#include "enforce/enforcer/peer.h"

#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <utility>

namespace tipstaff {
namespace {

// A list is turned into packets while less than this waits.
constexpr std::size_t kListAhead = 256U << 10U;

}  // namespace

SocketPeer::SocketPeer(int file, uid_t user, Clock::time_point now) : file_(file), user_(user), moved_(now) {}

SocketPeer::~SocketPeer() { ::close(file_); }

// No room is given for control messages, so the kernel closes descriptors that somebody sends along.
SocketPeer::Got SocketPeer::receive(std::string& packet) {
  packet.resize(kMostPacket + 1);
  ssize_t size = 0;
  do {
    size = ::recv(file_, packet.data(), packet.size(), MSG_DONTWAIT | MSG_TRUNC);
  } while (size < 0 && errno == EINTR);
  if (size < 0 && errno == EAGAIN) return Got::nothing;
  if (size <= 0) return Got::end;
  packet.resize(std::min(static_cast<std::size_t>(size), kMostPacket + 1));  // one too long is refused by decode()
  return Got::packet;
}

void SocketPeer::send(const Message& message) {
  queue_.push_back(encode(message));
  queued_ += queue_.back().size();
}

void SocketPeer::send_list(Snapshot blocks, std::uint32_t sequence) {
  list_ = std::move(blocks);
  list_at_ = 0;
  list_sequence_ = sequence;
}

void SocketPeer::fill_from_list() {
  while (list_ != nullptr && queued_ < kListAhead) {
    if (list_at_ == list_->size()) {
      send({.type = MessageType::done, .sequence = list_sequence_});
      list_.reset();
      return;
    }
    Message part{.type = MessageType::blocks, .sequence = list_sequence_};
    const std::size_t count = std::min(Message::kMostEntries, list_->size() - list_at_);
    part.entries.reserve(count);
    for (std::size_t i = 0; i < count; ++i) {
      const BlockTable::Slot& slot = (*list_)[list_at_ + i];
      part.entries.push_back({.key = slot.key(), .until = slot.until(), .dropped = slot.dropped()});
    }
    list_at_ += count;
    send(part);
  }
}

bool SocketPeer::flush(Clock::time_point now) {
  for (fill_from_list(); !queue_.empty(); fill_from_list()) {
    const std::string& packet = queue_.front();
    const ssize_t sent = ::send(file_, packet.data(), packet.size(), MSG_DONTWAIT | MSG_NOSIGNAL);
    if (sent < 0 && errno == EINTR) continue;
    if (sent < 0) return errno == EAGAIN;
    queued_ -= packet.size();
    queue_.pop_front();
    moved_ = now;
  }
  moved_ = std::max(moved_, said_hello ? now : moved_);
  return !ends;
}

bool SocketPeer::is_in_time(Clock::time_point now) const {
  if (queued_ > kMostQueued) return false;
  const bool waits = has_output() || !said_hello;
  return !waits || now - moved_ < kPatience;
}

}  // namespace tipstaff
