// Files that are compiled into the program: the shipped detectors and rules, and the bundled evening of attacks.
// The program thus needs nothing beside itself. The build makes the table (cmake/embed.cmake) from detectors/*.toml,
// rules/*.toml and tests/demo/*; what the files mean is for the stages to say.
#pragma once

#include <span>
#include <string_view>

namespace tipstaff {

/// One file, byte for byte as in the repository. `name` is its path there, as "detectors/sshd.toml".
struct EmbeddedFile {
  std::string_view name;
  std::string_view text;
};

/// All of them, sorted by name. They live as long as the program.
[[nodiscard]] std::span<const EmbeddedFile> embedded_files();

}  // namespace tipstaff
