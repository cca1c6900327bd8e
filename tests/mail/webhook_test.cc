// Posting events to a real web server on loopback that does what it is told.
#include <gtest/gtest.h>

#include <chrono>
#include <string>

#include "mail/send/send.h"
#include "tests/certificate.h"
#include "tests/mail/web_server.h"
#include "tests/run.h"

namespace tipstaff {
namespace {

using namespace std::chrono_literals;
using Clock = std::chrono::steady_clock;

constexpr std::string_view kEvent = R"({"event":"alert","address":"192.0.2.7"})";

Webhook to(const WebServer& server) {
  Webhook made;
  made.url = "http://127.0.0.1:" + std::to_string(server.port()) + "/hooks/T0KEN?x=1";
  made.connect_timeout = 20s;
  made.total_timeout = 20s;
  return made;
}

WebServerOptions answering(std::string answer) {
  WebServerOptions made;
  made.answer = std::move(answer);
  return made;
}

void expect_says(const Sent& sent, const std::string& words) {
  EXPECT_TRUE(sent.said.contains(words)) << "\"" << sent.said << "\" lacks \"" << words << "\"";
  EXPECT_LE(sent.said.size(), kMostSaid);
  EXPECT_FALSE(sent.said.contains("T0KEN")) << sent.said;
  EXPECT_FALSE(sent.said.contains('\n'));
}

TEST(PostWebhook, ArrivesAsJson) {
  WebServer server;
  Webhook hook = to(server);
  hook.bearer_token = "s3cret";
  const Sent sent = post_webhook(hook, kEvent);
  EXPECT_EQ(sent.delivery, Delivery::sent);
  EXPECT_EQ(sent.said, "127.0.0.1 took it: HTTP 200: ok");
  ASSERT_EQ(server.posts().size(), 1U);
  const TakenPost post = server.posts()[0];
  EXPECT_EQ(post.body, kEvent);
  EXPECT_TRUE(post.head.starts_with("POST /hooks/T0KEN?x=1 HTTP/1.1\r\n")) << post.head;
  EXPECT_TRUE(post.head.contains("\r\nContent-Type: application/json\r\n")) << post.head;
  EXPECT_TRUE(post.head.contains("\r\nAuthorization: Bearer s3cret\r\n")) << post.head;
  EXPECT_FALSE(post.head.contains("Expect")) << post.head;
}

TEST(PostWebhook, ALargeEventAndOneWithNulBytes) {
  WebServer server;
  const std::string large = "{\"text\":\"" + std::string(3'000'000, 'x') + "\"}";
  EXPECT_EQ(post_webhook(to(server), large).delivery, Delivery::sent);
  const std::string nul("{\0}", 3);
  EXPECT_EQ(post_webhook(to(server), nul).delivery, Delivery::sent);
  EXPECT_EQ(post_webhook(to(server), "").delivery, Delivery::sent);
  ASSERT_EQ(server.posts().size(), 3U);
  EXPECT_TRUE(server.posts()[0].body == large);
  EXPECT_EQ(server.posts()[1].body, nul);
  EXPECT_FALSE(server.posts()[0].head.contains("Authorization"));
}

TEST(PostWebhook, TheStatusDecides) {
  const struct {
    std::string answer;
    Delivery delivery;
    std::string says;
  } cases[] = {
      {"HTTP/1.1 204 No Content\r\n\r\n", Delivery::sent, "took it: HTTP 204"},
      {"HTTP/1.0 201 Created\r\n\r\nid 7", Delivery::sent, "HTTP 201: id 7"},
      {"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n", Delivery::sent, "HTTP 200"},
      {"HTTP/1.1 400 Bad\r\nContent-Length: 11\r\n\r\nno \x1b[2J\r\nyes", Delivery::refused,
       "refuses it: HTTP 400: no \\x1b[2J y"},
      {"HTTP/1.1 401 No\r\nWWW-Authenticate: NTLM\r\nContent-Length: 0\r\n\r\n", Delivery::later, "see token_file"},
      {"HTTP/1.1 404 No\r\nContent-Length: 0\r\n\r\n", Delivery::later, "HTTP 404; see url in [webhook]"},
      {"HTTP/1.1 429 Slow\r\nContent-Length: 0\r\n\r\n", Delivery::later, "does not take it now: HTTP 429"},
      {"HTTP/1.1 500 Oh\r\nContent-Length: 0\r\n\r\n", Delivery::later, "HTTP 500"},
      {"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\ncut", Delivery::sent, "HTTP 200"},
      {"220 mail.example.com ESMTP\r\n", Delivery::later, "does not answer as a web server does"},
      {"", Delivery::later, "127.0.0.1: "},
      {"HTTP/1.1 ", Delivery::later, "127.0.0.1: "},
  };
  for (const auto& one : cases) {
    WebServer server(answering(one.answer));
    const Sent sent = post_webhook(to(server), kEvent);
    EXPECT_EQ(sent.delivery, one.delivery) << one.answer << sent.said;
    expect_says(sent, one.says);
    EXPECT_EQ(server.connections(), 1U);
  }
}

TEST(PostWebhook, RedirectionsAreNotFollowed) {
  WebServer elsewhere;
  for (const char* const status : {"301", "302", "307", "308"}) {
    WebServer server(answering("HTTP/1.1 " + std::string(status) + " Moved\r\nLocation: http://127.0.0.1:" +
                               std::to_string(elsewhere.port()) + "/\r\nContent-Length: 0\r\n\r\n"));
    const Sent sent = post_webhook(to(server), kEvent);
    EXPECT_EQ(sent.delivery, Delivery::later);
    expect_says(sent, "redirections are not followed");
  }
  EXPECT_EQ(elsewhere.connections(), 0U);
}

TEST(PostWebhook, EndlessSlowAndSilentAnswersEnd) {
  const auto timed = [](const WebServerOptions& options, std::chrono::milliseconds total) {
    WebServer server(options);
    Webhook hook = to(server);
    hook.total_timeout = total;
    const auto begin = Clock::now();
    const Sent sent = post_webhook(hook, kEvent);
    EXPECT_LT(Clock::now() - begin, total + 5s) << sent.said;
    return sent;
  };
  WebServerOptions options;
  options.silent = true;
  Sent sent = timed(options, 200ms);
  EXPECT_EQ(sent.delivery, Delivery::later);
  EXPECT_TRUE(sent.perhaps) << "all of it was given";
  expect_says(sent, "no answer in time");

  options = answering("HTTP/1.1 200 OK\r\n");
  options.pause = 100ms;
  EXPECT_EQ(timed(options, 300ms).delivery, Delivery::later);

  options = answering("HTTP/1.1 200 OK\r\n\r\n");
  options.then_for_ever = std::string(10'000, 'x');
  EXPECT_EQ(timed(options, 20s).delivery, Delivery::sent) << "the status is the answer";

  options = answering("HTTP/1.1 503 No\r\n\r\n");
  options.then_for_ever = std::string(10'000, 'x');
  EXPECT_EQ(timed(options, 20s).delivery, Delivery::later);

  for (const std::string endless : {"X-More: and more\r\n", "x", "HTTP/1.1 100 Continue\r\n\r\n"}) {
    options = answering("HTTP/1.1 100 Continue\r\nX: ");
    options.then_for_ever = endless;
    sent = timed(options, 20s);
    EXPECT_EQ(sent.delivery, Delivery::later) << endless << sent.said;
  }
}

TEST(PostWebhook, CertificatesAreChecked) {
  const TemporaryFolder folder;
  make_certificate(folder.path(), "server", {.names = "IP:127.0.0.1,DNS:localhost"});
  make_certificate(folder.path(), "other", {.names = "IP:127.0.0.1,DNS:localhost"});
  WebServerOptions options;
  options.certificate = folder.path() / "server.pem";
  options.key = folder.path() / "server.key";
  WebServer server(options);
  Webhook hook = to(server);
  hook.url = "https://127.0.0.1:" + std::to_string(server.port()) + "/hooks/T0KEN";
  hook.ca_file = options.certificate;
  EXPECT_EQ(post_webhook(hook, kEvent).delivery, Delivery::sent);
  hook.ca_file = folder.path() / "other.pem";
  Sent sent = post_webhook(hook, kEvent);
  EXPECT_EQ(sent.delivery, Delivery::later);
  expect_says(sent, "its certificate is not trusted: ");
  hook.ca_file.clear();
  EXPECT_EQ(post_webhook(hook, kEvent).delivery, Delivery::later);
  EXPECT_EQ(server.posts().size(), 1U);
}

TEST(PostWebhook, WhatIsNoUrlOfOursIsNotAsked) {
  const struct {
    const char* url;
    const char* says;
  } cases[] = {
      {"", "the URL cannot be used"},
      {"https://", "the URL cannot be used"},
      {"https://anna:s3cret@127.0.0.1/", "the URL cannot be used"},
      {"https://127.0.0.1/a b", "the URL cannot be used"},
      {"https://127.0.0.1/\r\nX: y", "the URL cannot be used"},
      {"file:///etc/passwd", "neither https:// nor http://"},
      {"smtp://127.0.0.1/", "neither https:// nor http://"},
      {"http://192.0.2.80/T0KEN", "192.0.2.80 would be told in plain text"},
      {"http://localhost.example.com/T0KEN", "would be told in plain text"},
      {"http://0177.0.0.1@192.0.2.80/T0KEN", "the URL cannot be used"},
  };
  for (const auto& one : cases) {
    Webhook hook;
    hook.url = one.url;
    hook.total_timeout = 5s;
    const Sent sent = post_webhook(hook, kEvent);
    EXPECT_EQ(sent.delivery, Delivery::later) << one.url;
    expect_says(sent, one.says);
    EXPECT_FALSE(sent.said.contains("s3cret")) << sent.said;
  }
  WebServer server;
  Webhook hook = to(server);
  hook.bearer_token = "a\r\nX-Evil: b";
  const Sent sent = post_webhook(hook, kEvent);
  EXPECT_EQ(sent.delivery, Delivery::later);
  expect_says(sent, "see token_file in [webhook]");
  EXPECT_EQ(server.connections(), 0U);
}

TEST(PostWebhook, TheTokenIsShownToNobodyElse) {
  WebServer server(answering("HTTP/1.1 403 No\r\n\r\nyour token s3cret-token is wrong"));
  Webhook hook = to(server);
  hook.bearer_token = "s3cret-token";
  const Sent sent = post_webhook(hook, kEvent);
  EXPECT_EQ(sent.delivery, Delivery::later);
  expect_says(sent, "HTTP 403: your token *** is wrong; see token_file");
}

TEST(PostWebhook, TheEnvironmentsProxyIsNotAsked) {
  WebServer server;
  WebServer proxy;
  ::setenv("http_proxy", ("http://127.0.0.1:" + std::to_string(proxy.port())).c_str(), 1);
  EXPECT_EQ(post_webhook(to(server), kEvent).delivery, Delivery::sent);
  ::unsetenv("http_proxy");
  EXPECT_EQ(proxy.connections(), 0U);
}

}  // namespace
}  // namespace tipstaff
