#include "sources/library_fault.h"

#include <csignal>
#include <mutex>

namespace tipstaff {
namespace {

void leave_call(int number) {
  if (sigjmp_buf* const out = way_out_of_call(); out != nullptr) siglongjmp(*out, 1);
  std::signal(number, SIG_DFL);  // it comes again when this returns, and then ends the program
}

}  // namespace

sigjmp_buf*& way_out_of_call() {
  static thread_local sigjmp_buf* out = nullptr;
  return out;
}

void catch_library_faults() {
  static std::once_flag once;
  std::call_once(once, [] {
    struct sigaction action{};
    action.sa_handler = leave_call;
    sigemptyset(&action.sa_mask);
    for (const int number : {SIGABRT, SIGBUS}) sigaction(number, &action, nullptr);
  });
}

void let_faults_in() {
  sigset_t both;
  sigemptyset(&both);
  sigaddset(&both, SIGABRT);
  sigaddset(&both, SIGBUS);
  pthread_sigmask(SIG_UNBLOCK, &both, nullptr);
}

}  // namespace tipstaff
