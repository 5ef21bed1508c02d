#include "text/detail/piece_table.hpp"

#include <algorithm>
#include <array>
#include <bit>

namespace rookery::text::detail {
namespace {

// FNV-1a, because the hashes of all beginnings of a text come out of one pass over it.
constexpr std::uint64_t kStart = 0xCBF29CE484222325;
constexpr std::uint64_t step(std::uint64_t hash, char byte) {
  return (hash ^ static_cast<unsigned char>(byte)) * 0x100000001B3;
}

}  // namespace

PieceTable::PieceTable(std::size_t pieces_max)
    : slots_(std::bit_ceil(std::max<std::size_t>(pieces_max, 1) * 2)) {}

std::size_t PieceTable::slot_of(std::uint64_t hash, std::string_view piece) const {
  const std::size_t mask = slots_.size() - 1;
  for (std::size_t at = (hash ^ (hash >> 32)) & mask;; at = (at + 1) & mask) {
    const Slot& slot = slots_[at];
    if (slot.bytes == 0) return at;
    if (slot.hash == hash && std::string_view(bytes_).substr(slot.offset, slot.bytes) == piece) {
      return at;
    }
  }
}

void PieceTable::add(std::string_view piece, TokenId id) {
  if (piece.empty()) return;
  std::uint64_t hash = kStart;
  for (const char byte : piece) hash = step(hash, byte);
  Slot& slot = slots_[slot_of(hash, piece)];
  if (slot.bytes == 0) {
    slot.hash = hash;
    slot.offset = static_cast<std::uint32_t>(bytes_.size());
    slot.bytes = static_cast<std::uint32_t>(piece.size());
    bytes_ += piece;
    bytes_max_ = std::max(bytes_max_, piece.size());
  }
  slot.id = id;
}

PieceTable::Match PieceTable::longest_prefix(std::string_view text) const {
  constexpr std::size_t kHashesMax = 512;  // a word has at most 100 characters of 4 bytes
  std::array<std::uint64_t, kHashesMax> hashes;
  const std::size_t longest = std::min({text.size(), bytes_max_, kHashesMax});
  std::uint64_t hash = kStart;
  for (std::size_t i = 0; i < longest; ++i) hashes[i] = hash = step(hash, text[i]);
  for (std::size_t bytes = longest; bytes > 0; --bytes) {
    const Slot& slot = slots_[slot_of(hashes[bytes - 1], text.substr(0, bytes))];
    if (slot.bytes != 0) return {slot.id, bytes};
  }
  return {};
}

}  // namespace rookery::text::detail
