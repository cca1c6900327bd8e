#include "control/lookup_command.h"

#include <fmt/format.h>

#include <boost/json.hpp>

#include "base/text.h"
#include "control/output.h"
#include "control/scan.h"
#include "decide/config.h"
#include "lookup/network_facts.h"

namespace tipstaff {
namespace {

boost::json::object to_json(IpAddress address, const std::optional<NetworkFact>& fact) {
  boost::json::object one;
  one["address"] = address.to_string();
  const bool has_country = fact && fact->origin.country.is_known();
  const bool has_as = fact && fact->origin.as_number != 0;
  one["country"] = has_country ? boost::json::value(fact->origin.country.to_string()) : nullptr;
  one["as"] = has_as ? boost::json::value(fact->origin.as_number) : nullptr;
  one["as_name"] = has_as ? boost::json::value(fact->as_name) : nullptr;
  one["network"] = fact ? boost::json::value(fact->network.to_string()) : nullptr;
  boost::json::array flags;
  if (fact) {
    for (const std::string_view flag : to_words(fact->flags)) flags.emplace_back(flag);
  }
  one["flags"] = std::move(flags);
  return one;
}

std::string to_text(IpAddress address, const std::optional<NetworkFact>& fact) {
  std::string text = address.to_string() + "\n";
  if (!fact) return text + "  the database does not know it\n";
  text += fmt::format("  country  {}\n",
                      fact->origin.country.is_known() ? fact->origin.country.to_string() : std::string("not known"));
  text += fact->origin.as_number == 0 ? std::string("  AS       not known\n")
                                      : fmt::format("  AS       AS{}{}{}\n", fact->origin.as_number,
                                                    fact->as_name.empty() ? "" : ", ", fact->as_name);
  text += fmt::format("  network  {}\n", fact->network.to_string());
  std::string flags;
  for (const std::string_view flag : to_words(fact->flags)) flags += (flags.empty() ? "" : ", ") + std::string(flag);
  if (!flags.empty()) text += fmt::format("  flags    {}\n", flags);
  return text;
}

}  // namespace

int run_lookup(const LookupCommandOptions& options) {
  const auto complain = [](std::string_view text, int code) {
    print_error("tipstaff lookup: {}\n", text);
    return code;
  };
  std::vector<IpAddress> addresses;
  for (const std::string& text : options.addresses) {
    const auto address = IpAddress::parse(text);
    if (!address) return complain(fmt::format("'{}' is no address", printable(text)), kUsage);
    addresses.push_back(*address);
  }
  std::vector<std::string> paths = options.databases;
  if (paths.empty()) paths = load_layers_partly({.file = options.config}).config.guard.lookups.databases;
  const auto facts = open_network_facts(paths);
  if (!facts) return complain(facts.error().message(), kFailed);
  boost::json::array all;
  for (const IpAddress address : addresses) {
    const auto fact = (*facts)->find(address);
    if (options.json) {
      all.push_back(to_json(address, fact));
    } else {
      print_out("{}", to_text(address, fact));
    }
  }
  boost::json::array databases;
  for (const DatabaseInfo& one : (*facts)->databases()) {
    const std::string day = to_rfc3339(one.built);
    databases.push_back(
        boost::json::object{{"name", one.name}, {"path", to_utf8(one.path)}, {"date", day}, {"notice", one.notice}});
    if (!options.json) {
      print_out("database: {} of {} ({}){}{}\n", one.name, day.substr(0, 10), printable(one.path),
                one.notice.empty() ? "" : ", ", one.notice);
    }
  }
  if (options.json) {
    print_out("{}\n",
              boost::json::serialize(boost::json::object{
                  {"addresses", std::move(all)}, {"databases", std::move(databases)}, {"broken", (*facts)->broken()}}));
  }
  if ((*facts)->broken() > 0) return complain("the database is damaged: some of it makes no sense", kFailed);
  return kGood;
}

}  // namespace tipstaff
