// Sends questions to resolvers and reads what comes back; c-ares (UDP, TCP where an answer is cut, tries, several servers)
// lives in dns_client.cc alone. For one thread, which calls wait() again and again. What is asked is answered exactly once,
// whatever servers do: the tries of a question are bounded in number and time.
#pragma once

#include <chrono>
#include <cstddef>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "base/result.h"
#include "lookup/names/dns_answer.h"
#include "lookup/resolver.h"

namespace tipstaff {

struct DnsClientOptions {
  /// "192.0.2.53", "192.0.2.53:5353", "[2001:db8::53]:53"; at most kMostDnsServers. Empty: those of /etc/resolv.conf.
  std::vector<std::string> servers;
  std::chrono::milliseconds timeout{2'000};  ///< of the first try; each further round takes twice as long
  unsigned tries = 2;                        ///< rounds over the servers
};

class DnsClient {
 public:
  using Answered = std::function<void(const DnsQuestion& question, DnsAnswer answer)>;

  /// `answered` is called from within wait(). Errors: invalid (a server that is no address, or too many), unavailable.
  [[nodiscard]] static Result<std::unique_ptr<DnsClient>> open(DnsClientOptions options, Answered answered);
  ~DnsClient();
  DnsClient(const DnsClient&) = delete;
  DnsClient& operator=(const DnsClient&) = delete;

  void ask(const DnsQuestion& question);
  /// Waits until something comes, `wake` (a descriptor, or -1) can be read, or `longest` has passed, and hands out what came.
  void wait(int wake, std::chrono::milliseconds longest);
  [[nodiscard]] std::size_t in_flight() const;

 private:
  struct State;
  explicit DnsClient(std::unique_ptr<State> state);
  std::unique_ptr<State> state_;
};

}  // namespace tipstaff
