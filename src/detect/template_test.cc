// The language of templates: what it reads, what its compiler refuses and in which words, and which reading holds where a
// line has several.
#include "detect/template.h"

#include <gtest/gtest.h>

#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace tipstaff {
namespace {

std::vector<Reading> compiled(std::string_view text, Anchor anchor = Anchor::none) {
  auto readings = compile_template(text, anchor);
  EXPECT_TRUE(readings.has_value()) << text << ": " << (readings ? std::string() : readings.error().text);
  return readings ? std::move(*readings) : std::vector<Reading>();
}

// What the first fitting reading says; none where no reading fits.
std::optional<Fields> read(const std::vector<Reading>& readings, std::string_view message) {
  for (const Reading& reading : readings) {
    Fields fields;
    if (match(reading, message, fields)) return fields;
  }
  return std::nullopt;
}

std::string address_of(const std::optional<Fields>& fields) {
  return fields && fields->has_address ? fields->address.to_string() : "";
}

TEST(Template, Fits) {
  struct Case {
    const char* text;
    std::string_view message;
    bool fits;
  };
  for (const Case& one : {
           Case{"plain", "plain", true},
           Case{"plain", "plains", false},
           Case{"plain", "plai", false},
           Case{"plain", "", false},
           Case{R"(a\[b\]\(c\)\{d\}\|\\)", R"(a[b](c){d}|\)", true},
           Case{"a[b]c", "abc", true},
           Case{"a[b]c", "ac", true},
           Case{"a[b|d]c", "adc", true},
           Case{"a[b|d]c", "abdc", false},
           Case{"a(b|d)c", "ac", false},
           Case{"a(b|d)c", "adc", true},
           Case{"a(b|)c", "ac", true},
           Case{"[x: |y: ]a", "y: a", true},
           Case{"[x: |y: ]a", "a", true},
           Case{"(x|y)a", "a", false},
           Case{"a[b[c]]d", "abcd", true},
           Case{"a[b[c]]d", "acd", false},
           Case{"a {:number}!", "a 17!", true},
           Case{"a {:number}!", "a !", false},
           Case{"a {:number}!", "a 12345678901!", false},
           Case{"a {:word} b", "a x.y/z! b", true},
           Case{"a {:word} b", "a x y b", false},
           Case{"a {:token}:", "a pam_unix.so/x@1+-:", true},
           Case{"a {:token}:", "a b c:", false},
           Case{"a {:[A-Fx]}.", "a ABFx.", true},
           Case{"a {:[A-Fx]}.", "a G.", false},
           Case{"a {:[^,]},", "a b c d,", true},
           Case{"a {:[^,]},", "a ,", false},
           Case{"a {:[^,]*},", "a ,", true},
           Case{R"(a {:[\]\-x]}.)", "a ]-x.", true},
           Case{"a {:rest}", "a ", true},
           Case{"a {:rest}", "a whatever \xff", true},
           Case{"a {:open} z", "a  z", true},
           Case{"a {:open} z", "a z", false},
           Case{"a {address}", "a 2001:db8::7", true},
           Case{"a {address}", "a 192.0.2.1", true},
           Case{"a {address}", "a fe80::1%eth0", true},
           Case{"a {address}", "a host.example.com", false},
           Case{"a {address}", "a 192.0.2.1.example.com", false},
           Case{"a {address}", "a 192.0.2.256", false},
           Case{"a {address:peer}", "a host.example.com", true},
           Case{"a {address:endpoint} b", "a [2001:db8::7]:22 b", true},
           Case{"a {address:endpoint} b", "a [2001:db8::7] b", true},
           Case{"a {address:endpoint} b", "a 192.0.2.1:22 b", true},
           Case{"a {address:endpoint} b", "a 192.0.2.1 b", true},
           Case{"a {address:endpoint} b", "a [192.0.2.1 b", false},
           Case{R"(a "{:request}" b)", R"(a "GET / HTTP/1.1" b)", true},
           Case{R"(a "{:request}" b)", R"(a "GET /" b)", false},
       }) {
    EXPECT_EQ(read(compiled(one.text), one.message).has_value(), one.fits) << one.text << " | " << one.message;
  }
}

TEST(Template, KeepsWhatItNames) {
  const auto readings = compiled(
      "Failed {extra} for [invalid user ]{account} from {address} port {port}[ x{count}][ s={session}][ of {service}]",
      Anchor::last);
  const auto fields =
      read(readings, "Failed password for invalid user anna from 192.0.2.1 port 40022 x3 s=a+b of imap");
  ASSERT_TRUE(fields);
  EXPECT_EQ(fields->extra, "password");
  EXPECT_EQ(fields->account, "anna");
  EXPECT_TRUE(fields->has_account);
  EXPECT_EQ(address_of(fields), "192.0.2.1");
  EXPECT_EQ(fields->port, 40022);
  EXPECT_EQ(fields->count, 3U);
  EXPECT_EQ(fields->session, "a+b");
  EXPECT_EQ(fields->service, "imap");
}

TEST(Template, NumbersOutOfRange) {
  const auto readings = compiled("a {port} {count}");
  EXPECT_EQ(read(readings, "a 65535 1")->port, 65535);
  EXPECT_EQ(read(readings, "a 65536 1")->port, 0);
  EXPECT_EQ(read(readings, "a 9999999999 0")->count, 1U);
  EXPECT_EQ(read(readings, "a 1 9999999999")->count, 10'000U);
}

TEST(Template, AnEndpointGivesItsPort) {
  const auto readings = compiled("a {address:endpoint} b");
  EXPECT_EQ(read(readings, "a [2001:db8::7]:4022 b")->port, 4022);
  EXPECT_EQ(address_of(read(readings, "a [2001:db8::7]:4022 b")), "2001:db8::7");
  EXPECT_EQ(read(readings, "a 192.0.2.1:4022 b")->port, 4022);
}

TEST(Template, ANameWhereAPeerStandsGivesNoAddress) {
  const auto readings = compiled("a {address:peer} b");
  EXPECT_EQ(address_of(read(readings, "a pool-7.example.com b")), "");
  EXPECT_EQ(address_of(read(readings, "a ::ffff:192.0.2.1 b")), "192.0.2.1");
}

TEST(Template, AnEmptyAccountIsAnAccount) {
  const auto fields = read(compiled("user {account} from {address}", Anchor::last), "user  from 192.0.2.1");
  ASSERT_TRUE(fields);
  EXPECT_TRUE(fields->has_account);
  EXPECT_EQ(fields->account, "");
}

TEST(Template, ABranchThatDoesNotFitLeavesNothingBehind) {
  const auto fields = read(compiled("a [p={port}, q|p={:number}; q]"), "a p=17; q");
  ASSERT_TRUE(fields);
  EXPECT_EQ(fields->port, 0);
}

TEST(Template, AnchorLastTakesTheRightmostAddress) {
  const auto readings = compiled("Failed for {account} from {address}[ port {port}]", Anchor::last);
  const auto fields = read(readings, "Failed for x from 203.0.113.66 port 1 from 192.0.2.1 port 2");
  ASSERT_TRUE(fields);
  EXPECT_EQ(address_of(fields), "192.0.2.1");
  EXPECT_EQ(fields->account, "x from 203.0.113.66 port 1");
  EXPECT_EQ(fields->port, 2);
}

TEST(Template, AnchorFirstTakesTheLeftmostThatReadsTheWholeLine) {
  const auto readings = compiled("user {account} at {address}: no", Anchor::first);
  EXPECT_EQ(read(readings, "user x at y at 192.0.2.1: no")->account, "x at y");
  EXPECT_EQ(address_of(read(readings, "user x at 192.0.2.1: no")), "192.0.2.1");
  // the line ends behind the first reading's place only if that reads it whole
  EXPECT_EQ(read(readings, "user x at 203.0.113.66: no at 192.0.2.1: no")->account, "x at 203.0.113.66: no");
}

TEST(Template, FieldsBehindTheOpenOneAreReadFromTheRight) {
  const auto readings = compiled("a {account}, rip={address}, lip={:[0-9a-f.:]}[, TLS]", Anchor::last);
  const auto fields = read(readings, "a x, rip=203.0.113.66, lip=z, y, rip=192.0.2.1, lip=198.51.100.1, TLS");
  ASSERT_TRUE(fields);
  EXPECT_EQ(address_of(fields), "192.0.2.1");
}

TEST(Template, SeveralOpenFieldsAreSplitAtTheFirstPlaceOfTheLiteralBetween) {
  const auto fields =
      read(compiled("a {:open} for {account} from {address}", Anchor::last), "a b c for d for e from 192.0.2.1");
  ASSERT_TRUE(fields);
  EXPECT_EQ(fields->account, "d for e");
}

TEST(Template, ARequestEndsWhereTheServerEndsIt) {
  const auto fields =
      read(compiled(R"(client {address}, request: "{:request}", host: "{:rest})"),
           R"(client 192.0.2.1, request: "GET /x HTTP/1.1", host: "a", request: "GET / HTTP/1.0", host: "b")");
  EXPECT_EQ(address_of(fields), "192.0.2.1");
}

TEST(Template, PossibleAddressesAreBothReadings) {
  const auto readings = compiled("Failed for {account} from {address} end", Anchor::last);
  const auto all = possible_addresses(readings[0], "Failed for x from 203.0.113.66 end from 192.0.2.1 end");
  ASSERT_EQ(all.size(), 1U);  // only one of them reads the whole line
  EXPECT_EQ(all[0].to_string(), "192.0.2.1");
  EXPECT_TRUE(possible_addresses(readings[0], "something else").empty());
}

TEST(Template, RenderMakesAMessageThatFits) {
  for (const char* text : {"Failed {extra} for [invalid user ]{account} from {address} port {port}[ (ssh2|ssh1)]",
                           "a {address:endpoint} {:[^,]}, {:rest}", R"(a "{:request}" {account}.)"}) {
    for (const Reading& reading : compiled(text, Anchor::last)) {
      const std::string message = render(reading, {});
      Fields fields;
      EXPECT_TRUE(match(reading, message, fields)) << message;
    }
  }
}

struct Refused {
  const char* name;
  const char* text;
  Anchor anchor;
  const char* says;
};

class Refusals : public testing::TestWithParam<Refused> {};

TEST_P(Refusals, SayWhatIsWrong) {
  const auto readings = compile_template(GetParam().text, GetParam().anchor);
  ASSERT_FALSE(readings.has_value()) << GetParam().text;
  EXPECT_TRUE(readings.error().text.starts_with("the template ")) << readings.error().text;
  EXPECT_NE(readings.error().text.find(GetParam().says), std::string::npos) << readings.error().text;
}

INSTANTIATE_TEST_SUITE_P(
    Template, Refusals,
    testing::Values(
        Refused{"Empty", "", Anchor::none, "must begin with a literal"},
        Refused{"FieldFirst", "{account} failed", Anchor::none, "must begin with a literal"},
        Refused{"GroupWithAFieldFirst", "[{:word}: ]failed", Anchor::none, "must begin with a literal"},
        Refused{"OpenFirst", "{:open} from {address}", Anchor::last, "must begin with a literal"},
        Refused{"NoAnchor", "a {account} from {address}", Anchor::none, "name anchor = \"first\" or \"last\""},
        Refused{"NoAnchorInAGroup", "a [for {account} ]from {address}", Anchor::none,
                "name anchor = \"first\" or \"last\""},
        Refused{"OpenOnBothSides", "a {account} from {address} b {:rest}", Anchor::last,
                "open fields on both sides of the address"},
        Refused{"OpenOnBothSidesInAGroup", "a {account} from {address}[ b {:rest}]", Anchor::last,
                "open fields on both sides of the address"},
        Refused{"TwoOpenWithFirst", "a {:open} b {account} from {address} c", Anchor::first,
                "two open fields before the address"},
        Refused{"AddressTwice", "a {address} b {address}", Anchor::none, "reads {address} twice"},
        Refused{"FieldsTouch", "a {port}{count}", Anchor::none, "two fields that touch"},
        Refused{"FieldsTouchThroughAGroup", "a {port}[ x]{count}", Anchor::none, "two fields that touch"},
        Refused{"OpenTouches", "a {account}{port}", Anchor::none, "two fields that touch"},
        Refused{"RunsOn", "a {:word}x", Anchor::none, "include the beginning of what follows"},
        Refused{"RunsOnIntoAGroup", "a {:number}[0] b", Anchor::none, "include the beginning of what follows"},
        Refused{"AddressRunsOn", "a {address}a", Anchor::none, "include the beginning of what follows"},
        Refused{"EndpointRunsOn", "a {address:endpoint}: b", Anchor::none, "include the beginning of what follows"},
        Refused{"BackwardsRunsOn", "a {:open} user={account:word}", Anchor::none,
                "include the beginning of what follows"},
        Refused{"RequestFromTheRight", R"(a {account} "{:request}" from {address})", Anchor::last,
                "reads a {request} from the right"},
        Refused{"UnknownField", "a {user}", Anchor::none, "unknown field {user}"},
        Refused{"UnknownType", "a {account:text}", Anchor::none, "unknown type 'text'"},
        Refused{"AddressOfAnotherType", "a {address:word}", Anchor::none, "none of address, endpoint, peer"},
        Refused{"SetWithoutEnd", "a {:[abc*}", Anchor::none, "without }"},
        Refused{"SetWithTail", "a {:[abc]x}", Anchor::none, "byte set without ]"},
        Refused{"LoneBackslash", "a \\", Anchor::none, "lone \\"},
        Refused{"LoneBrace", "a }", Anchor::none, "} without {"},
        Refused{"OpenBrace", "a {account", Anchor::none, "{ without }"},
        Refused{"OpenGroup", "a [b", Anchor::none, "lacks a ]"},
        Refused{"OpenParenthesis", "a (b|c", Anchor::none, "lacks a )"},
        Refused{"WrongEnd", "a [b)", Anchor::none, "should close the group"},
        Refused{"ClosesNothing", "a ] b", Anchor::none, "closes nothing"},
        Refused{"AlternativeOutside", "a | b", Anchor::none, "closes nothing"},
        Refused{"EmptyGroup", "a [] b", Anchor::none, "empty group"},
        Refused{"TooDeep", "a[b[c[d[e[f[g[h[i[j]]]]]]]]]", Anchor::none, "nest deeper than"},
        Refused{"TooManyReadings",
                "x[ a{:open}b][ a{:open}b][ a{:open}b][ a{:open}b][ a{:open}b][ a{:open}b][ a{:open}b][ a{:open}b]",
                Anchor::none, "readings; split the pattern"}),
    [](const auto& refused) { return refused.param.name; });

}  // namespace
}  // namespace tipstaff
