#include "base/trace.hpp"

#include <gtest/gtest.h>
#include <sys/wait.h>
#include <unistd.h>

#include <csignal>
#include <fstream>
#include <iterator>
#include <nlohmann/json.hpp>
#include <set>
#include <string>
#include <thread>
#include <vector>

#include "tests/support/error_text.hpp"
#include "tests/support/eventually.hpp"
#include "tests/support/temp_folder.hpp"

namespace rookery::base {
namespace {

using Json = nlohmann::json;
using testing::error_text;
using testing::eventually;
using testing::TempFolder;

std::string text_of(const std::filesystem::path& file) {
  std::ifstream in(file, std::ios::binary);
  return {std::istreambuf_iterator<char>(in), {}};
}

std::vector<Json> events_of(const std::filesystem::path& file, const std::string& phase) {
  std::vector<Json> events;
  for (const auto& event : Json::parse(text_of(file))) {
    if (event.at("ph") == phase) events.push_back(event);
  }
  return events;
}

Trace::Time at(int microseconds) { return Trace::Time(std::chrono::microseconds(microseconds)); }

TEST(TraceTest, WritesSpansThatNestAsTheyWereGiven) {
  const TempFolder folder;
  const auto file = folder.path() / "trace.json";
  {
    Trace trace(file, "node-1");
    trace.span("server", "reply", at(30), at(40), 7);
    trace.span("server", "request", at(10), at(50), 7, "8 queries");
    trace.instant("server", "drained");
  }

  const auto spans = events_of(file, "X");
  ASSERT_EQ(spans.size(), 2U);
  const auto begin = [&](std::size_t i) { return spans[i].at("ts").get<double>(); };
  const auto end = [&](std::size_t i) { return begin(i) + spans[i].at("dur").get<double>(); };
  EXPECT_DOUBLE_EQ(begin(1), 10);
  EXPECT_DOUBLE_EQ(end(1), 50);
  EXPECT_LT(begin(1), begin(0));
  EXPECT_LT(end(0), end(1));
  EXPECT_EQ(spans[1].at("name"), "request");
  EXPECT_EQ(spans[1].at("cat"), "server");
  EXPECT_EQ(spans[1].at("args").at("detail"), "8 queries");
  EXPECT_EQ(spans[0].at("pid"), ::getpid());
  EXPECT_EQ(spans[0].at("tid"), spans[1].at("tid"));
  ASSERT_EQ(events_of(file, "i").size(), 1U);
  bool named = false;
  for (const auto& event : events_of(file, "M")) {
    named =
        named || (event.at("name") == "process_name" && event.at("args").at("name") == "node-1");
  }
  EXPECT_TRUE(named);
}

TEST(TraceTest, TiesThePartsOfARequestTogetherOverProcesses) {
  const TempFolder folder;
  const auto id = Trace::new_id();
  for (const char* name : {"client", "server"}) {
    Trace trace(folder.path() / name, name);
    trace.span("pool", "call", at(1), at(2), id);
    trace.span("pool", "other", at(3), at(4));
  }
  const auto client = events_of(folder.path() / "client", "X");
  const auto server = events_of(folder.path() / "server", "X");
  EXPECT_EQ(client[0].at("bind_id"), server[0].at("bind_id"));
  EXPECT_TRUE(client[0].at("flow_out").get<bool>());
  EXPECT_TRUE(server[0].at("flow_in").get<bool>());
  EXPECT_FALSE(client[1].contains("bind_id"));
}

TEST(TraceTest, IdsAreNeverZeroAndDiffer) {
  std::set<std::uint64_t> ids;
  for (int i = 0; i < 1000; ++i) ids.insert(Trace::new_id());
  EXPECT_EQ(ids.size(), 1000U);
  EXPECT_FALSE(ids.contains(0));
}

TEST(TraceTest, AnyBytesBecomeSoundJson) {
  const TempFolder folder;
  const auto file = folder.path() / "trace.json";
  const std::string hostile = std::string("\"},{\\\n\0", 7) + "\xff\xed\xa0\x80\xc0\xaf" + "ü→𝄞";
  { Trace(file, hostile).span(hostile, hostile, at(1), at(2), 3, hostile); }
  const auto span = events_of(file, "X").at(0);
  const auto name = span.at("name").get<std::string>();
  EXPECT_TRUE(name.starts_with(std::string("\"},{\\\n\0", 7)));
  EXPECT_TRUE(name.ends_with("ü→𝄞"));
  EXPECT_NE(name.find("\uFFFD"), std::string::npos);
}

TEST(TraceTest, IsWholeWhenManyThreadsWrite) {
  const TempFolder folder;
  const auto file = folder.path() / "trace.json";
  {
    Trace trace(file, "busy");
    std::vector<std::thread> threads;
    for (int t = 0; t < 4; ++t) {
      threads.emplace_back([&trace] {
        for (int i = 0; i < 500; ++i) trace.span("test", "step", at(i), at(i + 1));
      });
    }
    for (auto& thread : threads) thread.join();
  }
  const auto spans = events_of(file, "X");
  EXPECT_EQ(spans.size(), 2000U);
  std::set<int> threads;
  for (const auto& span : spans) threads.insert(span.at("tid").get<int>());
  EXPECT_EQ(threads.size(), 4U);
}

TEST(TraceTest, DropsAndCountsWhatExceedsItsBounds) {
  const TempFolder folder;
  const auto file = folder.path() / "trace.json";
  constexpr std::int64_t kBytes = 20'000;
  {
    Trace trace(file, "flooded", {1 << 20, kBytes, std::chrono::milliseconds(1)});
    for (int i = 0; i < 1'000; ++i) trace.span("test", "step", at(i), at(i + 1));
    EXPECT_GT(trace.dropped(), 0);
  }
  EXPECT_LT(std::filesystem::file_size(file), kBytes + 200);
  const auto spans = static_cast<std::int64_t>(events_of(file, "X").size());
  std::int64_t counted = 0;
  for (const auto& event : events_of(file, "M")) {
    if (event.at("name") == "dropped_events") counted = event.at("args").at("count");
  }
  EXPECT_EQ(spans + counted, 1'000);

  // The buffer alone is a bound too, however large the file may become.
  Trace trace(folder.path() / "small", "small", {300, 1 << 20, std::chrono::hours(1)});
  for (int i = 0; i < 100; ++i) trace.span("test", "step", at(i), at(i + 1));
  EXPECT_GT(trace.dropped(), 0);
}

TEST(TraceTest, ACrashLeavesAFileThatLacksOnlyItsBracket) {
  const TempFolder folder;
  const auto file = folder.path() / "trace.json";
  const pid_t child = ::fork();
  if (child == 0) {
    Trace trace(file, "crashing", {1 << 20, 1 << 20, std::chrono::milliseconds(1)});
    trace.span("test", "last words", at(1), at(2));
    for (;;) ::pause();
  }
  ASSERT_GT(child, 0);
  EXPECT_TRUE(eventually([&] { return text_of(file).find("last words") != std::string::npos; }));
  ::kill(child, SIGKILL);
  ::waitpid(child, nullptr, 0);

  const auto text = text_of(file);
  EXPECT_FALSE(Json::accept(text));
  const auto events = Json::parse(text + "]");
  EXPECT_EQ(events.back().at("name"), "last words");
}

TEST(TraceTest, NamesAFileThatCannotBeWritten) {
  EXPECT_EQ(error_text([] { const Trace trace("/no/such/folder/trace.json", "x"); }),
            "/no/such/folder/trace.json: expected a file that can be written for the trace, got: "
            "No such file or directory");
}

TEST(TraceSpanTest, WithoutATraceIsNothing) {
  TraceSpan span(nullptr, "test", "nothing");
  span.detail("nobody reads it");
}

}  // namespace
}  // namespace rookery::base
