// The commands of the command line that ask the running guard or the enforcer, with the words that users of fail2ban have in
// their fingers, and their help. Beside command_line.cc the only file that sees CLI11.
#pragma once

#include <memory>
#include <optional>

namespace CLI {
class App;
}

namespace tipstaff {

class ControlCommandLine {
 public:
  /// Adds its commands to `app`.
  explicit ControlCommandLine(CLI::App& app);
  ~ControlCommandLine();
  ControlCommandLine(const ControlCommandLine&) = delete;
  ControlCommandLine& operator=(const ControlCommandLine&) = delete;

  /// After parsing: runs the command if it is one of these, and gives its exit code.
  [[nodiscard]] std::optional<int> run() const;

 private:
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace tipstaff
