// What DNS says of an address: its name, whether that name leads back to it, the registrable domain of the name, and what
// the address is for that domain (its mail server, a name server, a sender that its SPF record names). Worked out from
// answers already at hand, without asking: names_of() either has the result or names the questions that are missing, so
// whoever asks needs no state of his own, and every lie that DNS can tell is tried in tests without a network.
//
// A name that does not lead back says nothing: whoever runs the reverse zone can write any name there. Only a confirmed
// one gets a domain and roles.
#pragma once

#include <chrono>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "base/address.h"
#include "base/time.h"
#include "lookup/names/dns_answer.h"
#include "lookup/names/public_suffix.h"

namespace tipstaff {

/// What an address is for a domain.
enum class DomainRole : std::uint8_t { mail_server, name_server, mail_sender };
/// "the mail server of example.org", "a name server of example.org", "a sender named by the SPF record of example.org".
[[nodiscard]] std::string to_words(DomainRole role, std::string_view domain);

/// What is known of one address. As a plain value it can be stored and given back (NameLookups::restore).
struct AddressNames {
  IpAddress address;
  std::string name;               ///< lower case, a valid host name; empty: it has none, or none is valid
  bool confirmed = false;         ///< the name leads back to the address
  std::string domain;             ///< registrable domain of the confirmed name; may be empty
  std::vector<DomainRole> roles;  ///< for that domain, each once
  std::string problem;        ///< why something could not be found out ("no answer for ..."); empty: all was answered
  std::uint32_t dropped = 0;  ///< names that are no valid host names, and what was beyond a bound
  std::string source;         ///< "DNS"
  Instant asked{};
  Instant expires{};  ///< by the answers' TTLs, within bounds
  bool operator==(const AddressNames&) const = default;
};

/// Bounds of one address's look-up.
inline constexpr std::size_t kMostPointers = 4;  ///< names of an address
inline constexpr std::size_t kMostServers = 8;   ///< MX, NS hosts of a domain
inline constexpr std::size_t kMostSpfNames =
    10;  ///< include, redirect, a and mx of SPF that cost a question (RFC 7208 4.6.4)
inline constexpr std::size_t kMostQuestions = 40;  ///< in all

/// Works out what the answers say. Appends to `missing` the questions that have to be answered before there is a result;
/// where none is missing, the value is the result, without `asked` and `expires`. Its TTL goes to `ttl`.
[[nodiscard]] AddressNames names_of(IpAddress address, const DnsAnswers& answers, const PublicSuffixes& suffixes,
                                    std::vector<DnsQuestion>& missing, std::chrono::seconds& ttl);

/// "23.100.51.198.in-addr.arpa" (RFC 1035 3.5), or nibbles under ip6.arpa (RFC 3596 2.5).
[[nodiscard]] std::string reverse_name(IpAddress address);

}  // namespace tipstaff
