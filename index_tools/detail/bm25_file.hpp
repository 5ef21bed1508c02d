#pragma once

#include <array>
#include <cstdint>

#include "index_tools/bm25_block.hpp"

namespace rookery::index_tools::detail {

/// The `bm25` file of a shard. After the header, each begun at a multiple of 64 bytes:
///   lengths   uint32[rows]
///   terms     Bm25TermRecord[terms + 1], the texts rising byte by byte; the last one only ends
///   texts     char[text_bytes]
///   blocks    Bm25Block[blocks], those of a term together, in the order of the terms
///   data      byte[data_bytes], and 64 zeros so that blocks can be read in whole registers
struct Bm25Header {
  std::array<char, 8> magic;
  std::int64_t rows;
  std::int64_t corpus_documents, corpus_tokens;
  float k1, b;
  std::int64_t terms, text_bytes, blocks, postings, data_bytes;
  std::array<std::int64_t, 6> reserved;  // zeros
};
static_assert(sizeof(Bm25Header) == 128);

inline constexpr std::array<char, 8> kBm25Magic = {'R', 'K', 'B', 'M', '2', '5', '\0', '\1'};
inline constexpr std::int64_t kBm25Align = 64;
inline constexpr std::int64_t kBm25SpareBytes = 64;

struct Bm25TermRecord {
  std::uint64_t documents;  ///< of the whole corpus
  std::uint64_t first_block;
  std::uint64_t text_begin;
  std::uint32_t postings;
  std::uint16_t ratio_max;  ///< the largest of its blocks, 0 where there are none
  std::uint16_t reserved;
};
static_assert(sizeof(Bm25TermRecord) == 32);

inline std::int64_t bm25_aligned(std::int64_t bytes) {
  return (bytes + kBm25Align - 1) / kBm25Align * kBm25Align;
}

/// Where the parts begin. The numbers of the header must be known to be small and not negative.
struct Bm25Layout {
  std::int64_t lengths, terms, texts, blocks, data, end;

  static Bm25Layout of(const Bm25Header& header) {
    Bm25Layout at{};
    at.lengths = sizeof(Bm25Header);
    at.terms = at.lengths + bm25_aligned(header.rows * 4);
    at.texts = at.terms + bm25_aligned((header.terms + 1) * std::int64_t{sizeof(Bm25TermRecord)});
    at.blocks = at.texts + bm25_aligned(header.text_bytes);
    at.data = at.blocks + bm25_aligned(header.blocks * std::int64_t{sizeof(Bm25Block)});
    at.end = at.data + header.data_bytes + kBm25SpareBytes;
    return at;
  }
};

}  // namespace rookery::index_tools::detail
