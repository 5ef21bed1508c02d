#include "retriever_pool/documents.hpp"

#include <cmath>
#include <stdexcept>
#include <string>

#include "index_tools/vector_math.hpp"
namespace rookery::retriever_pool {
namespace {

std::int64_t row_of(const index_tools::SnapshotShard& shard, const Hit& hit) {
  const auto row = shard.row_of(hit.id);
  if (!row) throw std::logic_error("shard has no passage " + std::to_string(hit.id));
  return *row;
}

void round_to_half(Document& document) {
  for (float& value : document.vector) {
    value = index_tools::from_half(index_tools::to_half(value));
    if (!std::isfinite(value)) {
      throw RetrievalError(RetrievalFault::kInvalid,
                           "passage " + std::to_string(document.id) +
                               ": its vector has an element beyond 65,504, which float16 cannot "
                               "hold; ask for float32");
    }
  }
}

}  // namespace

void fill_document(const index_tools::SnapshotShard& shard, std::int64_t row,
                   const DocumentFields& fields, Document& document) {
  if (!shard.values().empty()) document.value = shard.values()[static_cast<std::size_t>(row)];
  if (fields.passages) {
    const index_tools::PassageView passage = shard.passage(row);
    document.source_id = passage.source_id;
    document.title = passage.title;
    document.text = passage.text;
  }
  if (fields.vectors) {
    document.vector.resize(static_cast<std::size_t>(shard.dimension()));
    if (!document.vector.empty()) index_tools::copy_vector(shard, row, document.vector);
    if (fields.float16 && shard.vector_type() != index_tools::VectorType::kFloat16) {
      round_to_half(document);
    }
  }
}

Document make_document(const index_tools::SnapshotShard& shard, const Hit& hit,
                       const DocumentFields& fields) {
  Document document;
  document.id = hit.id;
  document.score = hit.score;
  if (!fields.passages && !fields.vectors && shard.values().empty()) return document;
  fill_document(shard, row_of(shard, hit), fields, document);
  return document;
}

std::int64_t document_bytes(const index_tools::SnapshotShard& shard, const Hit& hit,
                            const DocumentFields& fields) {
  std::int64_t bytes = std::int64_t{sizeof(Hit)};
  if (!shard.values().empty()) bytes += 4;
  if (fields.vectors) bytes += std::int64_t{shard.dimension()} * (fields.float16 ? 2 : 4);
  if (fields.passages) {
    const index_tools::PassageView passage = shard.passage(row_of(shard, hit));
    bytes += std::ssize(passage.source_id) + std::ssize(passage.title) + std::ssize(passage.text);
  }
  return bytes;
}

}  // namespace rookery::retriever_pool
