// A DNS server for tests, on 127.0.0.1, by UDP and TCP, on a thread of its own. It serves records as a zone file writes
// them, or those of a file like tests/story/dns.json; what it does not have does not exist. For each name it can be told to
// misbehave, in the ways that real servers and attackers do.
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <utility>

namespace tipstaff {

class DnsServer {
 public:
  enum class Manner : std::uint8_t {
    honest,
    silent,          ///< never answers
    held,            ///< answers when release() is called
    refuse,          ///< REFUSED
    garbage,         ///< bytes that are no DNS
    wrong_id,        ///< the answer to another message
    wrong_question,  ///< the answer to another question
    alias_loop,      ///< a CNAME to itself by way of another name
    pointer_loop,    ///< a name that points to itself
    huge,            ///< as many records as 64 KiB hold, by TCP
    cut,             ///< cut by UDP, whole by TCP
    cut_then_hang,   ///< cut by UDP; by TCP nothing comes
    cut_then_drip,   ///< cut by UDP; by TCP a byte now and then, for ever
    lie_about_count  ///< more records announced than are there
  };

  DnsServer();
  ~DnsServer();
  DnsServer(const DnsServer&) = delete;
  DnsServer& operator=(const DnsServer&) = delete;

  /// "127.0.0.1:PORT", for [lookups] dns_servers.
  [[nodiscard]] std::string address() const;
  /// `type`: A, AAAA, PTR, MX, NS, TXT, CNAME. Names may end with a dot. Of names and TXT `data` any byte goes, where
  /// `\NNN` (decimal) writes one. Also while the server runs.
  void add(std::string_view name, std::string_view type, std::string_view data, std::uint32_t ttl = 3600);
  /// Adds the records of a JSON file with "records": [{"name", "type", "ttl", "data"}].
  void load(const std::string& path);
  /// `name` "*": every name that has no manner of its own.
  void set_manner(std::string_view name, Manner manner);
  void release();
  /// How often the question came, also again.
  [[nodiscard]] std::size_t asked(std::string_view name, std::string_view type) const;
  /// Questions in all.
  [[nodiscard]] std::size_t asked() const;

 private:
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace tipstaff
