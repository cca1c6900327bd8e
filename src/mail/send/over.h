// The two ways out with the socket as an argument, for tests and fuzzing: send.h says what they do.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "mail/send/send.h"
#include "mail/send/transfer.h"

namespace tipstaff {

[[nodiscard]] std::vector<Sent> send_mail_over(const Dialer& dialer, const MailServer& server, std::string_view from,
                                               const std::vector<std::string>& to, std::string_view message);
[[nodiscard]] Sent post_webhook_over(const Dialer& dialer, const Webhook& webhook, std::string_view json);

}  // namespace tipstaff
