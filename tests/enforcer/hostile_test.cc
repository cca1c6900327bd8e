// Whoever holds the socket, and whoever does not: garbage, floods, silence and wrong users do the enforcer no harm, and what
// its rights were taken for it does not have any more.
#include "tests/enforcer/program.h"

#include <random>
#include <set>

namespace tipstaff {
namespace {

using std::chrono::milliseconds;

class EnforcerHostile : public testing::Test {
 protected:
  Network host;
  EnforcerProgram program{host};

  // An honest guard is served, whatever went before.
  void expect_service() {
    EnforcerPeer guard(program.socket());
    const BlockKey key = key_of("203.0.113.200");
    EXPECT_TRUE(guard.ask(block_message({key})).entries.empty());
    EXPECT_TRUE(guard.find(key));
    EXPECT_EQ(guard.ask(unblock_message({key})).entries.at(0).result, EntryResult::good);
    EXPECT_TRUE(program.is_running());
  }
};

TEST_F(EnforcerHostile, GarbageEndsTheConnectionAndNothingElse) {
  const unsigned seed = std::random_device()();
  SCOPED_TRACE(seed);
  std::mt19937 dice(seed);
  const std::string good = encode(block_message({key_of("203.0.113.1"), key_of("2001:db8::1", 17, 53)}));
  for (int i = 0; i < 300; ++i) {
    std::string packet = good;
    if (i % 3 == 0) {
      packet.resize(dice() % 70'000);
      for (char& byte : packet) byte = static_cast<char>(dice());
    } else {
      packet[dice() % 12] = static_cast<char>(dice());
      packet.resize(packet.size() - dice() % 3);
    }
    if (packet.empty()) continue;
    EnforcerPeer peer(program.socket(), false, i % 2 == 0);
    ASSERT_TRUE(peer.connected());
    ASSERT_TRUE(peer.send_bytes(packet));
    if (decode(packet)) continue;
    const auto said = peer.receive();
    ASSERT_TRUE(said);
    EXPECT_EQ(said->type, MessageType::denied);
    EXPECT_FALSE(peer.receive()) << "the connection ends";
  }
  expect_service();
}

TEST_F(EnforcerHostile, OnlyRootAndTheGuardMaySpeak) {
  ASSERT_EQ(::chmod(std::string(program.socket()).c_str(), 0666), 0);
  ASSERT_EQ(::chmod(std::string(program.socket().substr(0, program.socket().rfind('/'))).c_str(), 0755), 0);
  EnforcerPeer stranger(program.socket(), false, false, 65'533);
  ASSERT_TRUE(stranger.connected());
  const auto said = stranger.receive();
  ASSERT_TRUE(said);
  EXPECT_EQ(said->type, MessageType::denied);
  EXPECT_TRUE(said->text.contains("65533")) << said->text;
  EXPECT_FALSE(stranger.receive());
  EnforcerPeer guard(program.socket(), false, true, 65'534);
  EXPECT_EQ(guard.ask({.type = MessageType::status}).type, MessageType::done);
  const Message clear = guard.ask({.type = MessageType::clear});
  EXPECT_EQ(clear.type, MessageType::denied);
  EXPECT_TRUE(clear.text.contains("root")) << clear.text;
  EXPECT_TRUE(host.command("nft list tables").contains("inet tipstaff"));
}

TEST_F(EnforcerHostile, OrderAndDirectionAreKept) {
  for (const MessageType type : {MessageType::block, MessageType::list, MessageType::status, MessageType::done}) {
    EnforcerPeer peer(program.socket(), false, false);
    EXPECT_EQ(peer.ask({.type = type}).type, MessageType::denied) << "hello comes first";
    EXPECT_FALSE(peer.receive());
  }
  EnforcerPeer peer(program.socket());
  EXPECT_EQ(peer.ask({.type = MessageType::hello}).type, MessageType::denied);
  EXPECT_EQ(peer.ask({.type = MessageType::ended}).type, MessageType::denied);
  EXPECT_FALSE(peer.receive());
  expect_service();
}

TEST_F(EnforcerHostile, ConnectionsAreBounded) {
  std::vector<std::unique_ptr<EnforcerPeer>> peers;
  for (int i = 0; i < 16; ++i) peers.push_back(std::make_unique<EnforcerPeer>(program.socket()));
  EnforcerPeer more(program.socket(), false, false);
  const auto said = more.receive();
  ASSERT_TRUE(said);
  EXPECT_EQ(said->type, MessageType::denied);
  peers.pop_back();
  EXPECT_TRUE(comes_true([&] {
    EnforcerPeer next(program.socket(), false, false);
    return next.send({.type = MessageType::hello}) &&
           next.receive().value_or(Message{.type = MessageType::denied}).type == MessageType::done;
  }));
}

// It asks and asks, and never reads: others are served meanwhile, and memory stays.
TEST_F(EnforcerHostile, AFloodThatIsNeverReadHoldsNobodyUp) {
  EnforcerPeer guard(program.socket());
  block_many(guard, 5'000);
  EnforcerPeer flood(program.socket());
  ASSERT_EQ(::fcntl(flood.file(), F_SETFL, O_NONBLOCK), 0);
  for (int round = 0; round < 50; ++round) {
    for (int i = 0; i < 200; ++i) flood.send({.type = MessageType::list});
    ASSERT_EQ(guard.ask({.type = MessageType::status}).type, MessageType::done);
  }
  EXPECT_LT(program.memory("VmRSS"), 200'000);
  expect_service();
}

// Seccomp and capabilities, as the kernel tells of them.
TEST_F(EnforcerHostile, ItsRightsAreFew) {
  const std::string status = read_file("/proc/" + std::to_string(program.process()) + "/status");
  const auto field = [&](const std::string& name) {
    const std::size_t at = status.find("\n" + name + ":\t") + name.size() + 3;
    return status.substr(at, status.find('\n', at) - at);
  };
  for (const char* const set : {"CapPrm", "CapEff"}) EXPECT_EQ(field(set), "0000000000001000") << set;  // bit 12
  for (const char* const set : {"CapInh", "CapAmb", "CapBnd"}) EXPECT_EQ(field(set), "0000000000000000") << set;
  EXPECT_EQ(field("NoNewPrivs"), "1");
  EXPECT_EQ(field("Seccomp"), "2");
}

TEST_F(EnforcerHostile, OnlyOneListensAtASocket) {
  const Network::Inside inside(host);
  const Said second = run({TIPSTAFF_ENFORCER_BINARY, "--socket", program.socket(), "--allowlist", program.allowlist()});
  EXPECT_EQ(second.code, 1);
  EXPECT_TRUE(second.err.contains("another enforcer")) << second.err;
  expect_service();
}

// The program with the right loads what the firewall, its rights and text need, and nothing that reads anybody's files.
TEST(EnforcerProgramFile, LoadsFewLibraries) {
  const std::set<std::string> allowed = {
      "libmnl",    "libnftnl",   "libcap-ng",       "libseccomp",       "libc", "libm", "libgcc_s",
      "libstdc++", "linux-vdso", "ld-linux-x86-64", "ld-linux-aarch64",
#ifdef __SANITIZE_ADDRESS__
      "libasan",   "libubsan",
#endif
  };
  const Said said = run({"ldd", TIPSTAFF_ENFORCER_BINARY});
  ASSERT_EQ(said.code, 0) << said.err;
  std::set<std::string> loaded;
  for (std::size_t at = 0; at < said.out.size(); at = said.out.find('\n', at) + 1) {
    std::string name = said.out.substr(at, said.out.find(".so", at) - at);
    name = name.substr(name.find_last_of("/\t ") + 1);
    EXPECT_TRUE(allowed.contains(name)) << name << " is new: is it needed next to the firewall?";
    loaded.insert(name);
  }
  for (const char* const needed : {"libmnl", "libnftnl", "libcap-ng", "libseccomp"})
    EXPECT_TRUE(loaded.contains(needed));
}

TEST(EnforcerProgramFile, WrongUseIsSaid) {
  const auto says = [](std::vector<std::string> options, const char* what) {
    options.insert(options.begin(), TIPSTAFF_ENFORCER_BINARY);
    const Said said = run(options);
    EXPECT_EQ(said.code, 2) << said.out;
    EXPECT_TRUE(said.err.contains(what)) << said.err;
  };
  says({"--sockett=x"}, "did you mean --socket?");
  says({"--socket"}, "--socket wants a value");
  says({"--keep-established=yes"}, "takes no value");
  says({"--user", "no-such-account"}, "there is no such account");
  says({"--allowlist", "relative"}, "must begin with /");
  const TemporaryFolder folder;
  const std::string file = folder.file("allowlist", "192.0.2.1\noffice\n");
  ASSERT_EQ(::chmod(file.c_str(), 0644), 0);
  says({"--allowlist", file}, ":2: 'office' is no address");
  ASSERT_EQ(::chmod(file.c_str(), 0666), 0);
  says({"--allowlist", file}, "others than root may write here");
  const Said help = run({TIPSTAFF_ENFORCER_BINARY, "--help"});
  EXPECT_EQ(help.code, 0);
  for (const char* const option : {"--socket", "--user", "--group", "--allowlist", "--keep-established", "--version"}) {
    EXPECT_TRUE(help.out.contains(option)) << option;
  }
  EXPECT_EQ(run({TIPSTAFF_ENFORCER_BINARY, "--version"}).out, "tipstaff-enforcer 0.1.0\n");
}

}  // namespace
}  // namespace tipstaff
