#include "enforce/enforcer/options.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <optional>
#include <string_view>

#include "base/text.h"

namespace tipstaff {
namespace {

constexpr const char* kHelp =
    R"(tipstaff-enforcer [OPTIONS]

Sets blocks in the firewall (table inet tipstaff of nf_tables) as the guard asks for them, and takes them out in time.
Nothing on its allowlist, none of this machine's own addresses and no default gateway is ever shut.

  --socket PATH        listens there (/run/tipstaff-enforcer/enforcer.sock)
  --user NAME          beside root, this account may speak to it (tipstaff, where there is one)
  --group NAME         the socket's group (tipstaff, where there is one)
  --allowlist FILE     never shut: one address or network a line, # begins a comment. The file, and every folder above it,
                       must be root's and for nobody else to write (/etc/tipstaff/allowlist)
  --keep-established   a blocked host's connections that stand already may go on
  --help, --version    print and end

SIGHUP reads the allowlist again. On SIGTERM the blocks stay, each until its time.
)";
constexpr const char* kVersion = "tipstaff-enforcer 0.1.0\n";

}  // namespace

Result<EnforcerOptions> parse_enforcer_options(std::span<char* const> arguments) {
  static constexpr std::array<std::string_view, 7> kNames{"--socket",           "--user", "--group",  "--allowlist",
                                                          "--keep-established", "--help", "--version"};
  EnforcerOptions options;
  for (std::size_t i = 0; i < arguments.size(); ++i) {
    const std::string_view argument = arguments[i];
    const std::string_view name = argument.substr(0, argument.find('='));
    std::optional<std::string> value;
    if (name.size() < argument.size()) value = argument.substr(name.size() + 1);
    std::string* wanted = nullptr;
    if (name == "--socket") wanted = &options.socket;
    if (name == "--allowlist") wanted = &options.allowlist;
    if (name == "--user") wanted = &options.user, options.is_user_given = true;
    if (name == "--group") wanted = &options.group, options.is_group_given = true;
    if (wanted != nullptr) {
      if (!value && i + 1 < arguments.size()) value = arguments[++i];
      if (!value || value->empty()) return fail(ErrorKind::invalid, fmt::format("{} wants a value", name));
      *wanted = *value;
      continue;
    }
    const bool known = std::ranges::find(kNames, name) != kNames.end();
    if (known && value) return fail(ErrorKind::invalid, fmt::format("{} takes no value", name));
    if (name == "--keep-established") {
      options.keep_established = true;
    } else if (name == "--help" || name == "-h") {
      options.print = kHelp;
    } else if (name == "--version") {
      options.print = kVersion;
    } else {
      const std::string meant = nearest(name, kNames);
      return fail(ErrorKind::invalid, fmt::format("there is no option {}{}; see --help", printable(name),
                                                  meant.empty() ? "" : fmt::format(" (did you mean {}?)", meant)));
    }
  }
  return options;
}

}  // namespace tipstaff
