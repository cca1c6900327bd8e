// What anybody on the machine can send to the control socket. Whatever the bytes: nothing crashes, the answer is one line of
// JSON that says whether it is good, a stranger is told nothing but that he is one, and without the right nothing changes.
#include <boost/json.hpp>
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <string>
#include <string_view>

#include "control/control_ask.h"
#include "control/control_commands.h"

namespace tipstaff {
namespace {

void must(bool good) {
  if (!good) std::abort();
}

// Counts what would change something.
class Counting : public GuardControl {
 public:
  Result<BlockAnswer> block(const BlockRequest& request) override {
    ++changes;
    BlockAnswer answer;
    answer.block.network = request.network;
    answer.block.why = request.why;
    return answer;
  }
  Result<UnblockAnswer> unblock(std::optional<IpNetwork>, const std::string&, const std::string&) override {
    ++changes;
    return UnblockAnswer();
  }
  Result<ChangeAnswer> exempt(const TimedExemption& exemption) override {
    ++changes;
    widest = std::max(widest, exemption.until - Instant{});
    return ChangeAnswer();
  }
  std::size_t take_back_since(Instant, const std::string&, const std::string&) override { return 0; }
  void each_block(const std::function<void(const StandingBlock&)>&) const override {}
  std::vector<StandingBlock> blocks_of(IpAddress) const override { return {}; }
  std::optional<StandingBlock> block_of(std::uint64_t) const override { return std::nullopt; }
  std::vector<TimedExemption> exemptions() const override { return {}; }

  int changes = 0;
  std::chrono::microseconds widest{0};
};

void ask(Role role, std::string_view line) {
  Counting guard;
  int others = 0;
  const auto config = std::make_shared<const Config>();
  ControlDoors doors;
  doors.now = [] { return Instant{}; };
  doors.blocks = [&guard]() -> GuardControl& { return guard; };
  doors.config = [&config] { return config; };
  doors.watch_only = [] { return true; };
  doors.status = [] { return GuardStatus(); };
  doors.explain = [](const ControlAsk&) -> Result<std::string> { return std::string("\"text\":\"\""); };
  const auto other = [&others](auto&&...) -> Result<std::string> {
    ++others;
    return std::string("done");
  };
  doors.trial = other;
  doors.confirm = other;
  doors.reload = other;
  doors.journal = [](const ControlChange& change) { must(!change.to_text().empty()); };
  const ControlCommands commands(std::move(doors), RoleGroups());
  const std::string answer = commands.answer({1'000, {}, "anna", role}, line);
  must(answer.find('\n') == std::string::npos);
  const auto said = boost::json::parse(answer);
  must(said.is_object() && said.as_object().contains("ok") && said.at("ok").is_bool());
  if (role < Role::support) must(guard.changes == 0);
  if (role < Role::admin) must(others == 0 && guard.widest <= std::chrono::days(1));
  if (role == Role::none) must(!said.at("ok").as_bool() && said.at("error").at("kind") == "denied");
}

}  // namespace
}  // namespace tipstaff

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string_view line(reinterpret_cast<const char*>(data), size);
  for (const auto role : {tipstaff::Role::none, tipstaff::Role::view, tipstaff::Role::support, tipstaff::Role::admin})
    tipstaff::ask(role, line);
  return 0;
}
