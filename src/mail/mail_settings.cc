// See mail_settings.h. A setting that is wrong keeps what earlier files said; what belongs together is checked when all
// files are read, and then the finger points at the last table.
#include "mail/mail_settings.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <utility>

#include "base/address.h"
#include "base/text.h"
#include "base/toml_file.h"
#include "lookup/resolver.h"
#include "mail/message.h"

namespace tipstaff {
namespace {

constexpr std::size_t kLongestSecret = 4096;

// A text that `good` takes; else an error at the key and nothing.
template <class Good>
void read_text(SectionReader& reader, std::string_view name, std::string& to, std::string_view must, Good good) {
  auto text = reader.text(name);
  if (!text) return;
  if (good(*text)) {
    to = std::move(*text);
  } else {
    reader.report(name, fmt::format("{}: \"{}\" {}", name, printable(std::string_view(*text).substr(0, 100)), must));
  }
}

void read_path(SectionReader& reader, std::string_view name, std::string& to) {
  read_text(reader, name, to, "is no absolute path; begin it with /",
            [](const std::string& path) { return path.starts_with('/') && !path.contains('\0'); });
}

bool is_host(const std::string& host) { return is_dns_name(host) || IpAddress::parse(host).has_value(); }

bool has_control(std::string_view text) {
  return std::ranges::any_of(text, [](char c) { return static_cast<unsigned char>(c) < 0x20 || c == 0x7f; });
}

// The host of "https://host:port/path", for checks; the sender has its own reader, which decides.
std::string_view host_of(std::string_view url) {
  url.remove_prefix(url.find("://") + 3);
  url = url.substr(0, url.find_first_of("/?#"));
  if (url.starts_with('[')) return url.substr(0, url.find(']') + 1);
  return url.substr(0, url.find(':'));
}

bool is_web_url(std::string_view url) {
  if (!url.starts_with("https://") && !url.starts_with("http://")) return false;
  if (!std::ranges::all_of(url, [](char c) { return c > 0x20 && c < 0x7f; })) return false;
  std::string_view authority = url.substr(url.find("://") + 3);
  authority = authority.substr(0, authority.find_first_of("/?#"));
  return !host_of(url).empty() && !authority.contains('@');
}

bool is_local(std::string_view host) {
  if (host.starts_with('[') && host.ends_with(']')) host = host.substr(1, host.size() - 2);
  const auto address = IpAddress::parse(host);
  return host == "localhost" || (address && address->is_loopback() && address->to_string() == host);
}

void read_recipients(SectionReader& reader, std::vector<std::string>& to) {
  auto all = reader.texts("to");
  if (!all) return;
  bool good = true;
  for (const std::string& one : *all) {
    const auto address = parse_mail_address(one);
    if (!address) reader.report("to", fmt::format("to: {}", address.error().text));
    good = good && address;
  }
  if (all->size() > kMostMailRecipients) {
    reader.report("to", fmt::format("to has {} addresses; {} at most, or the address of a mailing list", all->size(),
                                    kMostMailRecipients));
  } else if (good) {
    to = std::move(*all);
  }
}

void read_mail(SectionReader& reader, MailSettings& mail) {
  mail.where = reader.where();
  read_text(reader, "server", mail.server, "is no name or address of a server; write it as \"mail.example.com\"",
            is_host);
  if (const auto port = reader.count("port")) mail.port = static_cast<std::uint16_t>(*port);
  if (const auto security = reader.choice("security")) {
    mail.security = *security == "tls"    ? MailServer::Security::tls
                    : *security == "none" ? MailServer::Security::none
                                          : MailServer::Security::starttls;
  }
  read_text(reader, "user", mail.user, "holds control characters",
            [](const std::string& user) { return !has_control(user); });
  read_path(reader, "password_file", mail.password_file);
  read_path(reader, "ca_file", mail.ca_file);
  read_text(reader, "from", mail.from,
            "is no mail address; write it as \"tipstaff@example.com\" or \"Tipstaff <tipstaff@example.com>\"",
            [](const std::string& from) { return parse_mail_address(from).has_value(); });
  read_recipients(reader, mail.to);
}

void read_webhook(SectionReader& reader, WebhookSettings& webhook) {
  webhook.where = reader.where();
  if (auto url = reader.text("url")) {  // which may hold a secret, so no message shows it
    if (is_web_url(*url)) {
      webhook.url = std::move(*url);
    } else {
      reader.report("url", "url is no https:// address; write it as \"https://host/path\", without user and password");
    }
  }
  read_path(reader, "token_file", webhook.token_file);
  read_path(reader, "ca_file", webhook.ca_file);
  webhook.allow_plain = reader.flag("allow_plain").value_or(webhook.allow_plain);
}

}  // namespace

std::uint16_t MailSettings::effective_port() const {
  if (port != 0) return port;
  switch (security) {
    case MailServer::Security::tls:
      return 465;  // RFC 8314 3.3
    case MailServer::Security::starttls:
      return 587;  // RFC 6409
    case MailServer::Security::none:
      break;
  }
  return 25;
}

void read_outward_settings(SectionReader& top, const std::string& file, std::vector<Error>& errors,
                           OutwardSettings& settings) {
  if (const TomlValue* table = top.table("mail")) {
    SectionReader reader(*table, "mail", file, errors);
    read_mail(reader, settings.mail);
  }
  if (const TomlValue* table = top.table("webhook")) {
    SectionReader reader(*table, "webhook", file, errors);
    read_webhook(reader, settings.webhook);
  }
}

void check_outward_settings(const OutwardSettings& settings, std::vector<Error>& errors) {
  const MailSettings& mail = settings.mail;
  const auto wrong = [&](const std::string& where, std::string text) {
    errors.push_back({ErrorKind::invalid, std::move(text), where});
  };
  if (mail.enabled()) {
    if (mail.from.empty()) wrong(mail.where, "[mail] names no sender; write from = \"tipstaff@example.com\"");
    if (mail.to.empty()) wrong(mail.where, "[mail] names nobody who gets the mails; write to = \"admin@example.com\"");
    if (mail.user.empty() != mail.password_file.empty())
      wrong(mail.where, "[mail] needs both user and password_file for a login, or neither");
    if (!mail.user.empty() && mail.security == MailServer::Security::none && !is_local(mail.server))
      wrong(mail.where, "[mail] would send the password in plain text; set security to \"starttls\" or \"tls\"");
  } else if (!mail.where.empty()) {
    wrong(mail.where, "[mail] names no server; write server = \"mail.example.com\", or remove the table");
  }
  const WebhookSettings& webhook = settings.webhook;
  if (webhook.enabled()) {
    if (webhook.url.starts_with("http://") && !webhook.allow_plain && !is_local(host_of(webhook.url)))
      wrong(webhook.where, "[webhook] would tell alerts in plain text; use https://, or set allow_plain = true");
  } else if (!webhook.where.empty()) {
    wrong(webhook.where, "[webhook] names no url; write url = \"https://host/path\", or remove the table");
  }
}

std::expected<OutwardSettings, ConfigErrors> load_outward_settings(const LayerOptions& options) {
  ConfigErrors errors;
  OutwardSettings settings;
  const std::vector<std::string> files =
      options.file.empty() ? layer_files(options.directory, errors) : std::vector{options.file};
  for (const std::string& file : files) {
    const auto text = read_toml_file(file);
    if (!text) {
      errors.push_back(text.error());
      continue;
    }
    ConfigErrors of_others;  // the top's keys are the guard's to check
    SectionReader top(*text, "", file, of_others);
    read_outward_settings(top, file, errors, settings);
  }
  if (errors.empty()) check_outward_settings(settings, errors);
  if (!errors.empty()) return std::unexpected(std::move(errors));
  return settings;
}

Result<std::string> read_secret_file(const std::string& path) {
  const int descriptor = ::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
  if (descriptor < 0) {
    const int why = errno;
    if (why == ENOENT) return fail(ErrorKind::not_found, "there is no such file; write the secret into it", path);
    return fail(why == EACCES ? ErrorKind::denied : ErrorKind::unavailable,
                fmt::format("it cannot be read ({}); give it to the user that tipstaff-desk runs as: chown USER {}",
                            std::strerror(why), path),
                path);
  }
  struct stat about{};
  std::string text(kLongestSecret + 1, '\0');
  const bool known = ::fstat(descriptor, &about) == 0;
  const bool regular = known && S_ISREG(about.st_mode);
  const ssize_t size = regular ? ::read(descriptor, text.data(), text.size()) : 0;
  ::close(descriptor);
  if (!regular || size < 0) return fail(ErrorKind::unavailable, "it is no regular file that can be read", path);
  if ((about.st_mode & (S_IRWXO | S_IWGRP)) != 0) {
    return fail(ErrorKind::denied,
                fmt::format("others can read or change it (mode {:04o}); close it: chmod o-rwx,g-w {}",
                            about.st_mode & 07777U, path),
                path);
  }
  text.resize(static_cast<std::size_t>(size));
  const std::size_t end = text.find('\n');
  if (end != std::string::npos) text.resize(end);
  if (text.ends_with('\r')) text.pop_back();
  if (text.empty()) return fail(ErrorKind::invalid, "its first line is empty; write the secret there", path);
  if (text.size() > kLongestSecret || has_control(text))
    return fail(ErrorKind::invalid, "its first line is too long for a secret, or holds control characters", path);
  return text;
}

}  // namespace tipstaff
