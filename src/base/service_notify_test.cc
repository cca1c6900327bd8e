// The datagrams to the service manager, as sd_notify(3) words them.
#include "base/service_notify.h"

#include <gtest/gtest.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <cstdlib>
#include <cstring>

#include "tests/run.h"

namespace tipstaff {
namespace {

// The manager's end, at a path or at "@name".
class Manager {
 public:
  explicit Manager(const std::string& name) : file_(::socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0)) {
    sockaddr_un address{};
    address.sun_family = AF_UNIX;
    std::memcpy(address.sun_path, name.data(), name.size());
    if (name.front() == '@') address.sun_path[0] = '\0';
    EXPECT_EQ(::bind(file_, reinterpret_cast<const sockaddr*>(&address),
                     static_cast<socklen_t>(offsetof(sockaddr_un, sun_path) + name.size())),
              0);
  }
  ~Manager() { ::close(file_); }
  std::string heard() {
    char buffer[512];
    const ssize_t size = ::recv(file_, buffer, sizeof buffer, MSG_DONTWAIT);
    return size < 0 ? "nothing" : std::string(buffer, static_cast<std::size_t>(size));
  }

 private:
  int file_;
};

TEST(ServiceNotify, SaysWhatManagersUnderstand) {
  const TemporaryFolder folder;
  for (const std::string& name :
       {(folder.path() / "notify").string(), "@tipstaff-test-" + std::to_string(::getpid())}) {
    Manager manager(name);
    const ServiceNotify notify(name);
    notify.ready("all well");
    EXPECT_EQ(manager.heard(), "READY=1\nSTATUS=all well\n");
    notify.alive();
    EXPECT_EQ(manager.heard(), "WATCHDOG=1\n");
    notify.reloading();
    EXPECT_TRUE(manager.heard().starts_with("RELOADING=1\nMONOTONIC_USEC=")) << name;
    notify.stopping();
    EXPECT_EQ(manager.heard(), "STOPPING=1\n");
    EXPECT_EQ(manager.heard(), "nothing");
  }
}

TEST(ServiceNotify, NobodyListens) {
  const TemporaryFolder folder;
  ServiceNotify("").ready("x");
  ServiceNotify((folder.path() / "none").string()).ready("x");
  ServiceNotify(std::string(300, 'x')).ready("x");
}

TEST(ServiceNotify, TheWatchdogIsDueTwiceInItsTime) {
  ::unsetenv("WATCHDOG_PID");
  ::unsetenv("WATCHDOG_USEC");
  EXPECT_EQ(ServiceNotify::watchdog_interval(), std::nullopt);
  ::setenv("WATCHDOG_USEC", "30000000", 1);
  EXPECT_EQ(ServiceNotify::watchdog_interval(), std::chrono::seconds(15));
  ::setenv("WATCHDOG_PID", "1", 1);
  EXPECT_EQ(ServiceNotify::watchdog_interval(), std::nullopt) << "it is meant for another process";
  ::unsetenv("WATCHDOG_PID");
  ::unsetenv("WATCHDOG_USEC");
}

}  // namespace
}  // namespace tipstaff
