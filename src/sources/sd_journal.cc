// See sd_journal.h. The types of the functions are those of the header that it was built with.
#include "sources/sd_journal.h"

#include <dlfcn.h>

#include <type_traits>

namespace tipstaff {
namespace {

constexpr const char* kLibrary = "libsystemd.so.0";

// Loaded once and never unloaded. Null: not all there.
const SdJournal* load() {
  static SdJournal functions{};
  void* const library = dlopen(kLibrary, RTLD_NOW | RTLD_LOCAL);
  if (library == nullptr) return nullptr;
  bool whole = true;
  const auto find = [&](const char* name, auto& function) {
    function = reinterpret_cast<std::remove_reference_t<decltype(function)>>(dlsym(library, name));
    whole = whole && function != nullptr;
  };
  find("sd_journal_close", functions.close);
  find("sd_journal_enumerate_available_data", functions.enumerate_available_data);
  find("sd_journal_get_cursor", functions.get_cursor);
  find("sd_journal_get_cutoff_realtime_usec", functions.get_cutoff_realtime_usec);
  find("sd_journal_get_fd", functions.get_fd);
  find("sd_journal_get_realtime_usec", functions.get_realtime_usec);
  find("sd_journal_get_usage", functions.get_usage);
  find("sd_journal_next", functions.next);
  find("sd_journal_open", functions.open);
  find("sd_journal_open_directory", functions.open_directory);
  find("sd_journal_open_files", functions.open_files);
  find("sd_journal_previous", functions.previous);
  find("sd_journal_process", functions.process);
  find("sd_journal_restart_data", functions.restart_data);
  find("sd_journal_seek_cursor", functions.seek_cursor);
  find("sd_journal_seek_head", functions.seek_head);
  find("sd_journal_seek_realtime_usec", functions.seek_realtime_usec);
  find("sd_journal_seek_tail", functions.seek_tail);
  find("sd_journal_set_data_threshold", functions.set_data_threshold);
  return whole ? &functions : nullptr;
}

}  // namespace

Result<const SdJournal*> load_sd_journal() {
  static const SdJournal* const kFunctions = load();
  if (kFunctions != nullptr) return kFunctions;
  return fail(ErrorKind::not_found,
              "the journal is read through libsystemd.so.0 (systemd 246 or later), "
              "which is not installed");
}

}  // namespace tipstaff
