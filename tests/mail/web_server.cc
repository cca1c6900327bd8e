#include "tests/mail/web_server.h"

#include <cstdlib>
#include <utility>

namespace tipstaff {

WebServer::WebServer(WebServerOptions options)
    : options_(std::move(options)), server_([this](ServerStream& stream) { serve(stream); }) {}

std::vector<TakenPost> WebServer::posts() const {
  const std::lock_guard lock(mutex_);
  return posts_;
}

void WebServer::serve(ServerStream& stream) {
  if (!options_.certificate.empty() && !stream.start_tls(options_.certificate, options_.key)) return;
  TakenPost post;
  std::size_t length = 0;
  for (std::string line; stream.line(line) && line != "\r\n"; post.head += line) {
    constexpr std::string_view kLength = "Content-Length: ";
    if (line.starts_with(kLength)) length = std::strtoul(line.c_str() + kLength.size(), nullptr, 10);
  }
  if (!stream.bytes(post.body, length)) return;
  {
    const std::lock_guard lock(mutex_);
    posts_.push_back(std::move(post));
  }
  if (options_.silent) return stream.hang();
  const bool told =
      options_.pause.count() > 0 ? stream.write_slowly(options_.answer, options_.pause) : stream.write(options_.answer);
  if (!told) return;
  while (!options_.then_for_ever.empty()) {
    if (!stream.write(options_.then_for_ever)) return;
  }
}

}  // namespace tipstaff
