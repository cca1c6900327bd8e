// The columns of web access logs, whose client may write the Host header, the user name and the request, and the rules over
// them.
#include <gtest/gtest.h>

#include <string>
#include <string_view>

#include "detect/recognizer.h"

namespace tipstaff {
namespace {

struct Case {
  std::string_view line;
  bool read;
  const char* address;
  const char* account;  // nullptr: none
  const char* method;
  const char* path;
  const char* query;
  int status;
};

TEST(WebRequest, Columns) {
  for (const Case& one : {
           Case{R"(192.0.2.1 - - [05/Nov/2026:03:04:05 +0100] "GET /a?b=c HTTP/1.1" 401 5 "-" "x")", true, "192.0.2.1",
                nullptr, "GET", "/a", "b=c", 401},
           Case{R"(2001:db8::7 - - [05/Nov/2026:03:04:05 +0100] "POST / HTTP/2.0" 200 -)", true, "2001:db8::7", nullptr,
                "POST", "/", "", 200},
           Case{R"(::ffff:192.0.2.1 - - [05/Nov/2026:03:04:05 +0100] "POST / HTTP/2.0" 200 -)", true, "192.0.2.1",
                nullptr, "POST", "/", "", 200},
           Case{R"(192.0.2.1 - anna [05/Nov/2026:03:04:05 +0100] "GET / HTTP/1.1" 401 5)", true, "192.0.2.1", "anna",
                "GET", "/", "", 401},
           Case{R"(192.0.2.1 - anna smith [05/Nov/2026:03:04:05 +0100] "GET / HTTP/1.1" 401 5)", true, "192.0.2.1",
                "anna smith", "GET", "/", "", 401},
           Case{R"(192.0.2.1 - "" [05/Nov/2026:03:04:05 +0100] "GET / HTTP/1.1" 401 5)", true, "192.0.2.1", nullptr,
                "GET", "/", "", 401},
           // a vhost in front
           Case{R"(www.example.com 192.0.2.1 - anna [05/Nov/2026:03:04:05 +0100] "GET / HTTP/1.1" 401 5)", true,
                "192.0.2.1", "anna", "GET", "/", "", 401},
           Case{R"(www.example.com:443 192.0.2.1 - - [05/Nov/2026:03:04:05 +0100] "GET / HTTP/1.1" 401 5)", true,
                "192.0.2.1", nullptr, "GET", "/", "", 401},
           // two addresses: the first may be the Host header, the second an ident answer
           Case{R"(203.0.113.66 192.0.2.1 - - [05/Nov/2026:03:04:05 +0100] "GET / HTTP/1.1" 401 5)", true, "", nullptr,
                "GET", "/", "", 401},
           // escaped quotes do not end the request
           Case{R"(192.0.2.1 - - [05/Nov/2026:03:04:05 +0100] "GET /\" 200 1 HTTP/1.1" 401 5)", true, "192.0.2.1",
                nullptr, "GET", "/\\\"", "", 401},
           Case{R"(192.0.2.1 - - [05/Nov/2026:03:04:05 +0100] "GET http://www.example.com/a?b HTTP/1.1" 401 5)", true,
                "192.0.2.1", nullptr, "GET", "/a", "b", 401},
           Case{R"(192.0.2.1 - - [05/Nov/2026:03:04:05 +0100] "GET http://www.example.com HTTP/1.1" 401 5)", true,
                "192.0.2.1", nullptr, "GET", "/", "", 401},
           Case{R"(192.0.2.1 - - [05/Nov/2026:03:04:05 +0100] "GET" 400 5)", true, "192.0.2.1", nullptr, "GET", "", "",
                400},
           Case{R"(192.0.2.1 - - [05/Nov/2026:03:04:05 +0100] "" 400 5)", true, "192.0.2.1", nullptr, "", "", "", 400},
           // a stamp that somebody typed as his name is not the server's
           Case{R"(192.0.2.1 - a [b [05/Nov/2026:03:04:05 +0100] "GET / HTTP/1.1" 401 5)", true, "192.0.2.1", "a [b",
                "GET", "/", "", 401},
           // no access log lines
           Case{R"(host.example.com - - [05/Nov/2026:03:04:05 +0100] "GET / HTTP/1.1" 401 5)", false, "", nullptr, "",
                "", "", 0},
           Case{R"(192.0.2.1 - - [05/Nov/2026:03:04:05 +0100] "GET / HTTP/1.1)", false, "", nullptr, "", "", "", 0},
           Case{R"(192.0.2.1 - - [05/Nov/2026:03:04:05 +0100] "GET / HTTP/1.1\")", false, "", nullptr, "", "", "", 0},
           Case{R"(192.0.2.1 - - [05/Nov/2026:03:04:05 +0100] "GET / HTTP/1.1" x)", false, "", nullptr, "", "", "", 0},
           Case{R"(192.0.2.1 - - [05/Nov/2026:03:04:05 +0100] "GET / HTTP/1.1")", false, "", nullptr, "", "", "", 0},
           Case{R"(192.0.2.1 - - [05/Nov/2026:03:04:05 +0100] )", false, "", nullptr, "", "", "", 0},
           Case{"", false, "", nullptr, "", "", "", 0},
       }) {
    WebRequest request;
    ASSERT_EQ(read_web_request(one.line, request), one.read) << one.line;
    if (!one.read) continue;
    EXPECT_EQ(request.has_address ? request.address.to_string() : "", one.address) << one.line;
    EXPECT_EQ(request.has_account, one.account != nullptr) << one.line;
    if (one.account != nullptr) {
      EXPECT_EQ(request.account, one.account) << one.line;
    }
    EXPECT_EQ(request.method, one.method) << one.line;
    EXPECT_EQ(request.path, one.path) << one.line;
    EXPECT_EQ(request.query, one.query) << one.line;
    EXPECT_EQ(request.status, one.status) << one.line;
  }
}

RequestPattern pattern(Kind kind) {
  RequestPattern made;
  made.kind = kind;
  return made;
}

TEST(WebRequest, TheFirstRuleThatFitsDecides) {
  std::vector<RequestPattern> patterns;
  patterns.push_back(pattern(Kind::harmless));
  patterns.back().queries = {"*action=lostpassword*"};
  patterns.push_back(pattern(Kind::failure));
  patterns.back().methods = {"POST"};
  patterns.back().paths = {"*/wp-login.php", "/login"};
  patterns.back().statuses = {200, 403};
  patterns.push_back(pattern(Kind::failure));
  patterns.back().statuses = {401};
  patterns.back().account = true;
  patterns.push_back(pattern(Kind::probe));
  patterns.back().statuses = {401};
  patterns.back().account = false;
  struct Judged {
    const char* method;
    const char* path;
    const char* query;
    int status;
    bool account;
    Kind kind;
  };
  for (const Judged& one :
       {Judged{"POST", "/wp-login.php", "", 200, false, Kind::failure},
        Judged{"POST", "/a/wp-login.php", "", 403, false, Kind::failure},
        Judged{"POST", "/wp-login.php", "action=lostpassword", 200, false, Kind::harmless},
        Judged{"GET", "/wp-login.php", "", 200, false, Kind::harmless},
        Judged{"POST", "/wp-login.php", "", 302, false, Kind::harmless},
        Judged{"POST", "/login/x", "", 200, false, Kind::harmless}, Judged{"GET", "/", "", 401, true, Kind::failure},
        Judged{"GET", "/", "", 401, false, Kind::probe}}) {
    WebRequest request;
    request.method = one.method;
    request.path = one.path;
    request.query = one.query;
    request.status = one.status;
    request.has_account = one.account;
    EXPECT_EQ(judge_request(patterns, request), one.kind)
        << one.method << " " << one.path << "?" << one.query << " " << one.status;
  }
}

TEST(WebRequest, NoRuleMeansHarmless) { EXPECT_EQ(judge_request({}, {}), Kind::harmless); }

}  // namespace
}  // namespace tipstaff
