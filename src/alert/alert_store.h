// What the desk must not forget, in a file of its own beside the ledger (desk.db, SQLite): up to which row of the ledger it
// has looked, which alerts are still to be worked out, and every message with what became of it. One transaction moves
// the place in the ledger on and takes the alerts up; one puts a message in and ends its alert. So whatever is killed
// when, each alert has one message for each way it goes, and none is lost. The ledger itself has one writer, the guard.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "base/result.h"
#include "base/time.h"
#include "ledger/sqlite.h"

namespace tipstaff {

/// How a message goes.
enum class Channel : std::uint8_t { mail, webhook };
enum class MessageState : std::uint8_t {
  waiting,  ///< to be sent at next_try
  sent,     ///< the server has taken it
  refused,  ///< the server will never take it
};
[[nodiscard]] std::string_view to_text(Channel channel);
[[nodiscard]] std::string_view to_text(MessageState state);

struct StoredMessage {
  std::uint64_t id = 0;
  std::string key;  ///< of the alert; one message for each key, channel and recipient
  std::string of;   ///< class: "now", "digest", "word", "test"
  Channel channel = Channel::mail;
  std::string to;       ///< mail: one address, so that no server's whim mails another one twice
  std::string subject;  ///< mail
  std::string text;     ///< mail: its text; webhook: JSON
  std::string html;     ///< mail; may be empty
  Instant created{};
  MessageState state = MessageState::waiting;
  std::uint32_t tries = 0;
  Instant next_try{};
  Instant sent_at{};
  std::string said;  ///< by the server at the last try
};

class AlertStore {
 public:
  static constexpr std::string_view kFile = "desk.db";

  /// `write`: makes the file where it is missing. Errors: not_found (read only), denied, corrupt, with what to do.
  [[nodiscard]] static Result<AlertStore> open(const std::string& folder, Database::Mode mode);

  /// Id of the ledger's row up to which alerts have been taken up; none: never yet.
  [[nodiscard]] std::optional<std::uint64_t> place();
  /// The host's uuid of the ledger that `place` is of.
  [[nodiscard]] std::string ledger();
  /// Moves the place and takes up the rows that are to be told.
  [[nodiscard]] Result<void> take_up(const std::string& ledger, std::uint64_t place,
                                     const std::vector<std::uint64_t>& rows, Instant now);
  struct Open {
    std::uint64_t row = 0;
    Instant since{};
  };
  /// Rows that were taken up and are neither ended nor held, oldest first.
  [[nodiscard]] std::vector<Open> open_rows(std::size_t most);
  /// Holds a row back, to be told together with others.
  [[nodiscard]] Result<void> hold(std::uint64_t row);
  /// Rows that are held, oldest first.
  [[nodiscard]] std::vector<Open> held_rows(std::size_t most);

  /// Puts the messages in and ends the rows. A message whose key is there already for its channel is passed over: it was
  /// told before.
  [[nodiscard]] Result<void> put(const std::vector<StoredMessage>& messages, const std::vector<std::uint64_t>& rows);
  /// Messages that wait and whose time has come, the class "now" first, then the oldest.
  [[nodiscard]] std::vector<StoredMessage> due(Instant now, std::size_t most);
  /// The earliest next try of all that wait.
  [[nodiscard]] std::optional<Instant> next_due();
  /// How many single messages of the class were made since then.
  [[nodiscard]] std::uint64_t made_since(std::string_view of, Instant since);
  [[nodiscard]] Result<void> tried(std::uint64_t id, MessageState state, Instant next_try, Instant now,
                                   std::string_view said);
  /// Has what waits or was refused tried again at once: one message, or all (0). Gives how many.
  [[nodiscard]] Result<std::uint64_t> retry(std::uint64_t id, Instant now);
  /// Newest first; their texts too.
  [[nodiscard]] std::vector<StoredMessage> messages(std::size_t most);
  [[nodiscard]] std::optional<StoredMessage> message(std::uint64_t id);
  /// Removes sent messages that are older.
  [[nodiscard]] Result<void> forget_before(Instant then);

  /// Values of the desk's own: when the last word was mailed, what machine alerts stand.
  [[nodiscard]] std::string value(std::string_view name);
  /// Puts the messages in and sets the value, or neither.
  [[nodiscard]] Result<void> put_with_value(const std::vector<StoredMessage>& messages, std::string_view name,
                                            std::string_view value);

 private:
  explicit AlertStore(Database database) : database_(std::move(database)) {}
  std::vector<Open> rows_of(int held, std::size_t most);
  void add(const std::vector<StoredMessage>& messages);
  void set(std::string_view name, std::string_view value);
  Database database_;
};

}  // namespace tipstaff
