// Lists of tries, compared: what is missing and what is too much, in words and not in thousands of lines.
#pragma once

#include <gtest/gtest.h>
#include <zlib.h>

#include <algorithm>
#include <array>
#include <boost/json.hpp>
#include <iterator>
#include <string>
#include <vector>

#include "ledger/reader.h"
#include "ledger/writer.h"
#include "tests/guard/feeder.h"
#include "tests/run.h"

namespace tipstaff {

/// "2026-11-25T07:00:01Z", or with a fraction, which is cut off.
[[nodiscard]] inline Instant seconds_of(const std::string& text) {
  std::tm parts{};
  EXPECT_NE(strptime(text.c_str(), "%Y-%m-%dT%H:%M:%S", &parts), nullptr) << text;
  return Instant(std::chrono::seconds(timegm(&parts)));
}

/// An attempt as `scan --format json` writes it.
[[nodiscard]] inline Told told_of(const boost::json::object& object) {
  return {text_of(object, "address"),
          object.at("port").is_null() ? std::uint16_t{0} : object.at("port").to_number<std::uint16_t>(),
          text_of(object, "account"),
          text_of(object, "outcome"),
          seconds_of(text_of(object, "time")),
          object.at("count").to_number<std::uint32_t>(),
          text_of(object, "host")};
}

[[nodiscard]] inline Result<std::unique_ptr<LedgerWriter>> open_writer(const std::string& folder) {
  LedgerOptions options;
  options.folder = folder;
  return LedgerWriter::open(std::move(options));
}

/// The rows of an address or network.
[[nodiscard]] inline std::vector<StoredAttempt> rows_of(LedgerReader& reader, const std::string& network) {
  ReportQuery query;
  query.network = IpNetwork::parse(network);
  query.raw = true;
  const auto report = reader.report(query);
  for (const auto& problem : reader.problems()) ADD_FAILURE() << problem;
  if (report) return report->attempts;
  ADD_FAILURE() << report.error().message();
  return {};
}

/// All rows with an address.
[[nodiscard]] inline std::vector<StoredAttempt> all_rows(LedgerReader& reader) {
  auto all = rows_of(reader, "0.0.0.0/0");
  const auto more = rows_of(reader, "::/0");
  all.insert(all.end(), more.begin(), more.end());
  return all;
}

/// Both sorted: fails the test with the first few tries that only one of them has.
inline void expect_same(const std::vector<Told>& got, const std::vector<Told>& expected) {
  const auto say = [](const char* what, const std::vector<Told>& a, const std::vector<Told>& b) {
    std::vector<Told> only;
    std::ranges::set_difference(a, b, std::back_inserter(only));
    if (only.empty()) return;
    std::string text;
    for (std::size_t i = 0; i < only.size() && i < 20; ++i) text += "\n  " + to_string(only[i]);
    ADD_FAILURE() << only.size() << ' ' << what << text;
  };
  say("not recorded:", expected, got);
  say("recorded though nobody told of them, or once more than told:", got, expected);
}

/// The text of a file, gzip or plain.
[[nodiscard]] inline std::string unpacked(const std::filesystem::path& path) {
  std::string text;
  std::array<char, 65536> buffer{};
  gzFile file = gzopen(path.c_str(), "rb");
  for (int size = 1; size > 0;) {
    size = gzread(file, buffer.data(), static_cast<unsigned>(buffer.size()));
    if (size > 0) text.append(buffer.data(), static_cast<std::size_t>(size));
  }
  EXPECT_EQ(gzclose(file), Z_OK) << path;
  return text;
}

}  // namespace tipstaff
