#include "retriever_pool/outlier_detector.hpp"

#include <algorithm>

namespace rookery::retriever_pool {
namespace {

constexpr std::int32_t kDoublingsMax = 5;

}  // namespace

OutlierDetector::State OutlierDetector::state(Time now) const {
  if (in_) return State::kIn;
  return now < until_ ? State::kEjected : State::kProbation;
}

bool OutlierDetector::probe_due(Time now) const {
  return state(now) == State::kProbation && now - probed_ >= kProbeEvery;
}

bool OutlierDetector::answered(double relative, std::optional<double> peers, Time now) {
  failures_ = 0;
  ring_[next_] = static_cast<float>(relative);
  next_ = (next_ + 1) % kCalls;
  count_ = std::min(count_ + 1, kCalls);
  const double limit = peers ? kSlow * *peers : 0;
  switch (state(now)) {
    case State::kEjected:  // sent before
      return false;
    case State::kProbation:
      if (peers && relative > limit) {
        if (++bad_ < kBadAnswers) return false;
        eject(now, true);
        return true;
      }
      good(now);
      return false;
    case State::kIn:
      break;
  }
  const auto own = quantile(kCalls, kSlowShare);
  if (!own || !peers || *own <= limit) return false;
  eject(now, true);
  return true;
}

void OutlierDetector::ponged(Time now) {
  if (!slow_ && state(now) == State::kProbation) good(now);
}

bool OutlierDetector::failed(Time now) {
  ++failures_;
  const State before = state(now);
  if (before == State::kEjected) return false;
  if (before == State::kIn && failures_ < kFailuresInARow) return false;
  eject(now, false);
  return true;
}

void OutlierDetector::silent(Time now) { probation(now, kGoodAnswers); }

void OutlierDetector::reconnected(Time now) {
  failures_ = 0;
  count_ = 0;
  probation(now, 1);
}

void OutlierDetector::probation(Time now, std::int32_t good_answers) {
  in_ = false;
  slow_ = false;
  until_ = now;
  probed_ = {};
  good_left_ = good_answers;
  bad_ = 0;
}

void OutlierDetector::eject(Time now, bool slow) {
  const auto forgiven = (now - ejected_) / kForgiveAfter;
  ejections_ = static_cast<std::int32_t>(std::max<std::int64_t>(ejections_ - forgiven, 0));
  const auto time = kEjectionMin * (1 << std::min(ejections_, kDoublingsMax));
  ++ejections_;
  in_ = false;
  slow_ = slow;
  ejected_ = now;
  until_ = now + std::min(time, kEjectionMax);
  probed_ = {};
  failures_ = 0;
  count_ = 0;
  good_left_ = kGoodAnswers;
  bad_ = 0;
}

void OutlierDetector::good(Time) {
  if (--good_left_ > 0) return;
  in_ = true;
  slow_ = false;
}

std::optional<double> OutlierDetector::quantile(std::size_t calls, double share) const {
  if (count_ < calls || count_ == 0) return std::nullopt;
  std::array<float, kCalls> sorted = ring_;
  const auto middle =
      sorted.begin() + static_cast<std::ptrdiff_t>(share * static_cast<double>(count_));
  std::nth_element(sorted.begin(), middle, sorted.begin() + static_cast<std::ptrdiff_t>(count_));
  return static_cast<double>(*middle);
}

}  // namespace rookery::retriever_pool
