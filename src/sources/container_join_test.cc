#include "sources/container_join.h"

#include <gtest/gtest.h>

#include <boost/asio/io_context.hpp>

namespace tipstaff {
namespace {

/// Gives the lines of a test as records; the offset of a place counts lines.
class Lines final : public Source {
 public:
  [[nodiscard]] const std::string& name() const override { return name_; }
  [[nodiscard]] Result<void> start(boost::asio::io_context& /*loop*/, RecordSink sink) override {
    sink_ = std::move(sink);
    return {};
  }
  [[nodiscard]] Place position() const override { return {1, given_}; }
  [[nodiscard]] std::string checkpoint(Place /*place*/) const override { return "text"; }
  void pause(bool on) override { paused = on; }
  [[nodiscard]] SourceHealth health() const override { return {}; }

  void give(std::string_view line, bool cut = false) {
    Record record;
    record.line = line;
    record.cut = cut;
    record.arrival = now;
    record.place = {1, given_++};
    record.next = {1, given_};
    sink_(record);
  }

  Instant now{};
  bool paused = false;

 private:
  std::string name_ = "file:/var/log/pods/a/0.log";
  RecordSink sink_;
  std::uint64_t given_ = 0;
};

class ContainerJoining : public ::testing::Test {
 protected:
  ContainerJoining() {
    auto inner = std::make_unique<Lines>();
    lines = inner.get();
    source = std::make_unique<ContainerSource>(std::move(inner));
    EXPECT_TRUE(source->start(loop, [this](const Record& record) {
      got.push_back(std::string(record.line) + (record.cut ? " (cut)" : ""));
      last = record;
      last.line = {};
    }));
  }

  boost::asio::io_context loop;
  Lines* lines = nullptr;
  std::unique_ptr<ContainerSource> source;
  std::vector<std::string> got;
  Record last;
};

using Texts = std::vector<std::string>;

TEST_F(ContainerJoining, WholeLinesAndOtherLinesPassAsTheyAre) {
  const Texts whole = {R"({"log":"one\n","stream":"stdout","time":"2026-11-05T03:04:05Z"})",
                       R"({"log":"quote \" and \\\n","stream":"stderr","time":"2026-11-05T03:04:05Z"})",
                       "2026-11-05T03:04:05.1Z stdout F one",
                       "Nov  5 03:04:05 host sshd[1]: plain",
                       R"({"log":"no end)",
                       "2026-11-05T03:04:05.1Z stdout X odd",
                       ""};
  for (const std::string& line : whole) lines->give(line);
  EXPECT_EQ(got, whole);
  EXPECT_EQ(source->position(), (Place{1, 7}));
  EXPECT_EQ(source->name(), "file:/var/log/pods/a/0.log");
  EXPECT_EQ(source->checkpoint({}), "text");
  source->pause(true);
  EXPECT_TRUE(lines->paused);
}

TEST_F(ContainerJoining, DockerPieces) {
  lines->give(R"({"log":"one \\","stream":"stdout","time":"T1"})");
  lines->give(R"({"log":"n two \\n","stream":"stdout","time":"T2"})");  // a backslash and an n, no line feed
  EXPECT_EQ(got, Texts{});
  EXPECT_EQ(source->position(), (Place{1, 0}));
  lines->give(R"({"log":" three\n","stream":"stdout","time":"T3"})");
  EXPECT_EQ(got, Texts{R"({"log":"one \\n two \\n three\n","stream":"stdout","time":"T1"})"});
  EXPECT_EQ(last.place, (Place{1, 0}));
  EXPECT_EQ(last.next, (Place{1, 3}));
  EXPECT_EQ(source->position(), (Place{1, 3}));
}

TEST_F(ContainerJoining, CriPiecesOfTwoStreams) {
  lines->give("2026-11-05T03:04:05Z stdout P one, ");
  lines->give("2026-11-05T03:04:06Z stderr F other");
  EXPECT_EQ(last.place, (Place{1, 1}));
  EXPECT_EQ(last.next, (Place{1, 0}));  // a restart must begin with the unfinished line
  lines->give("2026-11-05T03:04:07Z stderr P more of ");
  lines->give("2026-11-05T03:04:08Z stdout P two, ");
  lines->give("2026-11-05T03:04:09Z stdout F three");
  EXPECT_EQ(last.next, (Place{1, 2}));
  lines->give("2026-11-05T03:04:10Z stderr F the other");
  EXPECT_EQ(got, (Texts{"2026-11-05T03:04:06Z stderr F other", "2026-11-05T03:04:05Z stdout P one, two, three",
                        "2026-11-05T03:04:07Z stderr P more of the other"}));
}

TEST_F(ContainerJoining, LongLinesAreCut) {
  const std::string piece(16'384, 'x');
  for (int i = 0; i < 5; ++i) lines->give("2026-11-05T03:04:05Z stdout P " + piece);
  lines->give("2026-11-05T03:04:05Z stdout F end");
  ASSERT_EQ(got.size(), 1U);
  EXPECT_TRUE(last.cut);
  EXPECT_LE(got[0].size(), kMaxLine + 6);
  lines->give("2026-11-05T03:04:05Z stdout F next");
  EXPECT_EQ(got[1], "2026-11-05T03:04:05Z stdout F next");
}

// A stranger's bytes at the start of a later piece must not become a line that anybody believes.
TEST_F(ContainerJoining, PiecesOfLostBeginningsAreMarked) {
  lines->give(R"({"log":"\u0001\u0001\u0001)", true);  // escapes made it longer than a line may be
  lines->give(R"({"log":"Failed password for root","stream":"stderr","time":"T2"})");
  lines->give(R"({"log":" from 192.0.2.1\n","stream":"stderr","time":"T3"})");
  lines->give(R"({"log":"believed\n","stream":"stderr","time":"T4"})");
  ASSERT_EQ(got.size(), 4U);
  EXPECT_TRUE(got[1].ends_with("(cut)"));
  EXPECT_TRUE(got[2].ends_with("(cut)"));
  EXPECT_FALSE(got[3].ends_with("(cut)"));
}

TEST_F(ContainerJoining, UnfinishedLinesAreGivenUpInTheEnd) {
  lines->give("2026-11-05T03:04:05Z stdout P never ended");
  lines->now += ContainerSource::kPatience;
  lines->give("2026-11-05T03:04:05Z stderr F other");
  EXPECT_EQ(source->position(), (Place{1, 0}));
  lines->now += std::chrono::seconds(1);
  lines->give("2026-11-05T03:04:05Z stderr F other");
  EXPECT_EQ(source->position(), (Place{1, 3}));
  EXPECT_GT(source->health().dropped, 0U);
  lines->give("2026-11-05T03:04:05Z stdout F its rest after all");
  EXPECT_TRUE(got.back().ends_with("(cut)"));
}

TEST(ContainerLogs, ByTheirPaths) {
  EXPECT_TRUE(is_container_log("/var/lib/docker/containers/0a/0a-json.log"));
  EXPECT_TRUE(is_container_log("/srv/docker/containers/0a/0a-json.log"));
  EXPECT_TRUE(is_container_log("/data/kubelet/pods/default_web_1/web/0.log"));
  EXPECT_TRUE(is_container_log("/var/log/pods/default_web_1/web/0.log"));
  EXPECT_TRUE(is_container_log("/var/log/containers/web.log"));
  EXPECT_FALSE(is_container_log("/var/log/auth.log"));
}

}  // namespace
}  // namespace tipstaff
