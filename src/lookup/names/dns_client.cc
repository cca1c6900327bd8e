// A channel of c-ares is made anew now and then while nothing is asked: so it has other ports, and takes up another
// /etc/resolv.conf.
#include "lookup/names/dns_client.h"

#include <ares.h>
#include <fmt/format.h>
#include <poll.h>
#include <sys/time.h>

#include <algorithm>
#include <array>
#include <cstdint>
#include <utility>

#include "lookup/resolver.h"

namespace tipstaff {
namespace {

using Steady = std::chrono::steady_clock;
using std::chrono::milliseconds;

constexpr std::chrono::seconds kChannelAge{60};
constexpr int kPacket = 1232;  // bytes of an answer by UDP that no link breaks up

struct Library {
  Library() : good(::ares_library_init(ARES_LIB_INIT_ALL) == ARES_SUCCESS) {}
  ~Library() {
    if (good) ::ares_library_cleanup();
  }
  Library(const Library&) = delete;
  Library& operator=(const Library&) = delete;
  bool good;
};

}  // namespace

struct DnsClient::State {
  struct Asked {
    State* state;
    DnsQuestion question;
  };

  DnsClientOptions options;
  Answered answered;
  std::string servers;  // as c-ares wants them
  Library library;
  ares_channel channel = nullptr;
  Steady::time_point made{};
  std::size_t in_flight = 0;
  std::vector<std::pair<DnsQuestion, DnsAnswer>> arrived;

  ~State() {
    if (channel != nullptr) ::ares_destroy(channel);  // gives up what is out, by take()
  }

  Result<void> make_channel() {
    ares_options wanted{};
    wanted.flags = ARES_FLAG_NOSEARCH | ARES_FLAG_NOALIASES | ARES_FLAG_EDNS;
    wanted.timeout = static_cast<int>(options.timeout.count());
    wanted.tries = static_cast<int>(options.tries);
    wanted.ednspsz = kPacket;
    char lookups[] = "b";
    wanted.lookups = lookups;
    constexpr int kWanted = ARES_OPT_FLAGS | ARES_OPT_TIMEOUTMS | ARES_OPT_TRIES | ARES_OPT_EDNSPSZ | ARES_OPT_LOOKUPS;
    ares_channel fresh = nullptr;
    int code = ::ares_init_options(&fresh, &wanted, kWanted);
    if (code == ARES_SUCCESS && !servers.empty()) code = ::ares_set_servers_ports_csv(fresh, servers.c_str());
    if (code != ARES_SUCCESS) {
      if (fresh != nullptr) ::ares_destroy(fresh);
      return fail(ErrorKind::unavailable, fmt::format("DNS cannot be asked: {}", ::ares_strerror(code)));
    }
    if (channel != nullptr) ::ares_destroy(channel);
    channel = fresh;
    made = Steady::now();
    return {};
  }

