#pragma once

#include <cstdint>

#include "index_tools/snapshot.hpp"
#include "retriever_pool/exact_kernel.hpp"
#include "retriever_pool/retriever.hpp"

namespace rookery::retriever_pool {

struct DocumentFields {
  bool passages = true, vectors = false;
};

/// The document behind a hit of this shard, with the fields that were asked for; with its value in
/// a datastore. Its vector is empty where the shard has none.
Document make_document(const index_tools::SnapshotShard& shard, const Hit& hit,
                       const DocumentFields& fields);

/// Bytes that the fields of this hit take, without copying them.
std::int64_t document_bytes(const index_tools::SnapshotShard& shard, const Hit& hit,
                            const DocumentFields& fields);

}  // namespace rookery::retriever_pool
