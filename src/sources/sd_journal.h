// libsystemd's sd-journal, loaded when a journal is first opened: the other commands start without it and the libraries
// that it needs, and the program also runs where there is no systemd. Only journal_reader.cc calls what is here.
#pragma once

#include <systemd/sd-journal.h>

#include "base/result.h"

namespace tipstaff {

/// The functions of sd-journal(3), under their names without "sd_journal_".
struct SdJournal {
  decltype(&::sd_journal_close) close;
  decltype(&::sd_journal_enumerate_available_data) enumerate_available_data;
  decltype(&::sd_journal_get_cursor) get_cursor;
  decltype(&::sd_journal_get_cutoff_realtime_usec) get_cutoff_realtime_usec;
  decltype(&::sd_journal_get_fd) get_fd;
  decltype(&::sd_journal_get_realtime_usec) get_realtime_usec;
  decltype(&::sd_journal_get_usage) get_usage;
  decltype(&::sd_journal_next) next;
  decltype(&::sd_journal_open) open;
  decltype(&::sd_journal_open_directory) open_directory;
  decltype(&::sd_journal_open_files) open_files;
  decltype(&::sd_journal_previous) previous;
  decltype(&::sd_journal_process) process;
  decltype(&::sd_journal_restart_data) restart_data;
  decltype(&::sd_journal_seek_cursor) seek_cursor;
  decltype(&::sd_journal_seek_head) seek_head;
  decltype(&::sd_journal_seek_realtime_usec) seek_realtime_usec;
  decltype(&::sd_journal_seek_tail) seek_tail;
  decltype(&::sd_journal_set_data_threshold) set_data_threshold;
};

/// Error: not_found (libsystemd is not installed, or lacks a function; systemd 246 has all).
[[nodiscard]] Result<const SdJournal*> load_sd_journal();

}  // namespace tipstaff
