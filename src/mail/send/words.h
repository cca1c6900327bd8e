// What servers say, made fit to be shown and to be decided on: bounded, printable, without our secrets. Pure.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "mail/send/send.h"

namespace tipstaff {

/// Where in the dialogue a reply of an SMTP server belongs: behind which command of ours.
enum class SmtpStage : std::uint8_t { greeting, hello, starttls, login, mail, recipient, data, body, quit };

/// The stage that a command of ours begins; `before` where its words are unknown (the lines of a login).
[[nodiscard]] SmtpStage stage_of(std::string_view command, SmtpStage before);

/// The lines of one reply. Of endless ones the first kMostHeld bytes are held.
class SmtpReply {
 public:
  static constexpr std::size_t kMostHeld = 2'048;

  void add(std::string_view line);
  void clear();
  /// The code of its last line, "550 no" or "550"; 0: the reply is not complete (RFC 5321 4.2.1), or none was given.
  [[nodiscard]] unsigned code() const { return code_; }
  [[nodiscard]] bool cut() const { return cut_; }
  [[nodiscard]] const std::string& text() const { return text_; }

 private:
  std::string text_;
  unsigned code_ = 0;
  bool cut_ = false;
};

/// What a complete reply to MAIL, RCPT, DATA or the mail itself means; for other stages and codes without sense `later`.
[[nodiscard]] Delivery meaning_of(SmtpStage stage, unsigned code);
/// The server wants a login, or another one: 530, 534, 535, 538 (RFC 4954 6).
[[nodiscard]] bool asks_for_login(unsigned code);
/// What a status of HTTP means for the event that was posted.
[[nodiscard]] Delivery meaning_of_status(long status);

/// What must not be shown: the secrets, and their base64 forms as SMTP writes them.
class Secrets {
 public:
  Secrets() = default;
  Secrets(std::string_view user, std::string_view password);

  /// Every occurrence becomes "***". With `cut` the text goes on beyond its end, so that what could be the beginning of a
  /// secret there is left out as well.
  [[nodiscard]] std::string struck_out(std::string_view text, bool cut = false) const;

 private:
  std::vector<std::string> all_;  // longest first
};

/// One line of at most `most` bytes, "..." where it was cut; line breaks become spaces, controls escapes.
[[nodiscard]] std::string one_line(std::string_view text, std::size_t most);

/// "127.1.2.3", "::1", "localhost": what cannot leave this machine.
[[nodiscard]] bool is_this_machine(std::string_view host);

}  // namespace tipstaff
