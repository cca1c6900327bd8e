// An event by HTTP POST. The answer is its status alone: what a server says beside it is read as far as an administrator
// may want to see of it, and an endless answer is left. The URL itself is never shown, since many services put their
// secret into it; its host is.
#include <fmt/format.h>

#include <algorithm>
#include <memory>
#include <string>

#include "base/result.h"
#include "mail/send/send.h"
#include "mail/send/transfer.h"
#include "mail/send/words.h"

namespace tipstaff {
namespace {

constexpr std::size_t kMostHeaders = 64U << 10U;
constexpr std::size_t kMostBody = 64U << 10U;
constexpr std::size_t kMostKept = 1'000;
constexpr std::size_t kMostWords = 250;

struct Target {
  std::string host;
  bool plain = false;
};

struct UrlEnd {
  void operator()(CURLU* url) const { curl_url_cleanup(url); }
  void operator()(char* text) const { curl_free(text); }
};

// Scheme and host as libcurl will take them; an error says what is wrong without telling the URL.
Result<Target> parse_target(const Webhook& webhook) {
  const auto wrong = [](std::string text) { return fail(ErrorKind::invalid, std::move(text)); };
  const std::unique_ptr<CURLU, UrlEnd> url(curl_url());
  const bool printable_ascii = std::ranges::all_of(webhook.url, [](char c) { return c > 0x20 && c < 0x7f; });
  if (!url || !printable_ascii || curl_url_set(url.get(), CURLUPART_URL, webhook.url.c_str(), CURLU_DISALLOW_USER) != 0)
    return wrong("the URL cannot be used; see url in [webhook] (https://host/path, without user and password)");
  const auto part = [&](CURLUPart which) {
    char* text = nullptr;
    if (curl_url_get(url.get(), which, &text, 0) != 0) return std::string();
    const std::unique_ptr<char, UrlEnd> owned(text);
    return std::string(text);
  };
  Target target{part(CURLUPART_HOST), part(CURLUPART_SCHEME) == "http"};
  if (!target.plain && part(CURLUPART_SCHEME) != "https")
    return wrong("the URL is neither https:// nor http://; see url in [webhook]");
  if (target.plain && !webhook.allow_plain && !is_this_machine(target.host)) {
    return wrong(
        fmt::format("{} would be told in plain text; use https:// in [webhook], or set allow_plain = true there",
                    one_line(target.host, 100)));
  }
  return target;
}

struct Answer {
  std::size_t headers = 0;
  std::size_t body = 0;
  std::string kept;  // of the body
};

std::size_t on_header(char*, std::size_t one, std::size_t size, void* to) {
  auto& answer = *static_cast<Answer*>(to);
  answer.headers += one * size;
  return answer.headers > kMostHeaders ? 0 : one * size;
}

std::size_t on_body(char* data, std::size_t one, std::size_t size, void* to) {
  auto& answer = *static_cast<Answer*>(to);
  answer.body += one * size;
  if (answer.kept.size() < kMostKept) answer.kept.append(data, std::min(one * size, kMostKept - answer.kept.size()));
  return answer.body > kMostBody ? 0 : one * size;
}

struct SlistEnd {
  void operator()(curl_slist* list) const { curl_slist_free_all(list); }
};

std::string advice(long status) {
  if (status == 401 || status == 403) return "; see token_file in [webhook]";
  if (status >= 300 && status < 400) return "; redirections are not followed: see url in [webhook]";
  if (status == 404 || status == 405 || status == 410) return "; see url in [webhook]";
  return {};
}

}  // namespace

Sent post_webhook(const Webhook& webhook, std::string_view json) {
  const auto target = parse_target(webhook);
  if (!target) return {Delivery::later, target.error().text};
  const std::string host = one_line(target->host, 100);
  const bool good_token = std::ranges::all_of(webhook.bearer_token, [](char c) { return c > 0x20 && c < 0x7f; });
  if (!good_token)
    return {Delivery::later, "the token holds spaces or other bytes it cannot; see token_file in [webhook]"};
  Answer answer;
  Transfer transfer(webhook.connect_timeout, webhook.total_timeout);
  if (!transfer.good()) return {Delivery::later, "libcurl cannot be used: out of memory"};

  CURL* const curl = transfer.get();
  transfer.allow(target->plain ? "http" : "https", webhook.ca_file);
  std::unique_ptr<curl_slist, SlistEnd> headers;
  const std::string token = "Authorization: Bearer " + webhook.bearer_token;
  for (const char* const line : {"Content-Type: application/json", "Accept: */*", "Expect:", token.c_str()}) {
    if (line == token.c_str() && webhook.bearer_token.empty()) continue;
    curl_slist* const longer = curl_slist_append(headers.get(), line);
    if (longer == nullptr) return {Delivery::later, "libcurl cannot be used: out of memory"};
    (void)headers.release();
    headers.reset(longer);
  }
  curl_easy_setopt(curl, CURLOPT_URL, webhook.url.c_str());
  curl_easy_setopt(curl, CURLOPT_HTTPHEADER, headers.get());
  curl_easy_setopt(curl, CURLOPT_HTTP_VERSION, static_cast<long>(CURL_HTTP_VERSION_1_1));
  curl_easy_setopt(curl, CURLOPT_USERAGENT, "Tipstaff");
  curl_easy_setopt(curl, CURLOPT_POST, 1L);
  curl_easy_setopt(curl, CURLOPT_POSTFIELDSIZE_LARGE, static_cast<curl_off_t>(json.size()));
  curl_easy_setopt(curl, CURLOPT_POSTFIELDS, json.empty() ? "" : json.data());
  curl_easy_setopt(curl, CURLOPT_HEADERFUNCTION, &on_header);
  curl_easy_setopt(curl, CURLOPT_HEADERDATA, &answer);
  curl_easy_setopt(curl, CURLOPT_WRITEFUNCTION, &on_body);
  curl_easy_setopt(curl, CURLOPT_WRITEDATA, &answer);
  curl_easy_setopt(curl, CURLOPT_FORBID_REUSE, 1L);
  const CURLcode code = transfer.run();

  long status = 0;
  curl_off_t given = 0;
  curl_easy_getinfo(curl, CURLINFO_RESPONSE_CODE, &status);
  curl_easy_getinfo(curl, CURLINFO_SIZE_UPLOAD_T, &given);
  const Secrets secrets({}, webhook.bearer_token);
  const auto shown = [&](std::string_view text, bool cut) {
    return one_line(secrets.struck_out(text, cut), kMostWords);
  };
  if (status >= 200) {
    const std::string words = shown(answer.kept, answer.body > answer.kept.size());
    const Delivery delivery = meaning_of_status(status);
    const char* const what = delivery == Delivery::sent      ? "took it"
                             : delivery == Delivery::refused ? "refuses it"
                                                             : "does not take it now";
    return {delivery,
            fmt::format("{} {}: HTTP {}{}{}{}", host, what, status, words.empty() ? "" : ": ", words, advice(status))};
  }
  Sent sent;
  sent.perhaps = !json.empty() && given == static_cast<curl_off_t>(json.size());
  const std::string below = shown(transfer.error(code), false);
  if (transfer.too_much() || code == CURLE_WRITE_ERROR) {
    sent.said = fmt::format("{}: it says more than any web server; see url in [webhook]", host);
  } else if (code == CURLE_OPERATION_TIMEDOUT || code == CURLE_ABORTED_BY_CALLBACK) {
    sent.said = fmt::format("{}: no answer in time; see url in [webhook]", host);
  } else if (code == CURLE_OK || code == CURLE_WEIRD_SERVER_REPLY || code == CURLE_UNSUPPORTED_PROTOCOL) {
    sent.said = fmt::format("{}: it does not answer as a web server does; see url in [webhook]", host);
  } else {
    sent.said = fmt::format("{}: {}", host, explain_failure(code, below, "[webhook]"));
  }
  return sent;
}

}  // namespace tipstaff
