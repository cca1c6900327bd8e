// Syslog over TLS (RFC 5425): certificates made here, senders on the receiver's own loop.
#include <gtest/gtest.h>
#include <sys/stat.h>

#include <boost/asio/generic/stream_protocol.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/ssl/context.hpp>
#include <boost/asio/ssl/stream.hpp>
#include <boost/asio/write.hpp>
#include <chrono>
#include <cstdio>
#include <memory>
#include <string>
#include <vector>

#include "sources/file_testing.h"
#include "sources/syslog_testing.h"
#include "tests/certificate.h"

namespace tipstaff {
namespace {

namespace asio = boost::asio;
namespace ssl = boost::asio::ssl;
using boost::system::error_code;
using Lines = std::vector<std::string>;

SyslogOptions tls_options(const TestFolder& folder) {
  SyslogOptions options = *parse_syslog_listener("tls:127.0.0.1:0");
  options.certificate = folder / "server.pem";
  options.key = folder / "server.key";
  return options;
}

// Sends over TLS, on the loop of the receiver.
class TlsSender {
 public:
  // `certificate`: which it shows, none where empty.
  TlsSender(TestReceiver& receiver, const TestFolder& folder, const std::string& certificate = {})
      : context_(ssl::context::tls_client) {
    context_.load_verify_file(folder / "server.pem");
    if (!certificate.empty()) {
      context_.use_certificate_chain_file(folder / (certificate + ".pem"));
      context_.use_private_key_file(folder / (certificate + ".key"), ssl::context::pem);
    }
    stream_ = std::make_unique<ssl::stream<asio::ip::tcp::socket>>(receiver.loop, context_);
    stream_->set_verify_mode(ssl::verify_peer);
    stream_->lowest_layer().connect({asio::ip::make_address("127.0.0.1"), receiver->port()});
  }

  // The bytes are sent as soon as the handshake is over.
  void send(std::string bytes) {
    bytes_ = std::move(bytes);
    stream_->async_handshake(ssl::stream_base::client, [this](error_code error) {
      if (!error) asio::async_write(*stream_, asio::buffer(bytes_), [](error_code, std::size_t) {});
    });
  }
  void send_more(std::string bytes) {
    bytes_ = std::move(bytes);
    asio::async_write(*stream_, asio::buffer(bytes_), [](error_code, std::size_t) {});
  }
  void finish() { stream_->lowest_layer().close(); }

