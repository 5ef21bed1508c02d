#include "launch/status_table.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <sstream>
#include <string>
#include <vector>

namespace rookery::launch {
namespace {

using namespace std::chrono_literals;
using ::testing::HasSubstr;
using ::testing::Not;

actors::ColonyStatus colony() {
  actors::ColonyStatus status;
  status.colony = "wiki";
  status.kind = "exact";
  status.complete = true;
  status.generations = {{"main", "7f3a00112233", "live", 1, 2, "exact", true}};
  for (int replica = 0; replica < 2; ++replica) {
    actors::MemberStatus member;
    member.index = "main";
    member.replica = replica;
    member.node = "node-" + std::to_string(replica + 1);
    member.state = "ready";
    member.in_contact = true;
    member.generation = "7f3a00112233";
    member.pid = 100 + replica;
    member.served = 1'000;
    member.queue_wait_us = 120;
    member.p50_us = 310;
    member.p99_us = 12'400;
    status.members.push_back(member);
  }
  status.agents = {{"ants", "ants", 5, 2, 2, true}};
  return status;
}

std::vector<std::string> lines_of(const std::string& text) {
  std::vector<std::string> lines;
  std::istringstream in(text);
  for (std::string line; std::getline(in, line);) lines.push_back(line);
  return lines;
}

std::string table(const actors::ColonyStatus& status, StatusTableOptions options = {}) {
  return status_table(status, ServedRates(), options);
}

TEST(StatusTableTest, HasALineForEachReplicaThatFits80Columns) {
  auto status = colony();
  status.members[0].queue = 99'999;
  status.members[0].queue_wait_us = 999'999;
  status.generations.push_back({"main", "91bc00112233", "preparing", 1, 2, "exact", false});
  for (const auto& line : lines_of(table(status))) {
    std::size_t columns = 0;
    for (const char c : line) columns += (static_cast<unsigned char>(c) & 0xC0U) != 0x80U;
    EXPECT_LE(columns, 80U) << line;
  }
  EXPECT_THAT(lines_of(table(colony()))[2],
              "0     0       node-1   ready    7f3a            0 0.12 ms 0.31 ms   12 ms      -");
}

TEST(StatusTableTest, ShowsTheGenerationThatIsBeingPrepared) {
  auto status = colony();
  status.generations.push_back({"main", "91bc00112233", "preparing", 1, 2, "exact", false});
  EXPECT_THAT(table(status), HasSubstr("7f3a → 91bc"));
  EXPECT_THAT(table(status), HasSubstr("main · 91bc · preparing · 1 × 2 · 0 of 2 ready"));
  EXPECT_THAT(table(colony()), Not(HasSubstr("→")));
}

TEST(StatusTableTest, GenerationsThatBeginAlikeAreToldApart) {
  auto status = colony();
  status.members[1].generation = "7f3a0abbbbbb";
  EXPECT_THAT(table(status), HasSubstr("7f3a00 "));
  EXPECT_THAT(table(status), HasSubstr("7f3a0a "));
}

TEST(StatusTableTest, RatesAreOfTheSameProcess) {
  auto status = colony();
  ServedRates rates;
  const ServedRates::Time begin;
  rates.look(status, begin);
  EXPECT_LT(rates.of(status.members[0]), 0);
  status.members[0].served += 824;
  status.members[1].pid = 999;
  rates.look(status, begin + 2s);
  EXPECT_DOUBLE_EQ(rates.of(status.members[0]), 412);
  EXPECT_LT(rates.of(status.members[1]), 0);
}

TEST(StatusTableTest, MarksOldDataAndWhatIsWrong) {
  auto status = colony();
  status.members[0].in_contact = false;
  status.members[1].crash_loop = true;
  status.members[1].state = "gone";
  status.members[1].exit_code = 139;
  status.members[1].reason = "no memory";
  status.agents[0].connected = false;
  status.operations = {{1, "scale", "main", "", "", "running", 1, 3, "adds replica 2"},
                       {2, "drain", "main", "node-1", "", "done", 1, 1, ""}};
  const auto text = table(status, {false, 14});
  EXPECT_THAT(text, HasSubstr("the head has not answered for 14 s"));
  EXPECT_THAT(text, HasSubstr(" lost "));
  EXPECT_THAT(text, HasSubstr(" crashing "));
  EXPECT_THAT(text, HasSubstr("node-2 ended with code 139: no memory"));
  EXPECT_THAT(text, HasSubstr("agent ants is not connected"));
  EXPECT_THAT(text, HasSubstr("scale main: running · step 1 of 3 · adds replica 2"));
  EXPECT_THAT(text, Not(HasSubstr("drain")));
}

TEST(StatusTableTest, ColoursOnlyWhereAskedAndTextsOfPeersStayText) {
  auto status = colony();
  status.members[0].node = "\033[31mred\n";
  status.members[1].state = "gone";
  status.members[1].reason = "\033]0;title\007";
  EXPECT_THAT(table(status), Not(HasSubstr("\033")));
  const auto coloured = table(status, {true, 0});
  EXPECT_THAT(coloured, HasSubstr("\033[32mready"));
  EXPECT_THAT(coloured, Not(HasSubstr("\033[31mred")));
  EXPECT_THAT(coloured, Not(HasSubstr("\033]0")));
}

}  // namespace
}  // namespace rookery::launch
