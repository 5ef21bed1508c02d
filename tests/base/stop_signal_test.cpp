#include "base/stop_signal.hpp"

#include <gtest/gtest.h>
#include <poll.h>

#include <csignal>
#include <stdexcept>

namespace rookery::base {
namespace {

bool readable(int descriptor) {
  pollfd entry{descriptor, POLLIN, 0};
  return ::poll(&entry, 1, 0) == 1;
}

class StopSignalTest : public ::testing::TestWithParam<int> {};

TEST_P(StopSignalTest, RemembersTheSignal) {
  const StopSignal stop;
  EXPECT_FALSE(stop.requested());
  EXPECT_FALSE(stop.wait(std::chrono::milliseconds(1)));
  EXPECT_FALSE(readable(stop.descriptor()));

  std::raise(GetParam());

  EXPECT_TRUE(stop.requested());
  EXPECT_TRUE(stop.wait(std::chrono::hours(1)));
  EXPECT_TRUE(readable(stop.descriptor()));
}

TEST_P(StopSignalTest, StartsAfreshAndAllowsOneAtATime) {
  {
    const StopSignal stop;
    EXPECT_THROW(StopSignal(), std::logic_error);
    std::raise(GetParam());
  }
  EXPECT_FALSE(StopSignal().requested());
}

INSTANTIATE_TEST_SUITE_P(Signals, StopSignalTest, ::testing::Values(SIGINT, SIGTERM));

}  // namespace
}  // namespace rookery::base