 private:
  ssl::context context_;
  std::unique_ptr<ssl::stream<asio::ip::tcp::socket>> stream_;
  std::string bytes_;
};

TEST(SyslogTls, MessagesOfRfc5425Arrive) {
  const TestFolder folder;
  make_certificate(folder / ".", "server");
  TestReceiver receiver(tls_options(folder));
  receiver.start();
  EXPECT_EQ(receiver->health().sentence, "");
  TlsSender sender(receiver, folder);
  std::string many;
  for (int i = 0; i < 5'000; ++i) many += "8 <13>abcd";
  sender.send(many + "70000 <13>" + std::string(69'996, 'x'));
  ASSERT_TRUE(receiver.until_got(5'001));
  EXPECT_EQ(receiver.got[4'999].line, "<13>abcd");
  EXPECT_TRUE(receiver.got[5'000].cut);
  EXPECT_FALSE(receiver.got[0].untrusted);
  sender.send_more("500 <13>half");
  receiver.run_due();
  sender.finish();
  ASSERT_TRUE(receiver.until([&] { return receiver->connections() == 0; }));
  EXPECT_EQ(receiver.got.back().line, "<13>half");
  EXPECT_TRUE(receiver.got.back().cut);
}

TEST(SyslogTls, SendersMustShowACertificateOfTheAuthority) {
  const TestFolder folder;
  make_certificate(folder / ".", "server");
  make_certificate(folder / ".", "authority");
  make_certificate(folder / ".", "client", {.issuer = "authority"});
  make_certificate(folder / ".", "stranger");
  SyslogOptions options = tls_options(folder);
  options.client_ca = folder / "authority.pem";
  TestReceiver receiver(options);
  receiver.start();
  std::uint64_t failed = 0;
  for (const std::string certificate : {"", "stranger"}) {
    TlsSender sender(receiver, folder, certificate);
    sender.send("8 <13>evil");
    ++failed;
    ASSERT_TRUE(receiver.until([&] { return receiver->counters().handshake_failed == failed; })) << certificate;
    receiver.run_due();
  }
  EXPECT_NE(receiver->health().sentence.find("2 TLS handshakes failed (last: "), std::string::npos);
  TlsSender sender(receiver, folder, "client");
  sender.send("8 <13>good");
  ASSERT_TRUE(receiver.until_got(1));
  EXPECT_EQ(receiver.lines(), Lines{"<13>good"});
}

TEST(SyslogTls, WhoeverDoesNotFinishTheHandshakeIsClosed) {
  const TestFolder folder;
  make_certificate(folder / ".", "server");
  SyslogOptions options = tls_options(folder);
  TestReceiver plain(options);
  const TestSender text = TestSender::tcp(plain.start().port());
  text.send("<13>this is no TLS\n");
  ASSERT_TRUE(plain.until([&] { return plain->counters().handshake_failed == 1; }));
  EXPECT_TRUE(plain.got.empty());

  options.handshake = std::chrono::milliseconds(1);
  TestReceiver receiver(options);
  const TestSender silent = TestSender::tcp(receiver.start().port());
  ASSERT_TRUE(receiver.until([&] { return receiver->counters().handshake_late == 1; }));
  EXPECT_TRUE(silent.is_closed());
  EXPECT_EQ(receiver->connections(), 0U);
}

TEST(SyslogTls, EndsInTheMiddleOfHandshakes) {
  const TestFolder folder;
  make_certificate(folder / ".", "server");
  TestReceiver receiver(tls_options(folder));
  receiver.start();
  TlsSender sender(receiver, folder);
  sender.send("8 <13>abcd");
  const TestSender silent = TestSender::tcp(receiver->port());
  ASSERT_TRUE(receiver.until([&] { return receiver->connections() == 2; }));
  receiver.end();
  receiver.run_due();
  EXPECT_TRUE(silent.is_closed());
}

TEST(SyslogTls, WrongFilesAreNamedWithWhatToDo) {
  TestFolder folder;
  make_certificate(folder / ".", "server");
  make_certificate(folder / ".", "other");
  folder.append(folder.open("garbage"), "no PEM");
  const struct {
    std::string certificate, key, client_ca;
    std::string said;
  } cases[] = {
      {folder / "none.pem", folder / "server.key", "", (folder / "none.pem") + " cannot be read (No such file"},
      {folder / "garbage", folder / "server.key", "", (folder / "garbage") + " cannot be used as the server's cert"},
      {folder / "server.pem", folder / "none.key", "", (folder / "none.key") + " cannot be read"},
      {folder / "server.pem", folder / "other.key", "", (folder / "other.key") + " cannot be used as the private key"},
      {folder / "server.pem", folder / "server.key", folder / "garbage", "as the certificate of the senders' CA"},
  };
  for (const auto& one : cases) {
    SyslogOptions options = tls_options(folder);
    options.certificate = one.certificate;
    options.key = one.key;
    options.client_ca = one.client_ca;
    TestReceiver receiver(options);
    receiver.start();
    EXPECT_EQ(receiver->health().state, SourceHealth::State::unreadable);
    EXPECT_NE(receiver->health().sentence.find(one.said), std::string::npos) << receiver->health().sentence;
  }
  SyslogReceiver without(*parse_syslog_listener("tls:127.0.0.1:0"), std::nullopt);
  asio::io_context loop;
  const auto started = without.start(loop, [](const Record&) {});
  ASSERT_FALSE(started);
  EXPECT_NE(started.error().text.find("set syslog_certificate and syslog_key"), std::string::npos);
}

}  // namespace
}  // namespace tipstaff
