#include "control/held_config.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <map>

#include "base/toml_file.h"

namespace tipstaff {
namespace {

namespace fs = std::filesystem;

constexpr const char* kMore = "detectors.more";  // those that the command line names
constexpr std::array kFolders = {"conf.d", "detectors.d", kMore};
constexpr std::uintmax_t kMostBytes = std::uintmax_t{4} << 20U;  // as toml_file.h

std::optional<std::string> text_of(const fs::path& path) {
  std::error_code error;
  if (!fs::is_regular_file(path, error) || fs::file_size(path, error) > kMostBytes) return std::nullopt;
  std::ifstream stream(path, std::ios::binary);
  if (!stream) return std::nullopt;
  return std::string(std::istreambuf_iterator<char>(stream), {});
}

std::vector<fs::path> toml_files(const fs::path& folder) {
  std::vector<fs::path> all;
  std::error_code error;
  for (fs::directory_iterator at(folder, error); !error && at != fs::directory_iterator(); at.increment(error)) {
    if (at->path().extension() == ".toml") all.push_back(at->path());
  }
  std::ranges::sort(all);
  return all;
}

Error error_of(const std::string& what, const fs::path& path) {
  return {ErrorKind::unavailable, fmt::format("{}: {}", what, std::strerror(errno)), path.string()};
}

// Written and on the disk.
Result<void> write(const fs::path& path, std::string_view text) {
  const int file = ::open(path.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, 0640);
  if (file < 0) return std::unexpected(error_of("the configuration in force cannot be kept", path));
  bool good = true;
  while (good && !text.empty()) {
    const ssize_t size = ::write(file, text.data(), text.size());
    good = size > 0 || (size < 0 && errno == EINTR);
    if (size > 0) text.remove_prefix(static_cast<std::size_t>(size));
  }
  good = good && ::fsync(file) == 0;
  const int number = errno;
  ::close(file);
  errno = number;
  if (!good) return std::unexpected(error_of("the configuration in force cannot be kept", path));
  return {};
}

void sync_folder(const fs::path& folder) {
  const int file = ::open(folder.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  if (file < 0) return;
  ::fsync(file);
  ::close(file);
}

Instant instant_of(std::int64_t microseconds) { return Instant(std::chrono::microseconds(microseconds)); }

// A TOML text in quotes.
std::string in_quotes(std::string_view text) {
  std::string out = "\"";
  for (const char c : text) {
    if (c == '"' || c == '\\') out += '\\';
    out += static_cast<unsigned char>(c) < ' ' ? ' ' : c;
  }
  return out + "\"";
}

}  // namespace

std::vector<std::string> ConfigTexts::differing(const ConfigTexts& other) const {
  std::map<std::string, const std::string*> mine;
  for (const auto& [name, text] : files) mine.emplace(name, &text);
  std::vector<std::string> names;
  for (const auto& [name, text] : other.files) {
    const auto found = mine.find(name);
    if (found == mine.end() || *found->second != text) names.push_back(name);
    if (found != mine.end()) mine.erase(found);
  }
  for (const auto& [name, text] : mine) names.push_back(name);
  std::ranges::sort(names);
  return names;
}

ConfigTexts read_texts(const ConfigPlaces& places) {
  ConfigTexts texts;
  const auto take = [&](const std::string& name, const fs::path& path) {
    if (auto text = text_of(path)) texts.files.emplace_back(name, std::move(*text));
  };
  const fs::path directory = places.directory;
  if (!places.file.empty()) {
    take("config.toml", places.file);
  } else {
    take("tipstaff.toml", directory / "tipstaff.toml");
    for (const fs::path& path : toml_files(directory / "conf.d")) take("conf.d/" + path.filename().string(), path);
  }
  for (const fs::path& path : toml_files(directory / "detectors.d"))
    take("detectors.d/" + path.filename().string(), path);
  std::size_t number = 0;  // those of the command line keep their order
  for (const std::string& given : places.detectors) {
    std::error_code error;
    const std::vector<fs::path> all = fs::is_directory(given, error) ? toml_files(given) : std::vector<fs::path>{given};
    const bool is_held = fs::path(given).filename() == kMore;  // they have their numbers
    for (const fs::path& path : all) {
      const std::string name = path.filename();
      take(fmt::format("{}/{}", kMore, is_held ? name : fmt::format("{:04}-{}", number++, name)), path);
    }
  }
  std::ranges::sort(texts.files);
  return texts;
}

Result<void> HeldConfig::keep(const ConfigTexts& texts, const TrialNote& note) const {
  const fs::path config = fs::path(folder_) / "config";
  if (!this->note() || read_texts(places()) != texts) {
    if (auto dropped = drop(); !dropped) return dropped;
    std::error_code error;
    for (const char* name : kFolders) {
      fs::create_directories(config / name, error);
      if (error)
        return fail(ErrorKind::unavailable,
                    "the folder for the configuration in force cannot be made: " + error.message(), folder_);
    }
    for (const auto& [name, text] : texts.files) {
      if (auto written = write(config / name, text); !written) return written;
    }
    for (const char* name : kFolders) sync_folder(config / name);
    sync_folder(config);
  }
  return mark(note);
}

Result<void> HeldConfig::mark(const TrialNote& note) const {
  const fs::path mark = fs::path(folder_) / "trial.toml";
  const fs::path draft = fs::path(folder_) / "trial.draft";
  const auto number = [](Instant at) { return at.time_since_epoch().count(); };
  std::string text = fmt::format("# begun {}, to be confirmed by {}\nversion = 1\nbegun = {}\nuntil = {}\nby = {}\n",
                                 to_rfc3339(note.begun), to_rfc3339(note.until), number(note.begun), number(note.until),
                                 in_quotes(note.by));
  if (note.back) text += fmt::format("back = {}\n", number(*note.back));
  if (auto written = write(draft, text); !written) return written;
  if (::rename(draft.c_str(), mark.c_str()) != 0)
    return std::unexpected(error_of("the configuration in force cannot be kept", mark));
  sync_folder(folder_);
  sync_folder(fs::path(folder_).parent_path());
  return {};
}

std::optional<TrialNote> HeldConfig::note() const {
  const auto file = read_toml_file(folder_ + "/trial.toml");
  if (!file) return std::nullopt;
  const TomlValue* const begun = file->find("begun");
  const TomlValue* const until = file->find("until");
  const TomlValue* const by = file->find("by");
  const TomlValue* const back = file->find("back");
  if (begun == nullptr || until == nullptr || by == nullptr) return std::nullopt;
  TrialNote note{instant_of(begun->integer), instant_of(until->integer), by->text, std::nullopt};
  if (back != nullptr) note.back = instant_of(back->integer);
  return note;
}

ConfigPlaces HeldConfig::places() const {
  const fs::path config = fs::path(folder_) / "config";
  ConfigPlaces held{config, {}, {}};
  std::error_code error;
  if (fs::is_regular_file(config / "config.toml", error)) held.file = config / "config.toml";
  if (fs::is_directory(config / kMore, error)) held.detectors.push_back(config / kMore);
  return held;
}

Result<void> HeldConfig::drop() const {
  std::error_code error;
  const fs::path mark = fs::path(folder_) / "trial.toml";
  fs::remove(mark, error);  // first, so that half of it is none
  if (error) return fail(ErrorKind::unavailable, "it cannot be removed: " + error.message(), mark.string());
  sync_folder(folder_);
  fs::remove_all(folder_, error);
  if (error) return fail(ErrorKind::unavailable, "it cannot be removed: " + error.message(), folder_);
  return {};
}

}  // namespace tipstaff
