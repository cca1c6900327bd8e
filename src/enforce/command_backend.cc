#include "enforce/command_backend.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <spawn.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <boost/asio/io_context.hpp>
#include <boost/asio/posix/stream_descriptor.hpp>
#include <boost/asio/steady_timer.hpp>
#include <cerrno>
#include <csignal>
#include <cstring>
#include <map>
#include <string_view>
#include <unordered_map>
#include <utility>

#include "base/service_port.h"

namespace tipstaff {
namespace {

namespace asio = boost::asio;
using std::chrono::milliseconds;

constexpr std::size_t kMostOfRun = 1'000;      // lines, but for the first run, which is told everything
constexpr std::size_t kMostWaiting = 200'000;  // lines
constexpr milliseconds kLongestPause{60'000};
constexpr milliseconds kGather{5};  // what comes so close together shares a run

// Nothing in a line but addresses, numbers and times, so nothing has to be escaped.
std::string line_of(std::string_view action, const BlockKey& key) {
  const std::string port =
      key.is_service() ? fmt::format("\"{}\"", ServicePort{key.protocol, key.port}.to_string()) : "null";
  return fmt::format(R"({{"action":"{}","network":"{}","port":{})", action, key.network.to_string(), port);
}

std::string block_line(const BlockKey& key, Instant until) {
  if (until == kForever) return line_of("block", key) + ",\"until\":null,\"until_unix\":null}\n";
  const auto seconds = std::chrono::floor<std::chrono::seconds>(until).time_since_epoch().count();
  return fmt::format("{},\"until\":\"{}\",\"until_unix\":{}}}\n", line_of("block", key), to_rfc3339(until), seconds);
}

std::string unblock_line(const BlockKey& key) { return line_of("unblock", key) + "}\n"; }

}  // namespace

struct CommandBackend::State : std::enable_shared_from_this<State> {
  State(asio::io_context& loop, CommandOptions options_, BackendHandlers handlers_)
      : options(std::move(options_)),
        handlers(std::move(handlers_)),
        input(loop),
        process(loop),
        retry(loop),
        limit(loop),
        gather(loop),
        next_end(loop),
        pause(options.first_pause) {}

  struct Line {
    std::string text;
    BlockKey key;
    bool blocks = false;
  };

  // --- what is to be told ---

  void connect() {
    connected = true;
    sync = true;
    ends.clear();
    due.clear();
    waiting.clear();
    if (handlers.connected) handlers.connected({});
    run_soon();
  }

  void tell(Line line) {
    if (!connected) return;
    waiting.push_back(std::move(line));
    if (waiting.size() > kMostWaiting) return fail_later("more changes wait than it can take");
    run_soon();
  }

  void run_soon() {
    if (running || gathering) return;
    gathering = true;
    gather.expires_after(kGather);
    gather.async_wait([weak = weak_from_this()](const boost::system::error_code& error) {
      const auto self = weak.lock();
      if (!self || error) return;
      self->gathering = false;
      self->run();
    });
  }

  void set_end(const BlockKey& key, Instant until) {
    drop_end(key);
    if (until == kForever) return;
    ends.emplace(key, due.emplace(until, key));
    wait_for_end();
  }
  void drop_end(const BlockKey& key) {
    const auto known = ends.find(key);
    if (known == ends.end()) return;
    due.erase(known->second);
    ends.erase(known);
  }

  void wait_for_end() {
    if (due.empty()) return;
    const auto left = std::chrono::ceil<milliseconds>(due.begin()->first - options.clock());
    next_end.expires_after(std::clamp(left, milliseconds(1), milliseconds(std::chrono::hours(1))));
    next_end.async_wait([weak = weak_from_this()](const boost::system::error_code& error) {
      const auto self = weak.lock();
      if (!self || error) return;
      self->end_those_over();
    });
  }

  void end_those_over() {
    std::vector<Entry> over;
    const Instant now = options.clock();
    while (!due.empty() && due.begin()->first <= now) {
      const BlockKey key = due.begin()->second;
      over.push_back({key, due.begin()->first, 0, EntryResult::good});
      drop_end(key);
      tell({unblock_line(key), key, false});
    }
    if (!over.empty() && handlers.ended) handlers.ended(over);
    wait_for_end();
  }

  // --- runs ---