  static void take(void* argument, int status, int /*timeouts*/, unsigned char* bytes, int size) {
    const std::unique_ptr<Asked> asked(static_cast<Asked*>(argument));
    State& state = *asked->state;
    --state.in_flight;
    DnsAnswer answer;
    if (bytes != nullptr && size > 0) {
      auto read =
          read_dns_answer({reinterpret_cast<const char*>(bytes), static_cast<std::size_t>(size)}, asked->question);
      if (read) {
        answer = std::move(*read);
      } else {
        answer.problem = read.error().text;
      }
    } else {
      answer.problem = status == ARES_ETIMEOUT ? "no answer" : ::ares_strerror(status);
    }
    state.arrived.emplace_back(asked->question, std::move(answer));
  }
};

DnsClient::DnsClient(std::unique_ptr<State> state) : state_(std::move(state)) {}
DnsClient::~DnsClient() = default;

Result<std::unique_ptr<DnsClient>> DnsClient::open(DnsClientOptions options, Answered answered) {
  auto state = std::make_unique<State>();
  if (options.servers.size() > kMostDnsServers)
    return fail(ErrorKind::invalid, fmt::format("there are more than {} DNS servers", kMostDnsServers));
  for (const std::string& text : options.servers) {
    const auto server = dns_server_of(text);
    if (!server)
      return fail(ErrorKind::invalid,
                  fmt::format("\"{}\" is no DNS server; write \"192.0.2.53\" or \"[2001:db8::53]:53\"", text));
    state->servers += (state->servers.empty() ? "" : ",") + *server;
  }
  options.tries = std::clamp(options.tries, 1U, 5U);
  options.timeout = std::clamp(options.timeout, milliseconds(10), milliseconds(60'000));
  state->options = std::move(options);
  state->answered = std::move(answered);
  if (!state->library.good) return fail(ErrorKind::unavailable, "c-ares cannot be used");
  if (auto made = state->make_channel(); !made) return std::unexpected(made.error());
  return std::unique_ptr<DnsClient>(new DnsClient(std::move(state)));
}

void DnsClient::ask(const DnsQuestion& question) {
  State& state = *state_;
  if (state.in_flight == 0 && Steady::now() - state.made > kChannelAge) std::ignore = state.make_channel();
  ++state.in_flight;
  constexpr int kInternet = 1;
  auto asked = std::make_unique<State::Asked>(State::Asked{&state, question});
  ::ares_query(state.channel, question.name.c_str(), kInternet, static_cast<int>(question.type), &State::take,
               asked.get());
  std::ignore = asked.release();  // take() has it, or will
}

void DnsClient::wait(int wake, milliseconds longest) {
  State& state = *state_;
  if (state.arrived.empty()) {
    std::array<ares_socket_t, ARES_GETSOCK_MAXNUM> sockets{};
    const int wanted = ::ares_getsock(state.channel, sockets.data(), ARES_GETSOCK_MAXNUM);
    const auto bits = static_cast<unsigned>(wanted);
    std::vector<pollfd> polled;
    for (unsigned i = 0; i < ARES_GETSOCK_MAXNUM; ++i) {
      const bool reads = (bits >> i & 1U) != 0;
      const bool writes = (bits >> (i + ARES_GETSOCK_MAXNUM) & 1U) != 0;
      if (reads || writes)
        polled.push_back({sockets[i], static_cast<short>((reads ? POLLIN : 0) | (writes ? POLLOUT : 0)), 0});
    }
    const std::size_t own = polled.size();
    if (wake >= 0) polled.push_back({wake, POLLIN, 0});
    timeval most{static_cast<time_t>(longest.count() / 1000), static_cast<suseconds_t>(longest.count() % 1000 * 1000)};
    timeval room{};
    const timeval* const until = ::ares_timeout(state.channel, &most, &room);
    const auto pause = static_cast<int>(until->tv_sec * 1000 + (until->tv_usec + 999) / 1000);
    ::poll(polled.data(), polled.size(), pause);
    for (std::size_t i = 0; i < own; ++i) {
      const auto events = static_cast<unsigned>(polled[i].revents);
      const bool reads = (events & static_cast<unsigned>(POLLIN | POLLERR | POLLHUP)) != 0;
      const bool writes = (events & static_cast<unsigned>(POLLOUT | POLLERR | POLLHUP)) != 0;
      if (reads || writes) {
        ::ares_process_fd(state.channel, reads ? polled[i].fd : ARES_SOCKET_BAD,
                          writes ? polled[i].fd : ARES_SOCKET_BAD);
      }
    }
    ::ares_process_fd(state.channel, ARES_SOCKET_BAD, ARES_SOCKET_BAD);  // what has waited too long
  }
  for (auto& [question, answer] : std::exchange(state.arrived, {})) state.answered(question, std::move(answer));
}

std::size_t DnsClient::in_flight() const { return state_->in_flight; }

}  // namespace tipstaff
