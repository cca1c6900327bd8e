// One DNS message that answers a question, as we read it (RFC 1035 4): only records of the answer section that belong to
// the question or to the aliases it leads along. Whoever answers may be lying, so names that are no host names are dropped
// and counted, numbers of records and aliases are bounded, and compression pointers may only lead back.
#pragma once

#include <chrono>
#include <compare>
#include <cstdint>
#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "base/address.h"
#include "base/result.h"

namespace tipstaff {

/// Types of records that are asked for; the values are DNS's own.
enum class DnsType : std::uint16_t { a = 1, ns = 2, cname = 5, ptr = 12, mx = 15, txt = 16, aaaa = 28 };
[[nodiscard]] std::string_view to_text(DnsType type);

/// A name in lower case without a dot at its end, and what is asked about it.
struct DnsQuestion {
  std::string name;
  DnsType type = DnsType::a;
  auto operator<=>(const DnsQuestion&) const = default;
};

/// What came of a question.
struct DnsAnswer {
  enum class State : std::uint8_t {
    answered,  ///< perhaps with nothing in it
    no_name,   ///< there is no such name
    failed     ///< nobody could say: no answer, a refusal, a message that makes no sense
  };
  State state = State::failed;
  std::string problem;               ///< of failed: why
  std::vector<std::string> names;    ///< of PTR, MX (the best first) and NS: valid host names, each once
  std::vector<IpAddress> addresses;  ///< of A and AAAA, each once
  std::vector<std::string> texts;    ///< of TXT: the strings of a record put together, any bytes
  std::chrono::seconds ttl{0};  ///< the least of the records; of an answer without any: of the SOA (RFC 2308), or 0
  std::uint32_t dropped = 0;    ///< records that are not taken: invalid names, beyond a bound, of a wrong size
  bool operator==(const DnsAnswer&) const = default;
};
using DnsAnswers = std::map<DnsQuestion, DnsAnswer>;

/// Bounds of one message.
inline constexpr std::size_t kMostDnsRecords = 256;  ///< looked at; further ones are counted as dropped
inline constexpr std::size_t kMostDnsValues = 32;    ///< taken of an answer
inline constexpr std::size_t kMostDnsAliases = 8;    ///< CNAMEs followed within a message (RFC 1034 3.6.2)
inline constexpr std::size_t kMostDnsText = 2048;    ///< bytes of a TXT record

/// Reads a message as the answer to the question. Errors: corrupt (it is none, or none to this question); a refusal of the
/// server is a DnsAnswer that failed.
[[nodiscard]] Result<DnsAnswer> read_dns_answer(std::string_view message, const DnsQuestion& question);

}  // namespace tipstaff
