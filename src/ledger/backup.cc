#include "ledger/backup.h"

#include <fmt/format.h>
#include <sys/stat.h>

#include <filesystem>

#include "ledger/folder.h"
#include "ledger/schema.h"
#include "ledger/sqlite.h"
#include "ledger/verify.h"

namespace tipstaff {
namespace {

// state.db first: a copy whose months have gone further than it says is like a ledger after a crash, and sound.
Result<std::vector<std::string>> copy_files(const std::string& from, const std::string& to) {
  std::vector<std::string> names = {"state.db"};
  for (auto& name : list_months(from)) names.push_back(std::move(name));
  for (const auto& name : names) {
    auto source = Database::open(from + "/" + name, Database::Mode::read);
    if (!source) return std::unexpected(source.error());
    const std::string path = to + "/" + name;
    if (auto made = make_file(path); !made) return std::unexpected(made.error());
    if (auto copied = source->copy_to(path); !copied) return std::unexpected(copied.error());
  }
  return names;
}

}  // namespace

Result<std::vector<std::string>> back_up_ledger(const std::string& folder, const std::string& to) {
  if (list_months(folder).empty()) return fail(ErrorKind::not_found, "there is no ledger", folder);
  if (auto made = make_folder(to); !made) return std::unexpected(made.error());
  std::error_code code;
  if (!std::filesystem::is_empty(to, code) || code) {
    return fail(ErrorKind::conflict, "is not empty: name a folder that is not there yet", to);
  }
  return copy_files(folder, to);
}

Result<std::vector<std::string>> restore_ledger(const std::string& from, const std::string& folder) {
  if (!list_months(folder).empty()) {
    return fail(ErrorKind::conflict, "there is a ledger already: stop the guard and move its files away first", folder);
  }
  const auto verified = verify_ledger(from, {});
  if (!verified) return std::unexpected(verified.error());
  if (verified->broken) {
    return fail(ErrorKind::corrupt, fmt::format("the backup is not whole: {}", verified->broken->text), from);
  }
  if (auto made = make_folder(folder); !made) return std::unexpected(made.error());
  remove_database(folder + "/state.db");
  return copy_files(from, folder);
}

}  // namespace tipstaff
