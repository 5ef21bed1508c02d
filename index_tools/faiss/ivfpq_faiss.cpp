#include "base/error.hpp"
#include "index_tools/faiss/detail/faiss_calls.hpp"

namespace rookery::index_tools::detail {

FaissIvfPq train_faiss_ivfpq(const VectorsView& /*sample*/, std::int32_t /*nlist*/,
                             std::int32_t /*pq_bytes*/, std::uint64_t /*seed*/) {
  throw base::UserError("ivfpq training: not there yet");
}
FaissIvfPq encode_faiss_ivfpq(const FaissIvfPq& /*model*/, const VectorsView& /*rows*/) {
  throw base::UserError("ivfpq build: not there yet");
}
void write_faiss_ivfpq(const std::filesystem::path& path, const VectorsView& /*shape*/,
                       const FaissIvfPq& /*lists*/) {
  throw base::UserError(path.string() + ": writing ivfpq files is not there yet");
}

}  // namespace rookery::index_tools::detail
