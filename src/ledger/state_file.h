// state.db: what belongs to no month. Where each file's part of the chain begins and ends, so that a file that is gone
// leaves its last link; signed heads; holds; erasures under way; and a copy of the positions for the day the newest month
// is damaged. The months are the truth: after a crash this file is brought up to them.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "base/address.h"
#include "ledger/month_writer.h"
#include "ledger/sqlite.h"
#include "ledger/writer.h"

namespace tipstaff {

/// A month's file in the chain.
struct ChainFile {
  std::uint64_t id = 0;
  std::string name;
  ChainEnd begin, end;
  std::uint64_t expired_failures = 0, expired_successes = 0;  ///< last batch that expire() has done
  std::optional<std::string> gone;                            ///< why it is no longer there
};

struct Erasure {
  std::uint64_t id = 0;
  std::string file;
  std::vector<std::uint64_t> rows;
  std::string reason;
};

class StateFile {
 public:
  explicit StateFile(Database database);

  [[nodiscard]] Database& database() { return database_; }
  /// True where another process has written since the last call.
  [[nodiscard]] bool changed();

  [[nodiscard]] std::string host();
  [[nodiscard]] std::string public_key();
  void set_host(const std::string& uuid, const std::string& public_key);

  [[nodiscard]] std::vector<ChainFile> files();
  /// The file of that name that is there.
  [[nodiscard]] std::optional<ChainFile> file(const std::string& name);
  void add_file(const ChainFile& file);
  void set_end(std::uint64_t file, const ChainEnd& end);
  void set_gone(std::uint64_t file, const std::string& reason);
  void set_expired(std::uint64_t file, std::uint64_t failures, std::uint64_t successes);
  /// Of all files, gone ones too.
  [[nodiscard]] std::optional<ChainEnd> last_end();

  [[nodiscard]] std::vector<StoredPosition> sources();
  void save(const StoredPosition& source);

  [[nodiscard]] std::vector<SignedHead> heads();
  void add(const SignedHead& head);

  [[nodiscard]] std::optional<std::string> hold_of(IpAddress address);
  void set_hold(IpAddress address, const std::string& reason, Instant now);
  bool lift_hold(IpAddress address);

  std::uint64_t begin_erasure(const Erasure& erasure);
  void end_erasure(std::uint64_t id);
  [[nodiscard]] std::vector<Erasure> erasures();

 private:
  Database database_;
  Statement version_, set_end_, save_;
  std::int64_t seen_version_ = 0;
};

/// What is signed of a head: all but the signature.
[[nodiscard]] std::string signed_text(const SignedHead& head);
/// Reads SignedHead::to_text and checks the signature against the key in it.
[[nodiscard]] Result<SignedHead> read_head(std::string_view text);

}  // namespace tipstaff
