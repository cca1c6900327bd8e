// The commands and options of `tipstaff`, and their help.
#pragma once

namespace tipstaff {

/// Parses the command line, runs the command and gives its exit code (0 good, 1 failed, 2 wrong usage or input).
[[nodiscard]] int run_command_line(int argc, char** argv);

}  // namespace tipstaff
