#include "serving/prefix_slots.hpp"

#include <algorithm>
#include <stdexcept>

namespace rookery::serving {

PrefixSlots::PrefixSlots(std::size_t slots) : slots_(slots) {
  if (slots == 0) throw std::invalid_argument("PrefixSlots: expected at least one slot");
}

PrefixSlots::Choice PrefixSlots::choose(std::span<const text::TokenId> input) {
  if (input.empty()) throw std::invalid_argument("PrefixSlots: expected at least one token");
  const auto shared = [&](const Slot& slot) {
    const auto pair =
        std::mismatch(input.begin(), input.end(), slot.tokens.begin(), slot.tokens.end());
    // The last token always goes through the model: its logits are what is asked for.
    return std::min<std::size_t>(static_cast<std::size_t>(pair.first - input.begin()),
                                 input.size() - 1);
  };
  std::size_t best = 0, best_shared = 0, oldest = 0;
  for (std::size_t i = 0; i < slots_.size(); ++i) {
    const std::size_t now = shared(slots_[i]);
    const bool later = slots_[i].used > slots_[best].used;
    if (i == 0 || now > best_shared || (now == best_shared && later)) {
      best = i;
      best_shared = now;
    }
    if (slots_[i].used < slots_[oldest].used) oldest = i;
  }
  // Taking a slot for a short common beginning (a chat template's opening) would destroy the rest
  // of it; prefer to start afresh in the oldest one.
  const std::size_t lost = slots_[best].tokens.size() - best_shared;
  if (best != oldest && lost > best_shared) {
    best = oldest;
    best_shared = shared(slots_[best]);
  }
  Slot& slot = slots_[best];
  slot.tokens.resize(best_shared);
  slot.used = ++clock_;
  return {best, static_cast<std::int32_t>(best_shared)};
}

void PrefixSlots::append(std::size_t slot, std::span<const text::TokenId> tokens) {
  Slot& taken = slots_.at(slot);
  taken.tokens.insert(taken.tokens.end(), tokens.begin(), tokens.end());
}

}  // namespace rookery::serving
