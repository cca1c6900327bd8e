// Places where a test ends the program as a power cut or `kill -9` would. The shipped program has none of them: there
// failpoint() is a consteval function without a body, which leaves no instruction and no name behind. The tests build a
// second program, tipstaff_failpoints, in which every source that calls failpoint() is compiled with TIPSTAFF_FAILPOINTS.
//   TIPSTAFF_FAILPOINT=ledger.before_commit:3 tipstaff_failpoints guard ...   # ends by SIGKILL at the third commit
// Names are "folder.moment". This makes nothing fail; it only ends the process.
#pragma once

namespace tipstaff {

#ifdef TIPSTAFF_FAILPOINTS
/// Ends the process by SIGKILL if $TIPSTAFF_FAILPOINT is "NAME:HITS" and this is the HITS-th passage of NAME, counted
/// over all threads. Without that variable, or with one that cannot be read, it does nothing.
void failpoint(const char* name);
#else
/// Nothing. The name has to be a literal.
consteval void failpoint(const char* /*name*/) {}
#endif

}  // namespace tipstaff
