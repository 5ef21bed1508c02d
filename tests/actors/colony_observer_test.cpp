#include "actors/colony_observer.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "actors/status_board.hpp"

namespace rookery::actors {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;

TEST(ColonyObserverTest, BeginsWithTheHeadAndTellsEachChangeOnce) {
  StatusBoard board;
  ColonyObserver observer;
  observer.observe(board.status_json(), 1'000);
  EXPECT_THAT(observer.events().json(0), HasSubstr("the head of term 0"));

  board.update_agents({{"ants", "ants", 5, 2, 1, true}});
  observer.observe(board.status_json(), 2'000);
  observer.observe(board.status_json(), 3'000);
  EXPECT_THAT(observer.events().json(1), HasSubstr("agent ants on ants has come"));
  EXPECT_THAT(observer.events().json(2), Not(HasSubstr("has come")));
  EXPECT_THAT(observer.history().json(3600, 0, 3'000), HasSubstr("\"t\":3000"));
}

}  // namespace
}  // namespace rookery::actors
