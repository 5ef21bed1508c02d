#include "base/error.hpp"
#include "index_tools/faiss/detail/faiss_calls.hpp"

namespace rookery::index_tools::detail {

FaissContents read_faiss_file(const std::filesystem::path& path) {
  throw base::UserError(path.string() + ": reading faiss files is not there yet");
}

}  // namespace rookery::index_tools::detail
