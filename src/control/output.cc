#include "control/output.h"

#include <cerrno>
#include <cstdlib>

#include "control/scan.h"

namespace tipstaff {

void write_to(std::FILE* stream, std::string_view text) {
  if (std::fwrite(text.data(), 1, text.size(), stream) == text.size()) return;
  if (stream == stdout && errno == EPIPE) std::_Exit(kGood);  // threads may still be reading: nothing is taken down
}

int finish_output(int code) {
  if (std::fflush(stdout) == 0 && std::ferror(stdout) == 0) return code;
  if (errno == EPIPE) return code;
  print_error("tipstaff: standard output cannot be written to (is the disk full?); what was not written is lost\n");
  return kFailed;
}

}  // namespace tipstaff
