#include <faiss/IndexFlat.h>
#include <faiss/IndexIDMap.h>
#include <faiss/index_io.h>

#include <stdexcept>

#include "base/error.hpp"
#include "index_tools/faiss/detail/faiss_calls.hpp"

namespace rookery::index_tools::detail {

void write_faiss_flat(const std::filesystem::path& path, const VectorsView& /*rows*/,
                      std::span<const std::int64_t> /*ids*/) {
  throw base::UserError(path.string() + ": writing flat files is not there yet");
}

}  // namespace rookery::index_tools::detail
