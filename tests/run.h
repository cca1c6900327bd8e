// Runs the built program as its users do, without a shell in between: arguments, standard input, environment, and what
// it said. Output goes through files, so nothing here can hang on a full pipe.
//   const Said said = tipstaff({"scan", "--format", "json", "-"}, {.input = log});
//   EXPECT_EQ(said.code, 0) << said.err;
#pragma once

#include <fcntl.h>
#include <gtest/gtest.h>
#include <spawn.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <boost/json.hpp>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace tipstaff {

/// How a program ended. `code` is its exit code, or -1 where a signal ended it or it could not be started.
struct Said {
  int code = -1;
  std::string out;
  std::string err;
};

struct RunOptions {
  std::string input = {};                                             ///< standard input
  std::vector<std::pair<std::string, std::string>> environment = {};  ///< beside the test's own; TZ is UTC unless given
  std::filesystem::path folder = {};                                  ///< to run in; empty: the test's
  int out = -1;  ///< descriptor for standard output instead of `Said::out`
};

[[nodiscard]] inline std::string read_file(const std::filesystem::path& path) {
  std::ifstream stream(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(stream), {}};
}

inline void write_file(const std::filesystem::path& path, std::string_view text) {
  std::ofstream(path, std::ios::binary).write(text.data(), static_cast<std::streamsize>(text.size()));
}

/// A folder of this test's own, gone with the object.
class TemporaryFolder {
 public:
  TemporaryFolder() {
    std::string path = testing::TempDir() + "tipstaff-test-XXXXXX";
    if (mkdtemp(path.data()) == nullptr) ADD_FAILURE() << "no temporary folder: " << std::strerror(errno);
    path_ = path;
  }
  ~TemporaryFolder() {
    std::error_code ignored;
    std::filesystem::remove_all(path_, ignored);
  }
  TemporaryFolder(const TemporaryFolder&) = delete;
  TemporaryFolder& operator=(const TemporaryFolder&) = delete;

  /// Writes a file and gives its path.
  std::string file(const std::string& name, std::string_view text) const {
    write_file(path_ / name, text);
    return path_ / name;
  }
  [[nodiscard]] const std::filesystem::path& path() const { return path_; }

 private:
  std::filesystem::path path_;
};

/// Runs `command[0]`, looked up in $PATH.
[[nodiscard]] inline Said run(std::vector<std::string> command, const RunOptions& options = {}) {
  const TemporaryFolder folder;
  const std::string input = folder.file("in", options.input);
  const std::string out = folder.path() / "out";
  const std::string err = folder.path() / "err";

  std::vector<std::string> variables;
  const auto given = [&](std::string_view variable) {
    if (variable.starts_with("TZ=")) return true;
    return std::ranges::any_of(options.environment,
                               [&](const auto& pair) { return variable.substr(0, variable.find('=')) == pair.first; });
  };
  for (char** variable = environ; *variable != nullptr; ++variable) {
    if (!given(*variable)) variables.emplace_back(*variable);
  }
  variables.emplace_back("TZ=UTC");
  for (const auto& [name, value] : options.environment) {
    if (name == "TZ") variables.pop_back();
    variables.push_back(name + "=" + value);
  }
  const auto pointers = [](std::vector<std::string>& texts) {
    std::vector<char*> all;
    for (auto& text : texts) all.push_back(text.data());
    all.push_back(nullptr);
    return all;
  };

  posix_spawn_file_actions_t actions;
  posix_spawn_file_actions_init(&actions);
  if (!options.folder.empty()) posix_spawn_file_actions_addchdir_np(&actions, options.folder.c_str());
  posix_spawn_file_actions_addopen(&actions, STDIN_FILENO, input.c_str(), O_RDONLY, 0);
  if (options.out >= 0) {
    posix_spawn_file_actions_adddup2(&actions, options.out, STDOUT_FILENO);
  } else {
    posix_spawn_file_actions_addopen(&actions, STDOUT_FILENO, out.c_str(), O_WRONLY | O_CREAT, 0600);
  }
  posix_spawn_file_actions_addopen(&actions, STDERR_FILENO, err.c_str(), O_WRONLY | O_CREAT, 0600);
  pid_t child = 0;
  const auto arguments = pointers(command);
  const auto environment = pointers(variables);
  const int failed = posix_spawnp(&child, arguments[0], &actions, nullptr, arguments.data(), environment.data());
  posix_spawn_file_actions_destroy(&actions);

  Said said;
  if (failed != 0) {
    said.err = command[0] + " cannot be started: " + std::strerror(failed);
    return said;
  }
  int status = 0;
  waitpid(child, &status, 0);
  if (WIFEXITED(status)) said.code = WEXITSTATUS(status);
  said.out = read_file(out);
  said.err = read_file(err);
  return said;
}

/// Runs the built program.
[[nodiscard]] inline Said tipstaff(std::vector<std::string> arguments, const RunOptions& options = {}) {
  arguments.insert(arguments.begin(), TIPSTAFF_BINARY);
  return run(std::move(arguments), options);
}

/// The JSON objects of a text, one a line; a line that is none fails the test.
[[nodiscard]] inline std::vector<boost::json::object> json_lines(const std::string& text) {
  std::vector<boost::json::object> all;
  for (std::size_t begin = 0; begin < text.size();) {
    const std::size_t end = std::min(text.find('\n', begin), text.size());
    const std::string line = text.substr(begin, end - begin);
    boost::system::error_code error;
    const boost::json::value value = boost::json::parse(line, error);
    if (error || !value.is_object()) {
      ADD_FAILURE() << "no JSON object: " << line;
    } else {
      all.push_back(value.as_object());
    }
    begin = end + 1;
  }
  return all;
}

/// The one JSON object that a text is; a text that is none fails the test.
[[nodiscard]] inline boost::json::object json_object(const Said& said) {
  const auto all = json_lines(said.out);
  if (all.size() == 1) return all[0];
  ADD_FAILURE() << "no single JSON object: " << said.out << said.err;
  return {};
}

/// A member as text; "" for null.
[[nodiscard]] inline std::string text_of(const boost::json::object& object, std::string_view name) {
  const boost::json::value& value = object.at(name);
  return value.is_null() ? "" : std::string(value.as_string());
}

}  // namespace tipstaff
