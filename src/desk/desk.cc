#include "desk/desk.h"

#include <fmt/format.h>
#include <poll.h>
#include <sys/eventfd.h>
#include <sys/signalfd.h>
#include <unistd.h>

#include <array>
#include <atomic>
#include <chrono>
#include <csignal>
#include <cstdio>
#include <memory>
#include <optional>
#include <thread>
#include <vector>

#include "base/service_notify.h"
#include "base/text.h"
#include "control/control_socket.h"
#include "decide/config.h"
#include "desk/collector.h"
#include "desk/machine_watch.h"
#include "desk/postman.h"
#include "desk/word_maker.h"
#include "mail/message.h"

namespace tipstaff {
namespace {

using namespace std::chrono_literals;

constexpr int kGood = 0;
constexpr int kFailed = 1;
constexpr int kWrong = 2;
constexpr std::chrono::milliseconds kPause = 1s;   // between looks at the ledger
constexpr std::chrono::seconds kWatchPause = 30s;  // between looks at the guard's status
constexpr std::chrono::hours kForgetPause{24};
constexpr std::chrono::days kMessagesKept{90};

void say(std::string_view text) { std::fprintf(stderr, "tipstaff-desk: %s\n", printable(text).c_str()); }

Instant system_now() { return std::chrono::floor<std::chrono::microseconds>(std::chrono::system_clock::now()); }

std::string host_name() {
  std::array<char, 256> name{};
  return ::gethostname(name.data(), name.size() - 1) == 0 ? std::string(name.data()) : std::string("localhost");
}

// All that the files say.
struct DeskConfig {
  std::shared_ptr<const Config> config;
  OutwardSettings outward;
  TimeZone zone;

  [[nodiscard]] Channels channels() const {
    Channels all;
    if (outward.mail.enabled()) all.mail = outward.mail.to;
    all.webhook = outward.webhook.enabled();
    return all;
  }
  [[nodiscard]] bool goes_nowhere() const { return !outward.mail.enabled() && !outward.webhook.enabled(); }
};

// What is wrong was said.
std::optional<DeskConfig> load(const DeskOptions& options) {
  LayerOptions layers;
  layers.file = options.config;
  auto config = load_layers(layers);
  if (!config) {
    for (const Error& error : config.error()) say(error.message());
    return std::nullopt;
  }
  auto outward = load_outward_settings(layers);
  if (!outward) {
    for (const Error& error : outward.error()) say(error.message());
    return std::nullopt;
  }
  DeskConfig all;
  all.config = std::make_shared<const Config>(std::move(*config));
  all.outward = std::move(*outward);
  all.zone = all.config->desk.timezone.empty() ? TimeZone::local()
                                               : TimeZone::find(all.config->desk.timezone).value_or(TimeZone());
  return all;
}

constexpr std::string_view kNowhere =
    "there is neither a [mail] nor a [webhook], so alerts have nowhere to go; docs/formats/mail.md says how to set one "
    "up";

// Says a failure when it begins and when it is another one, not each second.
class Complaint {
 public:
  void note(const Result<void>& result) {
    const std::string text = result ? std::string() : result.error().message();
    if (text != last_ && !text.empty()) say(text);
    if (text.empty() && !last_.empty()) say("works again: " + last_);
    last_ = text;
  }

 private:
  std::string last_;
};

// Sends what is due, on a thread of its own.
class SendingThread {
 public:
  SendingThread(std::string folder, OutwardSettings outward, std::string host)
      : thread_([this, folder = std::move(folder), outward = std::move(outward), host = std::move(host)] {
          Complaint complaint;
          auto store = AlertStore::open(folder, Database::Mode::write);
          if (!store) {
            complaint.note(std::unexpected(store.error()));
            return;
          }
          Postman postman(*store, [&](const StoredMessage& message) {
            Sent sent = send_message(outward, host, message);
            if (sent.delivery != Delivery::sent) say(fmt::format("message {}: {}", message.id, sent.said));
            return sent;
          });
          while (!stop_) {
            const auto tried = postman.step(system_now());
            complaint.note(tried ? Result<void>() : std::unexpected(tried.error()));
            for (int i = 0; i < 10 && !stop_ && (!tried || !*tried); ++i) std::this_thread::sleep_for(100ms);
          }
        }) {}
  ~SendingThread() {
    stop_ = true;
    thread_.join();
  }
  SendingThread(const SendingThread&) = delete;
  SendingThread& operator=(const SendingThread&) = delete;