  void run() {
    if (running || !connected || (waiting.empty() && !sync)) return;
    std::string text;
    keys.clear();
    const std::size_t count = sync ? waiting.size() : std::min(waiting.size(), kMostOfRun);
    if (std::exchange(sync, false)) text = "{\"action\":\"sync\"}\n";
    for (std::size_t i = 0; i < count; ++i) {
      text += waiting[i].text;
      if (waiting[i].blocks) keys.push_back(waiting[i].key);
    }
    waiting.erase(waiting.begin(), waiting.begin() + static_cast<std::ptrdiff_t>(count));
    std::array<int, 2> pipe{};
    if (::pipe2(pipe.data(), O_CLOEXEC) != 0) return failed(fmt::format("no pipe: {}", std::strerror(errno)));
    const int why = spawn(pipe[0]);
    ::close(pipe[0]);
    if (why != 0) {
      ::close(pipe[1]);
      return failed(fmt::format("it cannot be started: {}", std::strerror(why)));
    }
    ::fcntl(pipe[1], F_SETFL, O_NONBLOCK);
    input.assign(pipe[1]);
    output = std::move(text);
    written = 0;
    running = true;
    write();
    wait_for_its_end();
    limit.expires_after(options.timeout);
    limit.async_wait([weak = weak_from_this()](const boost::system::error_code& error) {
      const auto self = weak.lock();
      if (!self || error || !self->running) return;
      self->timed_out = true;
      ::kill(-self->pid, SIGKILL);
    });
  }

  // Gives an error number; 0: it runs.
  int spawn(int standard_input) {
    posix_spawn_file_actions_t files;
    posix_spawn_file_actions_init(&files);
    posix_spawn_file_actions_adddup2(&files, standard_input, STDIN_FILENO);
    posix_spawn_file_actions_addopen(&files, STDOUT_FILENO, "/dev/null", O_WRONLY, 0);
    posix_spawnattr_t about;
    posix_spawnattr_init(&about);
    sigset_t none;
    sigset_t all;
    sigemptyset(&none);
    sigfillset(&all);
    posix_spawnattr_setsigmask(&about, &none);
    posix_spawnattr_setsigdefault(&about, &all);
    posix_spawnattr_setpgroup(&about, 0);  // what it starts is killed with it
    posix_spawnattr_setflags(&about, POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF | POSIX_SPAWN_SETPGROUP);
    std::vector<char*> arguments;
    for (std::string& argument : options.command) arguments.push_back(argument.data());
    arguments.push_back(nullptr);
    std::string path = "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";
    std::array<char*, 2> environment = {path.data(), nullptr};
    const int why =
        ::posix_spawn(&pid, options.command.front().c_str(), &files, &about, arguments.data(), environment.data());
    posix_spawnattr_destroy(&about);
    posix_spawn_file_actions_destroy(&files);
    return why;
  }

  void write() {
    while (written < output.size()) {
      const ssize_t sent = ::write(input.native_handle(), output.data() + written, output.size() - written);
      if (sent > 0) {
        written += static_cast<std::size_t>(sent);
      } else if (errno == EAGAIN) {
        input.async_wait(asio::posix::stream_descriptor::wait_write,
                         [weak = weak_from_this()](const boost::system::error_code& error) {
                           const auto self = weak.lock();
                           if (self && !error && self->input.is_open()) self->write();
                         });
        return;
      } else if (errno != EINTR) {
        break;  // it has closed its input: how it ends tells the rest
      }
    }
    boost::system::error_code ignored;
    input.close(ignored);
  }

  void wait_for_its_end() {
    const auto file = static_cast<int>(::syscall(SYS_pidfd_open, pid, 0));  // glibc 2.36 declares it for C alone
    if (file < 0) {  // it cannot be watched: that is a failure, and it is not left behind
      ::kill(-pid, SIGKILL);
      reap();
      return;
    }
    process.assign(file);
    process.async_wait(asio::posix::stream_descriptor::wait_read,
                       [weak = weak_from_this()](const boost::system::error_code& error) {
                         const auto self = weak.lock();
                         if (self && !error) self->reap();
                       });
  }

