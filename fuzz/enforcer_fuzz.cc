// A packet of whoever holds the enforcer's socket. What decode() takes is within the limits and is exactly what encode()
// writes, so nothing can hide in it.
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <string_view>

#include "enforce/message.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace tipstaff;
  const std::string_view packet(reinterpret_cast<const char*>(data), size);
  const auto message = decode(packet);
  if (!message) return 0;
  if (message->entries.size() > Message::kMostEntries || message->text.size() > Message::kMostText) std::abort();
  for (const Entry& entry : message->entries) {
    if (entry.key.is_service() != (entry.key.protocol != 0)) std::abort();
  }
  if (encode(*message) != packet) std::abort();
  return 0;
}
