#include "control/alerts_command.h"

#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <boost/json.hpp>
#include <cerrno>
#include <chrono>
#include <cstring>

#include "alert/alert_store.h"
#include "base/text.h"
#include "control/output.h"
#include "control/scan.h"
#include "control/setup.h"
#include "decide/config.h"

namespace tipstaff {
namespace {

namespace json = boost::json;

Instant now() { return std::chrono::floor<std::chrono::microseconds>(std::chrono::system_clock::now()); }

int complain(const Error& error, int code) {
  print_error("tipstaff alerts: {}\n", printable(error.message()));
  return code;
}

Result<AlertStore> open_store(const AlertsOptions& options, Database::Mode mode) {
  std::string folder = options.ledger;
  if (folder.empty() && !options.config.empty()) {
    LayerOptions layers;
    layers.file = options.config;
    folder = load_layers_partly(layers).config.guard.ledger;
  }
  if (folder.empty()) folder = setup_ledger();
  const std::string path = fmt::format("{}/{}", folder, AlertStore::kFile);
  if (::access(path.c_str(), F_OK) != 0)
    return fail(ErrorKind::not_found, "tipstaff-desk has made no messages yet; is it set up and running?", path);
  return AlertStore::open(folder, mode);
}

std::string when(Instant at) { return at == Instant{} ? std::string("-") : to_rfc3339(at); }

json::object to_object(const StoredMessage& one, bool whole) {
  json::object object;
  object["id"] = one.id;
  object["class"] = json::string(to_utf8(one.of));
  object["channel"] = json::string(to_text(one.channel));
  object["to"] = one.to.empty() ? json::value(nullptr) : json::value(json::string(to_utf8(one.to)));
  object["subject"] = json::string(to_utf8(one.subject));
  object["state"] = json::string(to_text(one.state));
  object["created"] = json::string(to_rfc3339(one.created));
  object["tries"] = one.tries;
  const bool waits = one.state == MessageState::waiting;
  object["next_try"] = waits ? json::value(json::string(to_rfc3339(one.next_try))) : json::value(nullptr);
  object["sent_at"] =
      one.state == MessageState::sent ? json::value(json::string(to_rfc3339(one.sent_at))) : json::value(nullptr);
  object["said"] = json::string(to_utf8(one.said));
  if (whole) object["text"] = json::string(to_utf8(one.text));
  return object;
}

// A text of several lines, each fit for a terminal.
std::string lines_of(std::string_view text) {
  std::string out;
  for (std::size_t at = 0; at < text.size();) {
    const std::size_t end = std::min(text.find('\n', at), text.size());
    out += printable(text.substr(at, end - at)) + "\n";
    at = end + 1;
  }
  return out;
}

}  // namespace

int run_alerts_list(const AlertsOptions& options) {
  auto store = open_store(options, Database::Mode::read);
  if (!store) return complain(store.error(), kFailed);
  const auto messages = store->messages(options.most);
  if (options.json) {
    json::array all;
    for (const StoredMessage& one : messages) all.push_back(to_object(one, false));
    print_out("{}\n", json::serialize(json::object{{"messages", std::move(all)}}));
    return kGood;
  }
  if (messages.empty()) print_out("No messages yet.\n");
  for (const StoredMessage& one : messages) {
    print_out("{:>6}  {}  {:<7}  {:<5}  {}{}\n", one.id, to_rfc3339(one.created), to_text(one.state), one.of,
              one.channel == Channel::webhook ? "webhook: " : "", printable(one.subject));
    if (one.state != MessageState::sent && !one.said.empty()) print_out("        {}\n", printable(one.said));
  }
  return kGood;
}

int run_alerts_show(const AlertsOptions& options) {
  auto store = open_store(options, Database::Mode::read);
  if (!store) return complain(store.error(), kFailed);
  const auto one = store->message(options.id);
  if (!one) return complain({ErrorKind::not_found, fmt::format("there is no message {}", options.id), ""}, kUsage);
  if (options.json) {
    print_out("{}\n", json::serialize(to_object(*one, true)));
    return kGood;
  }
  print_out("Message {} ({}, {}){}\nState: {}, {} tries{}{}\nMade: {}\nSent: {}\nSubject: {}\n\n{}", one->id, one->of,
            to_text(one->channel), one->to.empty() ? "" : " to " + printable(one->to), to_text(one->state), one->tries,
            one->said.empty() ? "" : "; last: " + printable(one->said),
            one->state == MessageState::waiting ? "; next try " + when(one->next_try) : std::string(),
            when(one->created), when(one->sent_at), printable(one->subject), lines_of(one->text));
  return kGood;
}

int run_alerts_retry(const AlertsOptions& options) {
  if (options.id == 0 && !options.all)
    return complain({ErrorKind::invalid, "say which message (tipstaff alerts list), or --all", ""}, kUsage);
  auto store = open_store(options, Database::Mode::write);
  if (!store) return complain(store.error(), kFailed);
  if (options.id != 0 && !store->message(options.id))
    return complain({ErrorKind::not_found, fmt::format("there is no message {}", options.id), ""}, kUsage);
  const auto changed = store->retry(options.id, now());
  if (!changed) return complain(changed.error(), kFailed);
  if (options.json) {
    print_out("{}\n", json::serialize(json::object{{"retried", *changed}}));
  } else if (*changed == 0) {
    print_out("Nothing waits: it was sent.\n");
  } else {
    print_out("{} will be tried again as soon as tipstaff-desk looks.\n",
              *changed == 1 ? std::string("One message") : fmt::format("{} messages", *changed));
  }
  return kGood;
}

int run_desk_program(const std::vector<std::string>& arguments) {
  std::vector<char*> values;
  std::string name = "tipstaff-desk";
  values.push_back(name.data());
  std::vector<std::string> own = arguments;
  for (std::string& one : own) values.push_back(one.data());
  values.push_back(nullptr);
  std::array<char, 4096> self{};
  const ssize_t length = ::readlink("/proc/self/exe", self.data(), self.size() - 1);
  if (length > 0) {
    const std::string path(self.data(), static_cast<std::size_t>(length));
    const std::string beside = path.substr(0, path.rfind('/') + 1) + name;
    ::execv(beside.c_str(), values.data());
  }
  ::execvp(name.c_str(), values.data());
  print_error("tipstaff desk: tipstaff-desk cannot be run: {}; it belongs beside this program\n", std::strerror(errno));
  return kFailed;
}

}  // namespace tipstaff