  void reap() {
    int status = 0;
    while (::waitpid(pid, &status, 0) < 0 && errno == EINTR) {
    }
    boost::system::error_code ignored;
    process.close(ignored);
    input.close(ignored);
    limit.cancel();
    running = false;
    const bool late = std::exchange(timed_out, false);
    if (late) return failed(fmt::format("it did not end within {} s", options.timeout.count() / 1'000));
    if (!WIFEXITED(status) || WEXITSTATUS(status) != 0) {
      return failed(WIFEXITED(status) ? fmt::format("it ended with exit code {}", WEXITSTATUS(status))
                                      : fmt::format("signal {} ended it", WTERMSIG(status)));
    }
    pause = options.first_pause;
    told_lost = false;
    if (!keys.empty() && handlers.in_force) handlers.in_force(keys);
    if (connected && !waiting.empty()) run_soon();
  }

  void fail_later(std::string why) {
    failure = std::move(why);
    retry.expires_after(milliseconds(0));
    retry.async_wait([weak = weak_from_this()](const boost::system::error_code& error) {
      const auto self = weak.lock();
      if (self && !error && !self->failure.empty()) self->failed(std::exchange(self->failure, {}));
    });
    connected = false;
    waiting.clear();
  }

  // Everything is told again.
  void failed(const std::string& why) {
    connected = false;
    waiting.clear();
    if (!std::exchange(told_lost, true) && handlers.lost)
      handlers.lost({ErrorKind::unavailable, why, options.command.front()});
    retry.expires_after(pause);
    pause = std::min(pause * 2, kLongestPause);
    wait_to_connect();
  }

  void wait_to_connect() {
    retry.async_wait([weak = weak_from_this()](const boost::system::error_code& error) {
      const auto self = weak.lock();
      if (!self || error) return;
      if (!self->running) return self->connect();
      self->retry.expires_after(self->options.first_pause);
      self->wait_to_connect();
    });
  }

  CommandOptions options;
  BackendHandlers handlers;
  asio::posix::stream_descriptor input;    // of the program
  asio::posix::stream_descriptor process;  // readable when it has ended
  asio::steady_timer retry, limit, gather, next_end;
  milliseconds pause;
  bool connected = false;
  bool running = false;
  bool gathering = false;
  bool sync = false;  // the next run is told everything
  bool told_lost = false;
  bool timed_out = false;
  pid_t pid = 0;
  std::string output, failure;
  std::size_t written = 0;
  std::vector<Line> waiting;
  std::vector<BlockKey> keys;  // that the run sets
  std::multimap<Instant, BlockKey> due;
  std::unordered_map<BlockKey, std::multimap<Instant, BlockKey>::iterator> ends;
};

CommandBackend::CommandBackend(asio::io_context& loop, CommandOptions options, BackendHandlers handlers)
    : state_(std::make_shared<State>(loop, std::move(options), std::move(handlers))) {}

CommandBackend::~CommandBackend() {
  State& state = *state_;
  state.connected = false;
  for (asio::steady_timer* timer : {&state.retry, &state.limit, &state.gather, &state.next_end}) timer->cancel();
  boost::system::error_code ignored;
  state.process.close(ignored);
  state.input.close(ignored);
  if (!state.running) return;
  ::kill(-state.pid, SIGKILL);
  while (::waitpid(state.pid, nullptr, 0) < 0 && errno == EINTR) {
  }
}

void CommandBackend::start() {
  state_->retry.expires_after(milliseconds(0));
  state_->wait_to_connect();
}

bool CommandBackend::is_connected() const { return state_->connected; }

void CommandBackend::block(std::span<const FirewallBlock> blocks) {
  for (const FirewallBlock& block : blocks) {
    state_->set_end(block.key, block.until);
    state_->tell({block_line(block.key, block.until), block.key, true});
  }
}

void CommandBackend::unblock(std::span<const BlockKey> keys) {
  for (const BlockKey& key : keys) {
    state_->drop_end(key);
    state_->tell({unblock_line(key), key, false});
  }
}

void CommandBackend::allow(std::span<const IpNetwork> networks) {
  std::string list;
  for (const IpNetwork& network : networks)
    list += fmt::format("{}\"{}\"", list.empty() ? "" : ",", network.to_string());
  state_->tell({fmt::format("{{\"action\":\"allow\",\"networks\":[{}]}}\n", list), {}, false});
}

void CommandBackend::list(std::function<void(std::vector<FirewallBlock>)> /*answer*/) {}

}  // namespace tipstaff
