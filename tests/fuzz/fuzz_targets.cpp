#include "tests/fuzz/fuzz_targets.hpp"

namespace rookery::fuzz {

const std::vector<FuzzTarget>& fuzz_targets() {
  static const std::vector<FuzzTarget> kTargets{
      {"bm25", fuzz_bm25},
      {"faiss", fuzz_faiss},
      {"filter", fuzz_filter},
      {"hnsw", fuzz_hnsw},
      {"index_spec", fuzz_index_spec},
      {"int8", fuzz_int8},
      {"ivfpq", fuzz_ivfpq},
      {"json_lines", fuzz_json_lines},
      {"manifest", fuzz_manifest},
      {"npy", fuzz_npy},
      {"passages", fuzz_passages},
      {"routing_view", fuzz_routing_view},
      {"shard", fuzz_shard},
      {"table", fuzz_table},
      {"wire_answer", fuzz_wire_answer},
      {"wire_header", fuzz_wire_header},
      {"wire_query", fuzz_wire_query},
      {"wire_small", fuzz_wire_small},
      {"yaml", fuzz_yaml},
  };
  return kTargets;
}

}  // namespace rookery::fuzz
