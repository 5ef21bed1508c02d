#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "text/tokenizer.hpp"

namespace rookery::text::detail {

/// Pieces by their bytes, built for one question: which is the longest that the text begins with?
class PieceTable {
 public:
  /// `pieces_max` pieces may be added.
  explicit PieceTable(std::size_t pieces_max);
  /// A piece that is there already gets the new id. Empty pieces are left out.
  void add(std::string_view piece, TokenId id);

  struct Match {
    TokenId id = -1;  ///< -1: none
    std::size_t bytes = 0;
  };
  [[nodiscard]] Match longest_prefix(std::string_view text) const;

 private:
  struct Slot {
    std::uint64_t hash = 0;
    std::uint32_t offset = 0;
    std::uint32_t bytes = 0;  ///< 0: free
    TokenId id = -1;
  };
  [[nodiscard]] std::size_t slot_of(std::uint64_t hash, std::string_view piece) const;

  std::vector<Slot> slots_;  ///< open addressing; a power of two, at most half full
  std::string bytes_;
  std::size_t bytes_max_ = 0;  ///< of the longest piece
};

}  // namespace rookery::text::detail
