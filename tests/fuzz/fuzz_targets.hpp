#pragma once

#include <cstddef>
#include <span>
#include <string>
#include <vector>

/// Readers of files and messages from outside, one function each: it gives them bytes and uses
/// whatever they accept. A `UserError` (or what the reader throws to a peer) is a good answer;
/// anything else that ends badly (a sanitizer's finding, another exception, an abort of ours) is a
/// bug. Returns 1 when the bytes were accepted, else 0.
namespace rookery::fuzz {

int fuzz_bm25(std::span<const std::byte> bytes);          ///< a shard's `bm25` file, and searches
int fuzz_faiss(std::span<const std::byte> bytes);         ///< a faiss index file
int fuzz_filter(std::span<const std::byte> bytes);        ///< a filter as JSON
int fuzz_hnsw(std::span<const std::byte> bytes);          ///< a shard's `hnsw` file, and searches
int fuzz_index_spec(std::span<const std::byte> bytes);    ///< `hnsw:m=64` as a user types it
int fuzz_int8(std::span<const std::byte> bytes);          ///< a shard's `int8` file, and searches
int fuzz_ivfpq(std::span<const std::byte> bytes);         ///< a shard's `ivfpq` file, and searches
int fuzz_json_lines(std::span<const std::byte> bytes);    ///< a corpus in JSON lines
int fuzz_manifest(std::span<const std::byte> bytes);      ///< `manifest.json`, its checksum mended
int fuzz_npy(std::span<const std::byte> bytes);           ///< a `.npy` file
int fuzz_passages(std::span<const std::byte> bytes);      ///< a shard's `passages` file
int fuzz_routing_view(std::span<const std::byte> bytes);  ///< a routing view as JSON
int fuzz_shard(std::span<const std::byte> bytes);         ///< all files of a datastore's shard
int fuzz_table(std::span<const std::byte> bytes);  ///< a corpus as TSV, with and without header

int fuzz_wire_answer(std::span<const std::byte> bytes);  ///< the body of an answer
int fuzz_wire_header(std::span<const std::byte> bytes);  ///< the header of any message
int fuzz_wire_query(std::span<const std::byte> bytes);   ///< the body of a query
int fuzz_wire_small(
    std::span<const std::byte> bytes);  ///< bodies of errors, pongs, view requests, leases
int fuzz_yaml(std::span<const std::byte> bytes);  ///< a colony's file

struct FuzzTarget {
  std::string name;  ///< `bm25`: its corpus is `tests/fuzz/corpus/bm25`
  int (*run)(std::span<const std::byte> bytes);
};
/// All of them, by name.
const std::vector<FuzzTarget>& fuzz_targets();

}  // namespace rookery::fuzz
