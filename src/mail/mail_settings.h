// Where alerts go: [mail] and [webhook] of the files in which the rules stand too. The guard's loading knows the names of
// these keys and passes over them; here their values are read and checked. Passwords stand in files of their own, which
// are read when they are needed and must be closed to others.
#pragma once

#include <cstdint>
#include <expected>
#include <string>
#include <vector>

#include "base/result.h"
#include "decide/config.h"
#include "decide/section_reader.h"
#include "mail/send/send.h"

namespace tipstaff {

struct MailSettings {
  std::string server;      ///< name or address; empty: no mail is sent
  std::uint16_t port = 0;  ///< 0: by security; see effective_port()
  MailServer::Security security = MailServer::Security::starttls;
  std::string user;           ///< empty: no authentication
  std::string password_file;  ///< absolute path
  std::string from;           ///< as parse_mail_address() takes it
  std::vector<std::string> to;
  std::string ca_file;
  std::string where;  ///< "file:line" of the last [mail]

  [[nodiscard]] bool enabled() const { return !server.empty(); }
  /// 465 with tls, 587 with starttls, 25 plain, where none is set.
  [[nodiscard]] std::uint16_t effective_port() const;
  bool operator==(const MailSettings&) const = default;
};

struct WebhookSettings {
  std::string url;         ///< empty: none
  std::string token_file;  ///< absolute path
  std::string ca_file;
  bool allow_plain = false;
  std::string where;  ///< "file:line" of the last [webhook]

  [[nodiscard]] bool enabled() const { return !url.empty(); }
  bool operator==(const WebhookSettings&) const = default;
};

/// Both, from all layers.
struct OutwardSettings {
  MailSettings mail;
  WebhookSettings webhook;
};

/// Reads [mail] and [webhook] of one file over what earlier files said.
void read_outward_settings(SectionReader& top, const std::string& file, std::vector<Error>& errors,
                           OutwardSettings& settings);
/// What is missing or does not fit together, when all files are read.
void check_outward_settings(const OutwardSettings& settings, std::vector<Error>& errors);

/// From the layers, as load_layers() finds them. Errors: those of these two tables, and files that cannot be read.
[[nodiscard]] std::expected<OutwardSettings, ConfigErrors> load_outward_settings(const LayerOptions& options);

/// The first line of the file, without its line end. Errors: not_found, denied (we may not read it, or others may: the
/// sentence says what to do), invalid (empty, longer than 4096 bytes, or with control characters).
[[nodiscard]] Result<std::string> read_secret_file(const std::string& path);

}  // namespace tipstaff
