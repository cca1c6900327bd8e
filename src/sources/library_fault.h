// libsystemd trusts journal files in two places: where a compressed field is shorter than it claims (an assertion, so
// abort()), and where a mapped file has become shorter (SIGBUS). Both would end the guard at every start anew, and with
// it the reading of all other logs. So a call into it is made in such a way that either ends the call alone.
//
// It jumps out of the signal's handler, over frames of the C library and of libsystemd only. Such a call has left behind
// what it held: the object it was made on is to be closed, and is not to be used for anything else.
#pragma once

#include <csetjmp>

namespace tipstaff {

/// Where the call that this thread is in returns to; null: none.
sigjmp_buf*& way_out_of_call();
/// Takes over SIGABRT and SIGBUS, once. Outside of such a call both end the program, as before.
void catch_library_faults();
/// Lets the signals in again that were held back while one was handled.
void let_faults_in();

/// Runs `call`, in which nothing may need a destructor. False: it did not come to its end.
template <class Call>
[[nodiscard, gnu::noinline]] bool survive(Call&& call) {
  catch_library_faults();
  sigjmp_buf here;
  if (sigsetjmp(here, 0) != 0) {
    way_out_of_call() = nullptr;
    let_faults_in();
    return false;
  }
  way_out_of_call() = &here;
  call();
  way_out_of_call() = nullptr;
  return true;
}

}  // namespace tipstaff
