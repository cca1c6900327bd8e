// A mail's form: what stands in its header for ordinary messages, and what is refused. Hostile fields by the thousand are
// in tests/mail/compose_test.cc, where another program reads them back.
#include "mail/message.h"

#include <gtest/gtest.h>

#include <algorithm>

#include "base/text.h"
#include "mail/mime.h"

namespace tipstaff {
namespace {

MailMessage alert() {
  MailMessage message;
  message.from = "Tipstaff <tipstaff@example.com>";
  message.to = {"admin@example.com"};
  message.subject = "Blocked 192.0.2.7";
  message.text = "Somebody tried.\n";
  message.message_id = "1.alert@host.example.com";
  message.date = Instant(std::chrono::seconds(1'368'000'438));
  return message;
}

// The mail of alert() with a change, which must be possible.
template <class Change>
std::string composed(Change change) {
  MailMessage message = alert();
  change(message);
  const auto mail = compose(message);
  EXPECT_TRUE(mail.has_value()) << mail.error().text;
  return mail.value_or("");
}

std::string header_of(const std::string& mail, const std::string& name) {
  const std::size_t at = ("\r\n" + mail).find("\r\n" + name + ":");
  if (at == std::string::npos) return {};
  std::size_t end = mail.find("\r\n", at);
  while (end != std::string::npos && mail.compare(end + 2, 1, " ") == 0) end = mail.find("\r\n", end + 2);
  return mail.substr(at, end - at);
}

TEST(MailMessage, StandsOnTheWireLikeThis) {
  EXPECT_EQ(composed([](MailMessage& m) { m.own = {{"Class", "now"}}; }),
            "Date: Wed, 8 May 2013 08:07:18 +0000\r\n"
            "From: Tipstaff <tipstaff@example.com>\r\n"
            "To: admin@example.com\r\n"
            "Subject: Blocked 192.0.2.7\r\n"
            "Message-ID: <1.alert@host.example.com>\r\n"
            "Auto-Submitted: auto-generated\r\n"
            "X-Tipstaff-Class: now\r\n"
            "MIME-Version: 1.0\r\n"
            "Content-Type: text/plain; charset=utf-8\r\n"
            "Content-Transfer-Encoding: quoted-printable\r\n"
            "\r\n"
            "Somebody tried.\r\n");
}

TEST(MailMessage, HtmlStandsBesideTheText) {
  const std::string mail = composed([](MailMessage& m) { m.html = "<p>Somebody tried.</p>"; });
  const std::string type = header_of(mail, "Content-Type");
  const std::string quoted = "boundary=\"";
  const std::string mark = type.substr(type.find(quoted) + quoted.size(), type.size() - type.find(quoted) - 11);
  EXPECT_TRUE(type.starts_with("Content-Type: multipart/alternative;\r\n boundary=\"=_tipstaff_")) << type;
  const std::string body = mail.substr(mail.find("\r\n\r\n") + 4);
  EXPECT_EQ(body,
            "--" + mark +
                "\r\nContent-Type: text/plain; charset=utf-8\r\nContent-Transfer-Encoding: quoted-printable\r\n\r\n"
                "Somebody tried.\r\n\r\n--" +
                mark +
                "\r\nContent-Type: text/html; charset=utf-8\r\nContent-Transfer-Encoding: quoted-printable\r\n\r\n"
                "<p>Somebody tried.</p>\r\n\r\n--" +
                mark + "--\r\n");
  EXPECT_EQ(mail, composed([](MailMessage& m) { m.html = "<p>Somebody tried.</p>"; })) << "the same each time";
}

TEST(MailMessage, SubjectsAreFoldedOrEncoded) {
  const struct {
    std::string subject, header;
  } cases[] = {
      {"", "Subject:"},
      {"Blocked 192.0.2.7 on a host whose name is long enough that the line has to be folded somewhere",
       "Subject: Blocked 192.0.2.7 on a host whose name is long enough that the line\r\n has to be folded somewhere"},
      {"caf\u00e9", "Subject: =?utf-8?B?Y2Fmw6k=?="},
      {"the host caf\u00e9", "Subject: =?utf-8?Q?the_host_caf=C3=A9?="},
      {"\u043f\u0440\u0438\u0432\u0435\u0442", "Subject: =?utf-8?B?0L/RgNC40LLQtdGC?="},
      {"=?utf-8?Q?forged?=", "Subject: =?utf-8?B?PT91dGYtOD9RP2ZvcmdlZD89?="},
      {"two  spaces", "Subject: =?utf-8?Q?two__spaces?="},
      {" led", "Subject: =?utf-8?Q?_led?="},
      {"a\r\nBcc: evil@example.net", "Subject: a\\r\\nBcc: evil@example.net"},
      {std::string("nul\0byte", 8), "Subject: nul\\x00byte"},
      {"bad \xff\xc3", "Subject: bad \\xff\\xc3"},
      {"turned \u202e round", "Subject: turned \\u{202e} round"},
  };
  for (const auto& one : cases)
    EXPECT_EQ(header_of(composed([&](MailMessage& m) { m.subject = one.subject; }), "Subject"), one.header);
}

TEST(MailMessage, LongSubjectsAreCutBetweenCharacters) {
  std::string subject;
  for (int i = 0; i < 300; ++i) subject += "\u00e9";
  const std::string header = header_of(composed([&](MailMessage& m) { m.subject = subject; }), "Subject");
  EXPECT_LT(header.size(), 1'300U);
  EXPECT_TRUE(header.ends_with(base64("\u00e9\u2026") + "?=") || header.contains("4oCm")) << header;
}

TEST(MailMessage, NamesAreAtomsQuotedOrEncoded) {
  const struct {
    std::string from, header;
  } cases[] = {
      {"a@example.com", "From: a@example.com"},
      {" <a@example.com> ", "From: a@example.com"},
      {"Host One <a@example.com>", "From: Host One <a@example.com>"},
      {"\"One, Two\" <a@example.com>", "From: \"One, Two\" <a@example.com>"},
      {"One, Two <a@example.com>", "From: \"One, Two\" <a@example.com>"},
      {"\"say \\\"hi\\\"\" <a@example.com>", "From: \"say \\\"hi\\\"\" <a@example.com>"},
      {"W\u00e4chter <a@example.com>", "From: =?utf-8?Q?W=C3=A4chter?= <a@example.com>"},
      {"x\r\nBcc: b@example.com <a@example.com>", "From: \"x\\\\r\\\\nBcc: b@example.com\" <a@example.com>"},
  };
  for (const auto& one : cases)
    EXPECT_EQ(header_of(composed([&](MailMessage& m) { m.from = one.from; }), "From"), one.header) << one.from;
  EXPECT_EQ(header_of(composed([&](MailMessage& m) { m.to = {"a@example.com", "B <b@example.com>"}; }), "To"),
            "To: a@example.com,\r\n B <b@example.com>");
}

TEST(MailMessage, WhatCannotBeAMailIsRefused) {
  const struct {
    const char* what;
    void (*change)(MailMessage&);
  } cases[] = {
      {"nobody", [](MailMessage& m) { m.to.clear(); }},
      {"too many", [](MailMessage& m) { m.to.assign(51, "a@example.com"); }},
      {"no address", [](MailMessage& m) { m.from = "Tipstaff"; }},
      {"two addresses", [](MailMessage& m) { m.to = {"a@example.com, b@example.com"}; }},
      {"break in an address", [](MailMessage& m) { m.to = {"a@example.com\r\nBcc: b@example.com"}; }},
      {"break in angles", [](MailMessage& m) { m.to = {"<a@exam\nple.com>"}; }},
      {"id", [](MailMessage& m) { m.message_id = "a@b>\r\nX: y"; }},
      {"no id", [](MailMessage& m) { m.message_id.clear(); }},
      {"year", [](MailMessage& m) { m.date = Instant(std::chrono::seconds(-4'000'000'000)); }},
      {"header name", [](MailMessage& m) { m.own = {{"A: b\r\nC", "d"}}; }},
      {"header twice", [](MailMessage& m) { m.own = {{"A", "b"}, {"A", "c"}}; }},
      {"size", [](MailMessage& m) { m.text.assign(kLargestMailPart + 1, 'x'); }},
  };
  for (const auto& one : cases) {
    MailMessage message = alert();
    one.change(message);
    const auto mail = compose(message);
    ASSERT_FALSE(mail.has_value()) << one.what;
    EXPECT_EQ(mail.error().kind, ErrorKind::invalid) << one.what;
    EXPECT_FALSE(mail.error().text.contains('\r')) << one.what;
  }
}

TEST(MailMessage, BodiesKeepTheirTextAndNothingElse) {
  const auto body = [](const std::string& text) {
    const std::string mail = composed([&](MailMessage& m) { m.text = text; });
    return mail.substr(mail.find("\r\n\r\n") + 4);
  };
  EXPECT_EQ(body(""), "\r\n");
  EXPECT_EQ(body("a\r\nb\nc"), "a\r\nb\r\nc\r\n");
  EXPECT_EQ(body("a\rb\x1b[31m"), "a\\rb\\x1b[31m\r\n");
  EXPECT_EQ(body("Behold what a text is:\n.\n.b\nFrom c\nd \n\te\t\n=\n"),
            "Behold what a text is:\r\n=2E\r\n=2Eb\r\n=46rom c\r\nd=20\r\n\te=09\r\n=3D\r\n");
  EXPECT_EQ(body(std::string(76, 'x')), std::string(76, 'x') + "\r\n");
  EXPECT_EQ(body(std::string(77, 'x')), std::string(75, 'x') + "=\r\nxx\r\n");
  EXPECT_EQ(body(std::string(75, 'x') + "\u00e9"), std::string(75, 'x') + "=\r\n=C3=A9\r\n");
  EXPECT_EQ(body("\u043f\u0440\u0438\u0432\u0435\u0442"), "0L/RgNC40LLQtdGCDQo=\r\n");
}

TEST(MailAddress, PlainOnesOfRfc5321) {
  for (const std::string good : {"a@example.com", "root@localhost", "a.b+c@xn--bcher-kva.example", "x@1.example"})
    EXPECT_TRUE(is_mail_address(good)) << good;
  for (const std::string bad :
       {"", "a", "@example.com", "a@", "a b@example.com", ".a@example.com", "a.@example.com", "a..b@example.com",
        "a@exa_mple.com", "a@-example.com", "a@example.com.", "a@[192.0.2.1]", "\"a b\"@example.com", "a@b@example.com",
        "b\u00fccher@example.com", "<a@example.com>", "a@example.com\n", "a@example.com>"})
    EXPECT_FALSE(is_mail_address(bad)) << bad;
  EXPECT_FALSE(is_mail_address(std::string(65, 'a') + "@example.com"));
  EXPECT_EQ(parse_mail_address("\"A \\\\ B\" <a@example.com>")->name, "A \\ B");
  EXPECT_FALSE(parse_mail_address("a@example.com>"));
  EXPECT_FALSE(parse_mail_address("x <a@example.com> y"));
}

TEST(MailAddress, MessageIdsHoldNoMoreThanTheyMay) {
  EXPECT_EQ(make_message_id("alert.17", "host.example.com"), "alert.17@host.example.com");
  EXPECT_EQ(make_message_id("a>\r\nb c", ""), "a---b-c@localhost");
  EXPECT_EQ(make_message_id("..a..", "h."), "-.a.-@h-");
  EXPECT_EQ(make_message_id(std::string(300, 'a'), "h").size(), 102U);
}

TEST(EscapeHtml, LeavesNothingToInterpret) {
  EXPECT_EQ(escape_html("<a href=\"x\">'&"), "&lt;a href=&quot;x&quot;&gt;&#39;&amp;");
  EXPECT_EQ(escape_html("a\nb\xff\u202e"), "a\\nb\\xff\\u{202e}");
}

TEST(Base64, OfRfc4648) {
  EXPECT_EQ(base64(""), "");
  EXPECT_EQ(base64("f"), "Zg==");
  EXPECT_EQ(base64("fo"), "Zm8=");
  EXPECT_EQ(base64("foo"), "Zm9v");
  EXPECT_EQ(base64("foobar"), "Zm9vYmFy");
}

}  // namespace
}  // namespace tipstaff
