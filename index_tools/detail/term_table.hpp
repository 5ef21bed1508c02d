#pragma once

#include <cstdint>
#include <cstring>
#include <string_view>
#include <vector>

namespace rookery::index_tools::detail {

/// Numbers of terms by their text, 8 bytes a slot, at most half full. The texts themselves lie with
/// the caller: `text_of(number)` gives them.
class TermTable {
 public:
  explicit TermTable(std::size_t terms = 0) {
    std::size_t slots = 64;
    while (slots < terms * 2) slots *= 2;
    slots_.resize(slots);
  }

  /// The term's number, or -1.
  template <typename TextOf>
  [[nodiscard]] std::int64_t find(std::string_view term, const TextOf& text_of) const {
    const std::uint32_t hash = hash_of(term);
    for (std::size_t at = hash & (slots_.size() - 1);; at = (at + 1) & (slots_.size() - 1)) {
      const Slot& slot = slots_[at];
      if (slot.number == kFree) return -1;
      if (slot.hash == hash && text_of(slot.number) == term) return slot.number;
    }
  }

  /// Adds a term that is not there yet.
  void insert(std::string_view term, std::uint32_t number) {
    if (2 * (size_ + 1) > slots_.size()) grow();
    place({hash_of(term), number});
    ++size_;
  }

 private:
  static constexpr std::uint32_t kFree = 0xFFFFFFFF;
  struct Slot {
    std::uint32_t hash = 0, number = kFree;
  };

  static std::uint32_t hash_of(std::string_view term) {
    std::uint64_t hash = term.size() * 0x9E3779B97F4A7C15U;
    std::uint64_t word = 0;
    for (; term.size() > 8; term.remove_prefix(8)) {
      std::memcpy(&word, term.data(), 8);
      hash = (hash ^ word) * 0xD6E8FEB86659FD93U;
      hash ^= hash >> 32U;
    }
    word = 0;
    std::memcpy(&word, term.data(), term.size());
    hash = (hash ^ word) * 0xD6E8FEB86659FD93U;
    return static_cast<std::uint32_t>(hash >> 32U);
  }
  void place(const Slot& slot) {
    std::size_t at = slot.hash & (slots_.size() - 1);
    while (slots_[at].number != kFree) at = (at + 1) & (slots_.size() - 1);
    slots_[at] = slot;
  }
  void grow() {
    std::vector<Slot> old(slots_.size() * 2);
    old.swap(slots_);
    for (const Slot& slot : old) {
      if (slot.number != kFree) place(slot);
    }
  }

  std::vector<Slot> slots_;
  std::size_t size_ = 0;
};

}  // namespace rookery::index_tools::detail
