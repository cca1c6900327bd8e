// Guard and enforcer as they run together, in a network of the test's own: a log in which lines are written, and what
// each of ledger, guard and kernel holds of the blocks.
#pragma once

#include <fstream>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include <boost/json.hpp>

#include "base/time.h"
#include "control/control_socket.h"
#include "control/ledger_blocks.h"
#include "ledger/reader.h"
#include "tests/enforcer/program.h"
#include "tests/guard/guard_process.h"

namespace tipstaff {

/// Networks, as text.
using Blocked = std::set<std::string>;

class Whole {
 public:
  /// `rules`: what the configuration holds beside the places of things.
  Whole(const Network& network, const std::string& rules) : network_(network), enforcer_(network) {
    write_file(config_, "version = 1\n[sources]\nfiles = ['" + log_ +
                            "']\nfrom_start = true\ntimezone = 'UTC'\n[ledger]\n" + "directory = '" + ledger_ +
                            "'\n[control]\nsocket = '" + control() + "'\n[enforce]\nenabled = true\n" + "socket = '" +
                            enforcer_.socket() + "'\n" + rules);
    write_file(log_, "");
  }

  void start_guard() {
    const Network::Inside inside(network_);
    guard_ = std::make_unique<GuardProcess>(TIPSTAFF_BINARY, config_, said_);
  }
  void end_guard(int signal) {
    if (guard_) guard_->end(signal);
    guard_.reset();
  }
  [[nodiscard]] EnforcerProgram& enforcer() { return enforcer_; }
  [[nodiscard]] const GuardProcess& guard() const { return *guard_; }
  [[nodiscard]] std::string control() const { return folder_.path() / "control"; }
  [[nodiscard]] const std::string& config() const { return config_; }
  [[nodiscard]] std::string said() const { return read_file(said_) + enforcer_.said(); }

  /// Somebody fails to log in once, now.
  void fail(const std::string& address, const std::string& account = "root") {
    std::ofstream log(log_, std::ios::app);
    const std::string line = to_rfc3339(from_now({})) + " gate sshd[" + std::to_string(++number_) +
                             "]: Failed password for " + account + " from " + address + " port 40022 ssh2\n";
    log.write(line.data(), static_cast<std::streamsize>(line.size()));
  }

  /// The guard's answer; none: it did not answer, or not with "ok".
  [[nodiscard]] std::optional<boost::json::object> ask(const std::string& line) const {
    const auto answer = ask_guard(control(), line);
    if (!answer) return std::nullopt;
    boost::json::object object = boost::json::parse(*answer).as_object();
    if (!object.contains("ok") || !object.at("ok").as_bool()) return std::nullopt;
    return object;
  }

  [[nodiscard]] std::optional<Blocked> in_guard() const {
    const auto answer = ask(R"({"command":"blocks"})");
    if (!answer) return std::nullopt;
    Blocked found;
    for (const auto& block : answer->at("blocks").as_array())
      found.emplace(block.as_object().at("network").as_string().c_str());
    return found;
  }
  [[nodiscard]] std::optional<Blocked> in_ledger() const {
    const auto reader = LedgerReader::open(ledger_);
    if (!reader) return std::nullopt;
    const auto blocks = blocks_of_ledger(**reader, from_now({}));
    if (!blocks) return std::nullopt;
    Blocked found;
    for (const auto& block : blocks->blocks) found.insert(block.network.to_string());
    return found;
  }
  /// Hosts of IPv4, as nft(8) reads them from the kernel.
  [[nodiscard]] Blocked in_kernel() const {
    const Network::Inside inside(network_);
    const Said said = run({"nft", "-j", "list", "set", "inet", "tipstaff", "block4_32"});
    Blocked found;
    if (said.code != 0) return found;
    const boost::json::value all = boost::json::parse(said.out);
    for (const auto& part : all.at("nftables").as_array()) {
      const auto* const set = part.as_object().if_contains("set");
      if (set == nullptr || !set->as_object().contains("elem")) continue;
      for (const auto& one : set->at("elem").as_array()) {
        const auto& element = one.is_object() ? one.at("elem").at("val") : one;
        found.emplace(element.as_string().c_str());
      }
    }
    return found;
  }

 private:
  const Network& network_;
  TemporaryFolder folder_;
  EnforcerProgram enforcer_;
  std::string config_ = folder_.path() / "tipstaff.toml";
  std::string log_ = folder_.path() / "auth.log";
  std::string ledger_ = folder_.path() / "ledger";
  std::string said_ = folder_.path() / "said";
  unsigned number_ = 0;
  std::unique_ptr<GuardProcess> guard_;
};

}  // namespace tipstaff
