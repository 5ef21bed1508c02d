#include "actors/wanted_state.hpp"

#include <gtest/gtest.h>

#include "base/atomic_file.hpp"
#include "base/error.hpp"
#include "tests/support/temp_folder.hpp"

namespace rookery::actors {
namespace {

TEST(WantedStateTest, ComesBackFromDiskAsItWas) {
  const testing::TempFolder folder;
  WantedState state;
  state.colony = "wiki";
  state.term = 7;
  state.shards = 2;
  state.replicas = 2;
  state.snapshot = "/data/wiki/7f3a";
  state.generation = "7f3a";
  state.placement = {{{0, 0}, "a"}, {{1, 1}, "b"}};
  state.save(folder / "wanted.json");
  const auto loaded = WantedState::load(folder / "wanted.json");
  ASSERT_TRUE(loaded);
  EXPECT_EQ(loaded->to_json(), state.to_json());
  EXPECT_EQ(loaded->term, 7u);
  EXPECT_EQ(loaded->placement, state.placement);
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
