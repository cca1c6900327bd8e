// A DNS message as an answer to a question of each type; the first byte chooses the type, the rest is the message behind a
// head and question that fit, or the whole of it. What is taken is within its bounds, and every name is a host name.
#include <array>
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <string>
#include <string_view>

#include "lookup/names/dns_answer.h"
#include "lookup/resolver.h"

namespace {

void look_at(std::string_view message, const tipstaff::DnsQuestion& question) {
  using namespace tipstaff;
  const auto answer = read_dns_answer(message, question);
  if (!answer) return;
  if (answer->names.size() > kMostDnsValues || answer->addresses.size() > kMostDnsValues) std::abort();
  if (answer->texts.size() > kMostDnsValues) std::abort();
  for (const std::string& name : answer->names) {
    if (!is_dns_name(name) || name.ends_with('.')) std::abort();
  }
  for (const std::string& text : answer->texts) {
    if (text.size() > kMostDnsText) std::abort();
  }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace tipstaff;
  constexpr std::array kTypes = {DnsType::ptr, DnsType::a, DnsType::aaaa, DnsType::mx, DnsType::ns, DnsType::txt};
  if (size == 0) return 0;
  const DnsQuestion question{"a.example", kTypes[data[0] % kTypes.size()]};
  const std::string_view rest(reinterpret_cast<const char*>(data) + 1, size - 1);
  look_at(rest, question);
  if (rest.size() < 6) return 0;
  std::string whole("\x12\x34\x81\x80\x00\x01", 6);
  whole += rest.substr(0, 6);  // the counts of answers, authorities and more
  whole += std::string(
      "\x01"
      "a\x07"
      "example\x00\x00",
      12);
  whole += static_cast<char>(question.type);
  whole += std::string("\x00\x01", 2);
  whole += rest.substr(6);
  look_at(whole, question);
  return 0;
}
