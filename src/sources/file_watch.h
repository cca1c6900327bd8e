// Tells followers of files when to look again, without polling: one inotify descriptor on the loop for all of them. A
// listener says which names it cares about and which open files; it is called when a name has come, gone or changed, or
// a file was written to. Events are hints only: however many came, a listener is called once and looks for itself.
//
// For file systems that send no events (network mounts), and for what inotify cannot see (a renamed ancestor, a mount),
// everybody is called once a minute by one timer. That costs a few system calls for each file.
#pragma once

#include <chrono>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "sources/watch_points.h"

namespace boost::asio {
class io_context;
}

namespace tipstaff {

class FileWatch {
  struct Core;

 public:
  /// Why a listener is called: a name may have changed (also at each re-check); or only: there may be more to read.
  enum class Wake : std::uint8_t { names, content };
  using Handler = std::function<void(Wake)>;

  /// Watches one open file for writes as long as it lives.
  class Written {
   public:
    Written(Core& core, int watch, std::uint64_t listener) : core_(&core), watch_(watch), listener_(listener) {}
    Written(const Written&) = delete;
    Written(Written&&) = delete;
    Written& operator=(const Written&) = delete;
    Written& operator=(Written&&) = delete;
    ~Written();

   private:
    Core* core_;
    int watch_;
    std::uint64_t listener_;
  };

  /// One who is called; its end ends the calls. A handler may make and end other listeners, but not its own.
  class Listener {
   public:
    Listener(Core& core, std::uint64_t id) : core_(&core), id_(id) {}
    Listener(const Listener&) = delete;
    Listener(Listener&&) = delete;
    Listener& operator=(const Listener&) = delete;
    Listener& operator=(Listener&&) = delete;
    ~Listener();

    /// Watches these names from now on, and no others. `points` is asked again until it gives the same twice: what
    /// appeared before its directory was watched would be missed otherwise.
    void watch_names(const std::function<std::vector<WatchPoint>()>& points);
    /// Watches an open file, whatever its name is by now.
    [[nodiscard]] std::unique_ptr<Written> watch_file(int descriptor);
    /// Calls the handler (Wake::content) from the loop after `delay`, or when an earlier call of this said so.
    void wake(std::chrono::milliseconds delay = {});

   private:
    Core* core_;
    std::uint64_t id_;
  };

  static constexpr std::chrono::seconds kRecheck{60};

  /// `loop` must outlive this, and this all listeners.
  explicit FileWatch(boost::asio::io_context& loop, std::chrono::seconds recheck = kRecheck);
  FileWatch(const FileWatch&) = delete;
  FileWatch(FileWatch&&) = delete;
  FileWatch& operator=(const FileWatch&) = delete;
  FileWatch& operator=(FileWatch&&) = delete;
  ~FileWatch();

  /// Handlers are called from the loop only.
  [[nodiscard]] std::unique_ptr<Listener> listen(Handler handler);
  /// What the timer does once a minute: calls everybody.
  void recheck();
  /// Why changes are seen late (limits of inotify), and what to do; empty: they are not.
  [[nodiscard]] const std::string& trouble() const;

 private:
  std::unique_ptr<Core> core_;
};

}  // namespace tipstaff
