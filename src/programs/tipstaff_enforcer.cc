// tipstaff-enforcer: the program that alone touches the firewall. It opens its sockets, gives up every right but the one to
// change the firewall, takes over what an earlier one left there, and serves the guard.
#include <fmt/format.h>

#include <cstdio>
#include <cstdlib>

#include "base/service_notify.h"
#include "enforce/enforcer/allowlist.h"
#include "enforce/enforcer/options.h"
#include "enforce/enforcer/sandbox.h"
#include "enforce/enforcer/server.h"
#include "enforce/enforcer/startup.h"

#if defined(__SANITIZE_ADDRESS__)
// The search for leaks at the end wants calls that are not allowed then.
extern "C" const char* __asan_default_options() { return "detect_leaks=0"; }
#endif

namespace {

using namespace tipstaff;

constexpr int kFailed = 1;
constexpr int kWrong = 2;

int told(const EnforcerLog& log, const Error& error, int code) {
  log(true, error.message());
  return code;
}

int code_of(const Error& error) { return error.kind == ErrorKind::unavailable ? kFailed : kWrong; }

}  // namespace

int main(int argc, char** argv) {
  const EnforcerLog log = enforcer_log();
  const auto options = parse_enforcer_options({argv + 1, static_cast<std::size_t>(argc - 1)});
  if (!options) return told(log, options.error(), kWrong);
  if (!options->print.empty())
    return std::fputs(options->print.c_str(), stdout) < 0 || std::fflush(stdout) != 0 ? kFailed : 0;

  auto allowlist = read_allowlist(options->allowlist);
  if (!allowlist) return told(log, allowlist.error(), code_of(allowlist.error()));
  const auto user = find_user(options->user, options->is_user_given);
  if (!user) return told(log, user.error(), kWrong);
  const auto group = find_group(options->group, options->is_group_given);
  if (!group) return told(log, group.error(), kWrong);

  auto firewall = NftFirewall::open({.keep_established = options->keep_established});
  if (!firewall) return told(log, firewall.error(), kFailed);
  auto addresses = OwnAddresses::open();
  if (!addresses) return told(log, addresses.error(), kFailed);
  const auto listener = listen_for_peers(options->socket, *group);
  if (!listener) return told(log, listener.error(), kFailed);
  const auto signals = catch_signals();
  if (!signals) return told(log, signals.error(), kFailed);

  EnforcerServer server({.allowlist = options->allowlist, .user = *user, .keep_established = options->keep_established},
                        std::move(*firewall), std::move(*addresses), *listener, *signals, log);
  if (const auto kept = keep_net_admin_only(); !kept) return told(log, kept.error(), kFailed);
  if (const auto allowed = allow_few_system_calls(); !allowed) return told(log, allowed.error(), kFailed);
  if (const auto started = server.start(std::move(*allowlist)); !started) return told(log, started.error(), kFailed);
  server.run();
  return 0;
}
