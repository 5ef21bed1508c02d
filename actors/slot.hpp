#pragma once

#include <compare>
#include <cstdint>
#include <string>

namespace rookery::actors {

/// One wanted process: replica `replica` of shard `shard` of one generation of an index.
struct Slot {
  std::string index, generation;
  std::int32_t shard = 0, replica = 0;
  friend auto operator<=>(const Slot&, const Slot&) = default;
};

/// The slot that a message (`NodeSpec`, `ProcessEvent`, `NodeHello`) speaks of.
template <class Message>
Slot slot_of(const Message& message) {
  return {message.index, message.generation, message.shard, message.replica};
}

}  // namespace rookery::actors
