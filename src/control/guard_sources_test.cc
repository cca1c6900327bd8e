// Logs that are found by themselves, also those that come later: in folders of a made-up machine.
#include "control/guard_sources.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <boost/asio/io_context.hpp>
#include <string>
#include <vector>

#include "sources/file_testing.h"

namespace tipstaff {
namespace {

constexpr const char* kJournalFile = "run/log/journal/0123456789abcdef/system.journal";

class FindingSources : public ::testing::Test {
 protected:
  void make(const std::string& path, const std::string& text = "line\n") {
    std::filesystem::create_directories((folder_ / path).substr(0, (folder_ / path).rfind('/')));
    folder_.append(path, text);
  }
  DiscoverOptions machine() {
    return {folder_ / "",
            [this](const std::string& path) { return denied_.empty() || path.find(denied_) == std::string::npos; }};
  }
  // Names of the sources that a look gives, and the lines that they hand out at once. They are kept.
  Lines look() {
    std::vector<std::string> problems;
    Lines names;
    for (MadeSource& made : maker_.look(problems)) {
      const std::string name = made.source->name();
      names.push_back(name.substr(0, 5) == "file:" ? name.substr(5 + (folder_ / "").size()) : name);
      EXPECT_TRUE(made.source->start(loop_, [this](const Record& record) { lines_.emplace_back(record.line); }));
      sources_.push_back(std::move(made.source));
    }
    EXPECT_EQ(problems, std::vector<std::string>());
    spin();
    return names;
  }
  void spin() {
    do {
      loop_.restart();
    } while (loop_.poll() > 0);
  }
  [[nodiscard]] long said(const std::string& part) const {
    return std::ranges::count_if(said_, [&](const auto& one) { return one.find(part) != std::string::npos; });
  }

  TestFolder folder_;
  std::string denied_;
  boost::asio::io_context loop_;
  Lines said_, lines_;
  int calls_ = 0;
  GuardSources maker_{loop_,
                      {},
                      [](const std::string&) { return std::nullopt; },
                      [this](Priority, const std::string& text) { said_.push_back(text); },
                      [this] { ++calls_; },
                      machine()};
  std::vector<std::unique_ptr<Source>> sources_;  // they end first
};

TEST_F(FindingSources, ALogThatAppearsIsFollowedFromItsStart) {
  make("var/log/other.log");
  EXPECT_TRUE(maker_.finds());
  EXPECT_EQ(look(), Lines{});
  EXPECT_EQ(said("There is no login log here"), 1);
  make("var/log/auth.log", "first\n");
  spin();
  EXPECT_EQ(calls_, 1) << "inotify tells of it";
  EXPECT_EQ(look(), Lines{"/var/log/auth.log"});
  EXPECT_EQ(lines_, Lines{"first"});
  EXPECT_EQ(said("Follows "), 1);
  make("var/log/nginx/access.log", "second\n");
  spin();
  EXPECT_EQ(calls_, 2) << "in a folder that was not there";
  EXPECT_EQ(look(), Lines{"/var/log/nginx/access.log"});
  EXPECT_EQ(lines_, (Lines{"first", "second"}));
  EXPECT_EQ(look(), Lines{});
  EXPECT_EQ(said("Follows "), 2) << "nothing is said twice";
}

TEST_F(FindingSources, WhatBecomesReadableIsFollowedFromItsEnd) {
  make("var/log/auth.log", "old\n");
  denied_ = "auth.log";
  EXPECT_EQ(look(), Lines{});
  EXPECT_EQ(said("Cannot follow "), 1);
  denied_.clear();
  EXPECT_EQ(look(), Lines{"/var/log/auth.log"});
  EXPECT_EQ(lines_, Lines{}) << "it is not new";
  make("var/log/auth.log", "new\n");
  spin();
  EXPECT_EQ(lines_, Lines{"new"});
}

TEST_F(FindingSources, NothingIsFollowedTwice) {
  make(kJournalFile, "");
  EXPECT_EQ(look(), Lines{"journal"});
  make("var/log/auth.log");
  make("var/log/vsftpd.log");
  EXPECT_EQ(look(), Lines{"/var/log/vsftpd.log"});
  EXPECT_EQ(said("it repeats the journal, which is followed"), 1);
  EXPECT_EQ(said("auth.log (logins"), 0) << "nobody is told that it is followed";
  EXPECT_EQ(look(), Lines{});
}

}  // namespace
}  // namespace tipstaff
