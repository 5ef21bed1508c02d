#pragma once

#include <cstdint>

#include "index_tools/snapshot.hpp"
#include "retriever_pool/exact_kernel.hpp"
#include "retriever_pool/retriever.hpp"

namespace rookery::retriever_pool {

struct DocumentFields {
  bool passages = true, vectors = false;
  bool float16 = false;  ///< vectors are rounded to float16, to nearest even
};

/// The document behind a hit of this shard, with the fields that were asked for; with its value in
/// a datastore. Its vector is empty where the shard has none. Throws `RetrievalError` (kInvalid)
/// for a vector that float16 cannot hold.
Document make_document(const index_tools::SnapshotShard& shard, const Hit& hit,
                       const DocumentFields& fields);

/// Bytes that the fields of this hit take, without copying them.
std::int64_t document_bytes(const index_tools::SnapshotShard& shard, const Hit& hit,
                            const DocumentFields& fields);

/// Adds the fields to a document that has id and score, from this row.
void fill_document(const index_tools::SnapshotShard& shard, std::int64_t row,
                   const DocumentFields& fields, Document& document);

}  // namespace rookery::retriever_pool
