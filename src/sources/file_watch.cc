// See file_watch.h. inotify gives one watch for one inode, whoever asks, so a watch has a list of who cares and for
// which name. Numbers of watches are never used again, so late events of an ended watch find nobody.
#include "sources/file_watch.h"

#include <fmt/format.h>
#include <sys/inotify.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <boost/asio/io_context.hpp>
#include <boost/asio/posix/stream_descriptor.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/steady_timer.hpp>
#include <cerrno>
#include <cstring>
#include <map>
#include <optional>
#include <system_error>
#include <utility>

namespace tipstaff {
namespace {

constexpr std::uint32_t kDirectoryEvents = IN_CREATE | IN_MOVED_TO | IN_MOVED_FROM | IN_DELETE | IN_ATTRIB |
                                           IN_DELETE_SELF | IN_MOVE_SELF | IN_ONLYDIR | IN_EXCL_UNLINK;
constexpr std::uint32_t kFileEvents = IN_MODIFY;
constexpr int kTries = 8;  // of watch_names: by then somebody renames directories as fast as we look

}  // namespace

struct FileWatch::Core {
  /// Who cares about a watch; for a directory, about which name in it (empty: any).
  struct Interest {
    std::uint64_t listener;
    std::string name;
    bool file;
  };
  struct Party {
    Handler handler;
    std::unique_ptr<boost::asio::steady_timer> timer;  // made when it is first needed
    bool timed = false;
    bool posted = false;
    std::optional<Wake> due;
  };

  Core(boost::asio::io_context& on, std::chrono::seconds every) : loop(on), period(every), descriptor(on), minute(on) {}

  void begin() {
    const int fd = inotify_init1(IN_NONBLOCK | IN_CLOEXEC);
    if (fd < 0) {
      note_trouble("fs.inotify.max_user_instances", errno);
    } else {
      descriptor.assign(fd);
      wait_for_events();
    }
    wait_for_minute();
  }

  void note_trouble(const char* limit, int number) {
    trouble = fmt::format(
        "changes of files are seen only once in {} s, since the system gives no more inotify watches ({}); raise {}",
        period.count(), std::generic_category().message(number), limit);
  }

  void wait_for_events() {
    const auto how = boost::asio::posix::stream_descriptor::wait_read;
    descriptor.async_wait(how, [this, alive = std::weak_ptr<int>(life)](boost::system::error_code error) {
      if (error || alive.expired()) return;
      read_events();
      wait_for_events();
      call_due();
    });
  }

  void wait_for_minute() {
    minute.expires_after(period);
    minute.async_wait([this, alive = std::weak_ptr<int>(life)](boost::system::error_code error) {
      if (error || alive.expired()) return;
      wait_for_minute();
      everybody();
      call_due();
    });
  }

  void everybody() {
    for (auto& [id, party] : parties) party.due = Wake::names;
  }

  void mark(std::uint64_t listener, Wake why) {
    const auto found = parties.find(listener);
    if (found == parties.end() || found->second.due == Wake::names) return;
    found->second.due = why;
  }

  void read_events() {
    alignas(inotify_event) std::array<char, 4096> buffer;
    while (true) {
      const ssize_t got = ::read(descriptor.native_handle(), buffer.data(), buffer.size());
      if (got <= 0) return;
      for (const char* at = buffer.data(); at < buffer.data() + got;) {
        const auto* const event = reinterpret_cast<const inotify_event*>(at);
        take(*event);
        at += sizeof(inotify_event) + event->len;
      }
    }
  }

  void take(const inotify_event& event) {
    if ((event.mask & IN_Q_OVERFLOW) != 0) return everybody();
    const auto found = watches.find(event.wd);
    if (found == watches.end()) return;
    const std::string_view name = event.len > 0 ? std::string_view(event.name) : std::string_view();
    for (const Interest& interest : found->second) {
      if (interest.file) {
        mark(interest.listener, Wake::content);
      } else if (name.empty() || interest.name.empty() || interest.name == name) {
        mark(interest.listener, Wake::names);
      }
    }
    if ((event.mask & IN_IGNORED) != 0) watches.erase(found);
  }

  // A handler may end listeners and make new ones: each is looked up again.
  void call_due() {
    std::vector<std::uint64_t> ids;
    for (const auto& [id, party] : parties) {
      if (party.due) ids.push_back(id);
    }
    for (const std::uint64_t id : ids) call(id);
  }

  void call(std::uint64_t id) {
    const auto found = parties.find(id);
    if (found == parties.end() || !found->second.due) return;
    const Wake why = *std::exchange(found->second.due, std::nullopt);
    found->second.handler(why);
  }