 private:
  std::atomic<bool> stop_ = false;
  std::thread thread_;
};

int catch_signals() {
  sigset_t all;
  sigemptyset(&all);
  for (const int one : {SIGTERM, SIGINT, SIGHUP}) sigaddset(&all, one);
  ::pthread_sigmask(SIG_BLOCK, &all, nullptr);
  std::signal(SIGPIPE, SIG_IGN);
  return ::signalfd(-1, &all, SFD_CLOEXEC | SFD_NONBLOCK);
}

// The signal that came within `longest`; 0: none.
int wait_for_signal(int signals, std::chrono::milliseconds longest) {
  pollfd wanted{signals, POLLIN, 0};
  if (::poll(&wanted, 1, static_cast<int>(longest.count())) <= 0) return 0;
  signalfd_siginfo info{};
  return ::read(signals, &info, sizeof info) == static_cast<ssize_t>(sizeof info) ? static_cast<int>(info.ssi_signo)
                                                                                  : 0;
}

std::unique_ptr<NameLookups> start_names(const Config& config) {
  if (!config.guard.lookups.dns) return nullptr;
  auto suffixes = PublicSuffixes::open();
  if (!suffixes) {
    say(suffixes.error().message());
    return nullptr;
  }
  NameLookupOptions options;
  options.servers = config.guard.lookups.dns_servers;
  auto names = NameLookups::start(std::move(options), std::move(*suffixes));
  if (names) return std::move(*names);
  say(names.error().message());
  return nullptr;
}

std::unique_ptr<NetworkFacts> open_facts(const Config& config) {
  auto facts = open_network_facts(config.guard.lookups.databases);
  if (facts) return std::move(*facts);
  say(facts.error().message());
  return nullptr;
}

// Runs with one configuration; gives the signal that ended it.
int run_with(const DeskConfig& config, int signals, const ServiceNotify& notify, AlertStore& store) {
  const std::string& folder = config.config->guard.ledger;
  const std::string host = host_name();
  const auto names = start_names(*config.config);
  const auto facts = open_facts(*config.config);
  const auto ask = [socket = config.config->guard.socket] { return ask_guard(socket, R"({"command":"status"})"); };
  Collector collector({config.config, folder, config.channels(), config.zone, names.get(), facts.get()}, store);
  MachineWatch watch({folder, host, config.channels(), config.zone, ask}, store);
  WordMaker word({config.config->desk, folder, host, config.channels(), config.zone, names.get(), facts.get(), ask},
                 store);
  const SendingThread sending(folder, config.outward, host);
  notify.ready(fmt::format(
      "alerts of {} go to {}{}", folder,
      config.outward.mail.enabled() ? fmt::format("{} by mail", config.outward.mail.to.size()) : std::string(),
      config.outward.webhook.enabled() ? " a webhook" : ""));
  Complaint collecting, watching, wording, keeping;
  auto next_watch = std::chrono::steady_clock::now();
  auto next_forget = next_watch;
  while (true) {
    const auto more = collector.step(system_now());
    collecting.note(more ? Result<void>() : std::unexpected(more.error()));
    const auto now = std::chrono::steady_clock::now();
    if (now >= next_watch) {
      next_watch = now + kWatchPause;
      watching.note(watch.step(system_now()));
      wording.note(word.step(system_now()));
      if (facts) std::ignore = facts->refresh();
    }
    if (now >= next_forget) {
      next_forget = now + kForgetPause;
      keeping.note(store.forget_before(system_now() - kMessagesKept));
    }
    notify.alive();
    if (const int signal = wait_for_signal(signals, more && *more ? 0ms : kPause); signal != 0) return signal;
  }
}

}  // namespace

Sent send_message(const OutwardSettings& settings, const std::string& host, const StoredMessage& message) {
  const auto later = [](const Error& error) { return Sent{Delivery::later, error.message(), false}; };
  if (message.channel == Channel::webhook) {
    if (!settings.webhook.enabled()) return {Delivery::later, "there is no [webhook] any more", false};
    Webhook webhook;
    webhook.url = settings.webhook.url;
    webhook.ca_file = settings.webhook.ca_file;
    webhook.allow_plain = settings.webhook.allow_plain;
    if (!settings.webhook.token_file.empty()) {
      auto token = read_secret_file(settings.webhook.token_file);
      if (!token) return later(token.error());
      webhook.bearer_token = std::move(*token);
    }
    return post_webhook(webhook, message.text);
  }
  const MailSettings& mail = settings.mail;
  if (!mail.enabled()) return {Delivery::later, "there is no [mail] any more", false};
  MailServer server;
  server.host = mail.server;
  server.port = mail.effective_port();
  server.security = mail.security;
  server.user = mail.user;
  server.ca_file = mail.ca_file;
  server.helo = host;
  if (!mail.password_file.empty()) {
    auto password = read_secret_file(mail.password_file);
    if (!password) return later(password.error());
    server.password = std::move(*password);
  }
  const auto from = parse_mail_address(mail.from);
  const auto to = parse_mail_address(message.to);
  if (!from) return later(from.error());
  if (!to) return later(to.error());
  MailMessage letter;
  letter.from = mail.from;
  letter.to = {message.to};
  letter.subject = message.subject;
  letter.text = message.text;
  letter.html = message.html;
  letter.date = message.created;
  // the same at every try, so that a receiver can tell a second copy
  letter.message_id =
      make_message_id(fmt::format("{}.{}", message.created.time_since_epoch().count(), message.id), host);
  letter.own = {{"Class", message.of}};
  auto text = compose(letter);
  if (!text) return {Delivery::refused, text.error().message(), false};
  const auto sent = send_mail(server, from->address, {to->address}, *text);
  return sent.empty() ? Sent{Delivery::later, "nothing was tried", false} : sent.front();
}

int run_desk(const DeskOptions& options) {
  auto config = load(options);
  if (!config) return kWrong;
  if (config->goes_nowhere()) {
    say(kNowhere);
    return kWrong;
  }
  const int signals = catch_signals();
  if (signals < 0) return kFailed;
  const auto notify = ServiceNotify::from_environment();
  std::optional<AlertStore> store;
  while (true) {
    const std::string folder = config->config->guard.ledger;
    Complaint waiting;
    while (!store) {
      auto opened = AlertStore::open(folder, Database::Mode::write);
      if (opened) {
        store.emplace(std::move(*opened));
        break;
      }
      if (opened.error().kind != ErrorKind::unavailable) {
        say(opened.error().message());
        return kFailed;
      }
      waiting.note(std::unexpected(opened.error()));  // no ledger yet
      notify.ready("waits for the ledger");
      const int signal = wait_for_signal(signals, kPause);
      if (signal == SIGTERM || signal == SIGINT) return kGood;
    }
    if (run_with(*config, signals, notify, *store) != SIGHUP) {
      notify.stopping();
      return kGood;
    }
    notify.reloading();
    auto changed = load(options);
    if (!changed || changed->goes_nowhere()) {
      say("the new configuration is wrong, see above; the old one stays in force");
      continue;
    }
    if (changed->config->guard.ledger != folder) store.reset();
    config = std::move(changed);
    say("the configuration was read again");
  }
}

int run_test_mail(const DeskOptions& options) {
  const auto config = load(options);
  if (!config) return kWrong;
  if (config->goes_nowhere()) {
    say(kNowhere);
    return kWrong;
  }
  const std::string host = host_name();
  StoredMessage mail;
  mail.id = 1;
  mail.of = "test";
  mail.subject = fmt::format("Test from {}", host);
  mail.text = fmt::format(
      "This is a test of Tipstaff on {}.\nAlerts of this machine will come to you this way.\n\nIf you do not know why "
      "you "
      "get this, tell whoever runs that machine.\n",
      host);
  mail.created = system_now();
  int code = kGood;
  for (const StoredMessage& message :
       messages_for(config->channels(), mail, fmt::format(R"({{"kind":"test","host":"{}"}})", printable(host)))) {
    const Sent sent = send_message(config->outward, host, message);
    const std::string to = message.channel == Channel::mail ? message.to : std::string("the webhook");
    std::printf("%s: %s%s%s\n", to.c_str(),
                sent.delivery == Delivery::sent    ? "sent"
                : sent.delivery == Delivery::later ? "not now"
                                                   : "refused",
                sent.said.empty() ? "" : ": ", sent.said.c_str());
    if (sent.delivery != Delivery::sent) code = kFailed;
  }
  return std::fflush(stdout) == 0 ? code : kFailed;
}

}  // namespace tipstaff
