// Golden tests: a case is a folder tests/golden/<case>/ with `cmd` (the program's arguments, one line, read by the
// shell), its input files, and expected/stdout; expected/stderr and expected/exit (0 when missing) are compared if
// they are there. The program runs inside the folder, in UTC. `./dev golden --update` writes what it said into
// expected/ instead (TIPSTAFF_GOLDEN_UPDATE=1); the review reads the difference.
#include <gtest/gtest.h>
#include <sys/wait.h>

#include <algorithm>
#include <cctype>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <string>
#include <string_view>
#include <vector>

namespace tipstaff {
namespace {

namespace fs = std::filesystem;

const fs::path kCases = fs::path(TIPSTAFF_SOURCE_DIR) / "tests/golden";

std::string read(const fs::path& path) {
  std::ifstream stream(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(stream), {}};
}

void write(const fs::path& path, const std::string& text) { std::ofstream(path, std::ios::binary) << text; }

std::vector<std::string> cases() {
  std::vector<std::string> names;
  if (!fs::is_directory(kCases)) return names;
  for (const auto& entry : fs::directory_iterator(kCases)) {
    if (entry.is_directory()) names.push_back(entry.path().filename());
  }
  std::ranges::sort(names);
  return names;
}

bool updating() { return std::getenv("TIPSTAFF_GOLDEN_UPDATE") != nullptr; }

std::string quoted(const std::string& text) {
  std::string out = "'";
  for (const char c : text) out += c == '\'' ? std::string("'\\''") : std::string(1, c);
  return out + "'";
}

class Golden : public testing::TestWithParam<std::string> {};

TEST_P(Golden, SaysWhatItSaidBefore) {
  const fs::path folder = kCases / GetParam();
  const fs::path expected = folder / "expected";
  const fs::path said = fs::path(testing::TempDir()) / ("tipstaff-golden-" + GetParam());
  fs::remove_all(said);
  fs::create_directories(said);
  std::string arguments = read(folder / "cmd");
  while (arguments.ends_with('\n')) arguments.pop_back();
  const std::string command = "cd " + quoted(folder) + " && TZ=UTC " + quoted(TIPSTAFF_BINARY) + " " + arguments +
                              " >" + quoted(said / "stdout") + " 2>" + quoted(said / "stderr");
  const int status = std::system(command.c_str());  // NOLINT(cert-env33-c): the cases are our own files
  ASSERT_TRUE(WIFEXITED(status)) << "the program crashed";
  const int code = WEXITSTATUS(status);
  write(said / "exit", std::to_string(code) + "\n");

  if (updating()) {
    fs::create_directories(expected);
    for (const char* const name : {"stdout", "stderr", "exit"}) {
      const bool wanted = std::string_view(name) == "stdout" || fs::exists(expected / name) ||
                          (std::string_view(name) == "exit" && code != 0);
      if (wanted) write(expected / name, read(said / name));
    }
  } else {
    EXPECT_EQ(read(expected / "stdout"), read(said / "stdout")) << read(said / "stderr");
    if (fs::exists(expected / "stderr")) {
      EXPECT_EQ(read(expected / "stderr"), read(said / "stderr"));
    }
    EXPECT_EQ(fs::exists(expected / "exit") ? read(expected / "exit") : "0\n", read(said / "exit"));
  }
  fs::remove_all(said);
}

INSTANTIATE_TEST_SUITE_P(Cases, Golden, testing::ValuesIn(cases()), [](const auto& name) {
  std::string id = name.param;
  std::ranges::replace_if(id, [](unsigned char c) { return std::isalnum(c) == 0; }, '_');
  return id;
});
GTEST_ALLOW_UNINSTANTIATED_PARAMETERIZED_TEST(Golden);

TEST(GoldenCases, AreComplete) {
  for (const auto& name : cases()) {
    EXPECT_TRUE(fs::is_regular_file(kCases / name / "cmd")) << name << " needs a file cmd";
    EXPECT_TRUE(updating() || fs::is_regular_file(kCases / name / "expected/stdout"))
        << name << " needs expected/stdout: ./dev golden --update";
  }
}

}  // namespace
}  // namespace tipstaff