  int add(const std::string& path, std::uint32_t events) {
    if (!descriptor.is_open()) return -1;
    const int watch = inotify_add_watch(descriptor.native_handle(), path.c_str(), events);
    if (watch < 0 && errno == ENOSPC) note_trouble("fs.inotify.max_user_watches", errno);
    return watch;
  }

  // A listener may watch one file twice: only one interest ends.
  void drop_file(int watch, std::uint64_t listener) {
    const auto found = watches.find(watch);
    if (found == watches.end()) return;
    std::vector<Interest>& interests = found->second;
    const auto one = std::ranges::find_if(interests, [&](const Interest& i) { return i.listener == listener; });
    if (one != interests.end()) interests.erase(one);
    if (!interests.empty()) return;
    watches.erase(found);
    inotify_rm_watch(descriptor.native_handle(), watch);
  }

  void set_names(std::uint64_t listener, const std::vector<WatchPoint>& points) {
    std::vector<std::pair<int, std::string>> wanted;
    for (const WatchPoint& point : points) {
      const int watch = add(point.directory, kDirectoryEvents);
      if (watch >= 0) wanted.emplace_back(watch, point.name);
    }
    for (auto& [watch, interests] : watches) {
      std::erase_if(interests, [&](const Interest& i) { return i.listener == listener && !i.file; });
    }
    for (auto& [watch, name] : wanted) watches[watch].push_back({listener, std::move(name), false});
    for (auto at = watches.begin(); at != watches.end();) {
      if (!at->second.empty()) {
        ++at;
        continue;
      }
      inotify_rm_watch(descriptor.native_handle(), at->first);
      at = watches.erase(at);
    }
  }

  void wake(std::uint64_t id, std::chrono::milliseconds delay) {
    Party& party = parties.at(id);
    if (delay.count() <= 0) {
      if (std::exchange(party.posted, true)) return;
      boost::asio::post(loop, [this, id, alive = std::weak_ptr<int>(life)] {
        if (alive.expired()) return;
        const auto found = parties.find(id);
        if (found == parties.end()) return;
        found->second.posted = false;
        mark(id, Wake::content);
        call(id);
      });
      return;
    }
    const auto when = std::chrono::steady_clock::now() + delay;
    if (!party.timer) party.timer = std::make_unique<boost::asio::steady_timer>(loop);
    if (party.timed && party.timer->expiry() <= when) return;
    party.timed = true;
    party.timer->expires_at(when);
    party.timer->async_wait([this, id, alive = std::weak_ptr<int>(life)](boost::system::error_code error) {
      if (error || alive.expired()) return;
      const auto found = parties.find(id);
      if (found == parties.end()) return;
      found->second.timed = false;
      mark(id, Wake::content);
      call(id);
    });
  }

  boost::asio::io_context& loop;
  std::chrono::seconds period;
  boost::asio::posix::stream_descriptor descriptor;
  boost::asio::steady_timer minute;
  std::map<int, std::vector<Interest>> watches;
  std::map<std::uint64_t, Party> parties;
  std::uint64_t last_id = 0;
  std::string trouble;
  std::shared_ptr<int> life = std::make_shared<int>();  // posted calls that outlive this see that it has ended
};

FileWatch::FileWatch(boost::asio::io_context& loop, std::chrono::seconds recheck)
    : core_(std::make_unique<Core>(loop, recheck)) {
  core_->begin();
}

FileWatch::~FileWatch() = default;

std::unique_ptr<FileWatch::Listener> FileWatch::listen(Handler handler) {
  const std::uint64_t id = ++core_->last_id;
  core_->parties[id].handler = std::move(handler);
  return std::make_unique<Listener>(*core_, id);
}

void FileWatch::recheck() {
  core_->everybody();
  for (const auto& [id, party] : core_->parties) core_->wake(id, {});
}

const std::string& FileWatch::trouble() const { return core_->trouble; }

FileWatch::Written::~Written() { core_->drop_file(watch_, listener_); }

FileWatch::Listener::~Listener() {
  core_->set_names(id_, {});
  core_->parties.erase(id_);
}

void FileWatch::Listener::watch_names(const std::function<std::vector<WatchPoint>()>& points) {
  std::vector<WatchPoint> seen = points();
  for (int tries = 0; tries < kTries; ++tries) {
    core_->set_names(id_, seen);
    std::vector<WatchPoint> again = points();
    if (again == seen) return;
    seen = std::move(again);
  }
}

std::unique_ptr<FileWatch::Written> FileWatch::Listener::watch_file(int descriptor) {
  const int watch = core_->add(fmt::format("/proc/self/fd/{}", descriptor), kFileEvents);
  if (watch < 0) return nullptr;
  core_->watches[watch].push_back({id_, {}, true});
  return std::make_unique<Written>(*core_, watch, id_);
}

void FileWatch::Listener::wake(std::chrono::milliseconds delay) { core_->wake(id_, delay); }

}  // namespace tipstaff
