#include "enforce/enforcer/sandbox.h"

#include <cap-ng.h>
#include <fmt/format.h>
#include <seccomp.h>
#include <sys/prctl.h>
#include <sys/socket.h>

#include <cerrno>
#include <cstring>
#include <initializer_list>
#include <memory>

namespace tipstaff {
namespace {

std::unexpected<Error> failed(const char* doing, int number) {
  return fail(ErrorKind::unavailable, fmt::format("{}: {}", doing, std::strerror(number)));
}

}  // namespace

Result<void> keep_net_admin_only() {
  if (capng_get_caps_process() != 0) return fail(ErrorKind::unavailable, "this process's capabilities cannot be read");
  if (capng_have_capability(CAPNG_EFFECTIVE, CAP_NET_ADMIN) == 0) {
    return fail(ErrorKind::denied,
                "CAP_NET_ADMIN is missing: start it by its unit tipstaff-enforcer.service, or as root");
  }
  const bool may_bound = capng_have_capability(CAPNG_EFFECTIVE, CAP_SETPCAP) != 0;
  if (::prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_CLEAR_ALL, 0, 0, 0) != 0) return failed("ambient capabilities", errno);
  capng_clear(CAPNG_SELECT_BOTH);
  const auto kept = static_cast<capng_type_t>(CAPNG_EFFECTIVE | CAPNG_PERMITTED);
  if (capng_update(CAPNG_ADD, kept, CAP_NET_ADMIN) != 0) return fail(ErrorKind::internal, "capabilities: update");
  // the unit bounds them already, and leaves no right to do so
  if (may_bound && capng_apply(CAPNG_SELECT_BOUNDS) != 0)
    return fail(ErrorKind::unavailable, "capabilities: bounding set");
  if (capng_apply(CAPNG_SELECT_CAPS) != 0) return fail(ErrorKind::unavailable, "capabilities cannot be given up");
  if (::prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0) return failed("no_new_privs", errno);
  return {};
}

Result<void> allow_few_system_calls() {
  const std::unique_ptr<void, decltype(&seccomp_release)> filter(seccomp_init(SCMP_ACT_KILL_PROCESS), seccomp_release);
  if (filter == nullptr) return fail(ErrorKind::unavailable, "seccomp: no filter");
  const std::initializer_list<int> calls = {
      // sockets that are open, and those that come
      SCMP_SYS(poll),
      SCMP_SYS(ppoll),
      SCMP_SYS(accept4),
      SCMP_SYS(recvfrom),
      SCMP_SYS(recvmsg),
      SCMP_SYS(sendto),
      SCMP_SYS(sendmsg),
      SCMP_SYS(getsockopt),
      SCMP_SYS(setsockopt),
      SCMP_SYS(read),
      SCMP_SYS(write),
      SCMP_SYS(writev),
      SCMP_SYS(close),
      // the allowlist, read again
      SCMP_SYS(openat),
      SCMP_SYS(open),
      SCMP_SYS(fstat),
      SCMP_SYS(stat),
      SCMP_SYS(lstat),
      SCMP_SYS(newfstatat),
      SCMP_SYS(statx),
      SCMP_SYS(readlink),
      SCMP_SYS(readlinkat),
      SCMP_SYS(lseek),
      // memory, time, signals, the end
      SCMP_SYS(brk),
      SCMP_SYS(mmap),
      SCMP_SYS(munmap),
      SCMP_SYS(mremap),
      SCMP_SYS(madvise),
      SCMP_SYS(futex),
      SCMP_SYS(clock_gettime),
      SCMP_SYS(gettimeofday),
      SCMP_SYS(time),
      SCMP_SYS(getrandom),
      SCMP_SYS(getpid),
      SCMP_SYS(gettid),
      SCMP_SYS(tgkill),
      SCMP_SYS(rt_sigaction),
      SCMP_SYS(rt_sigprocmask),
      SCMP_SYS(rt_sigreturn),
      SCMP_SYS(sigaltstack),
      SCMP_SYS(restart_syscall),
      SCMP_SYS(exit),
      SCMP_SYS(exit_group),
#if defined(__SANITIZE_ADDRESS__)
      // whether memory can be read it finds out by writing it into a pipe
      SCMP_SYS(pipe),
      SCMP_SYS(pipe2),
      SCMP_SYS(mprotect),
      SCMP_SYS(sched_yield),
      SCMP_SYS(prctl),
      SCMP_SYS(getuid),
      SCMP_SYS(ioctl),
      SCMP_SYS(sched_getaffinity),
      SCMP_SYS(getrlimit),
      SCMP_SYS(prlimit64),
#endif
  };
  for (const int call : calls) {
    if (const int done = seccomp_rule_add(filter.get(), SCMP_ACT_ALLOW, call, 0); done != 0) {
      return failed("seccomp", -done);
    }
  }
  // to tell the service manager: a new socket each time, of the local kind only
  const int done = seccomp_rule_add(filter.get(), SCMP_ACT_ALLOW, SCMP_SYS(socket), 1, SCMP_A0(SCMP_CMP_EQ, AF_UNIX));
  if (done != 0) return failed("seccomp", -done);
  if (const int loaded = seccomp_load(filter.get()); loaded != 0) return failed("seccomp", -loaded);
  return {};
}

}  // namespace tipstaff
