#include "actors/stall_watch.hpp"

#include <algorithm>

namespace rookery::actors {

namespace {
// What a thread that only wakes up and sleeps again may use between two looks.
constexpr std::chrono::microseconds kIdleCpu{20};
}  // namespace

bool StallWatch::look(const retriever_pool::SearchPulse& pulse,
                      std::chrono::steady_clock::time_point now) {
  const auto step = looked_
                        ? std::min<std::chrono::steady_clock::duration>(now - *looked_, kStepMax)
                        : std::chrono::steady_clock::duration{0};
  const bool moves = !pulse.busy || !last_.busy || pulse.batches != last_.batches ||
                     pulse.cpu > last_.cpu + kIdleCpu;
  looked_ = now;
  last_ = pulse;
  hung_ = moves ? std::chrono::steady_clock::duration{0} : hung_ + step;
  return hung_ >= limit_;
}

}  // namespace rookery::actors
