#include "actors/wanted_state.hpp"

#include <gtest/gtest.h>

#include "base/atomic_file.hpp"
#include "base/error.hpp"
#include "tests/support/error_text.hpp"
#include "tests/support/temp_folder.hpp"

namespace rookery::actors {
namespace {

using retriever_pool::GenerationRole;

TEST(WantedStateTest, ComesBackFromDiskAsItWas) {
  const testing::TempFolder folder;
  WantedState state;
  state.colony = "wiki";
  state.term = 7;
  WantedGeneration live{"7f3a", "/data/wiki/7f3a", GenerationRole::kLive, 2, 2};
  WantedGeneration fresh{"91bc", "/data/wiki/91bc", GenerationRole::kPreparing, 3, 1};
  state.indexes = {{.name = "main",
                    .path = "/data/wiki",
                    .replicas_configured = 2,
                    .settings = {"hnsw", 64, 0, 0, "/tmp/filter.json"},
                    .generations = {live, fresh}},
                   {.name = "news", .path = "/data/news"}};
  const Slot first{"main", "7f3a", 0, 0}, second{"main", "91bc", 2, 0};
  state.nodes = {{first, {1, 4, 5}}, {second, {9, 0, 0}}};
  state.placement = {{first, "a"}};
  state.avoid = {{second, "b"}};
  state.drained_agents = {"b"};
  state.operations = {{.id = 3, .action = "restart", .index = "main", .step = 1, .of = 4}};
  state.save(folder / "wanted.json");
  const auto loaded = WantedState::load(folder / "wanted.json");
  ASSERT_TRUE(loaded);
  EXPECT_EQ(loaded->to_json(), state.to_json());
  EXPECT_EQ(loaded->term, 7u);
  EXPECT_EQ(loaded->nodes, state.nodes);
  EXPECT_EQ(loaded->placement, state.placement);
  EXPECT_EQ(loaded->avoid, state.avoid);
  EXPECT_EQ(loaded->operations, state.operations);
  EXPECT_EQ(loaded->find("main")->settings, state.find("main")->settings);
  EXPECT_EQ(loaded->find("")->live()->snapshot, "/data/wiki/7f3a");
}

TEST(WantedStateTest, ReadsTheFirstSchemaWithTheNamesThatNodesHadThen) {
  const auto state = WantedState::from_json(
      R"({"colony": "wiki", "term": 7, "shards": 2, "replicas": 2, "snapshot": "/data/wiki/7f3a",
          "generation": "7f3a", "placement": [{"shard": 0, "replica": 0, "agent": "a"},
                                              {"shard": 1, "replica": 1, "agent": "b"}]})",
      "wanted.json");
  EXPECT_EQ(state.term, 7u);
  ASSERT_EQ(state.indexes.size(), 1u);
  EXPECT_EQ(state.indexes[0].name, "main");
  ASSERT_NE(state.indexes[0].live(), nullptr);
  EXPECT_EQ(state.indexes[0].live()->replicas, 2);
  const Slot last{"main", "7f3a", 1, 1};
  EXPECT_EQ(state.nodes.at(last).name(), "node-4");
  EXPECT_EQ(state.placement.at(last), "b");
}

TEST(WantedStateTest, RefusesTheFileOfANewerRookery) {
  const auto text = testing::error_text([] {
    static_cast<void>(
        WantedState::from_json(R"({"schema": 9, "colony": "a", "term": 1})", "wanted.json"));
  });
  EXPECT_NE(text.find("expected schema 2"), std::string::npos) << text;
}

TEST(WantedStateTest, ShowsClientsTheDefaultIndexesLiveGenerationFirst) {
  WantedState state;
  WantedGeneration old{"aa", "", GenerationRole::kRetired, 1, 1};
  WantedGeneration live{"bb", "", GenerationRole::kLive, 1, 1};
  state.indexes = {{.name = "main", .generations = {old, live}},
                   {.name = "news", .generations = {live}}};
  const auto views = state.generations();
  ASSERT_EQ(views.size(), 3u);
  EXPECT_EQ(views[0].index_name, "main");
  EXPECT_EQ(views[0].index.generation, "bb");
  EXPECT_EQ(views[1].index_name, "news");
  EXPECT_EQ(views[2].index.generation, "aa");
}

TEST(WantedStateTest, IsAbsentBeforeTheFirstHead) {
  const testing::TempFolder folder;
  EXPECT_FALSE(WantedState::load(folder / "wanted.json"));
}

TEST(WantedStateTest, NamesADamagedFile) {
  const testing::TempFolder folder;
  base::write_file_atomically(folder / "wanted.json", R"({"colony": "wiki", "term": )");
  try {
    static_cast<void>(WantedState::load(folder / "wanted.json"));
    FAIL() << "a damaged file was accepted";
  } catch (const base::UserError& error) {
    const std::string text = error.what();
    EXPECT_NE(text.find((folder / "wanted.json").string()), std::string::npos) << text;
    EXPECT_NE(text.find("expected the head's wanted state"), std::string::npos) << text;
  }
}

}  // namespace
}  // namespace rookery::actors
