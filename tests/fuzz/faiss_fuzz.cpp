// faiss index files from outside, through our own reader of them.
#include "base/error.hpp"
#include "index_tools/faiss/detail/faiss_calls.hpp"
#include "tests/fuzz/fuzz_input.hpp"
#include "tests/fuzz/fuzz_targets.hpp"

namespace rookery::fuzz {

int fuzz_faiss(std::span<const std::byte> bytes) {
  const MemoryFile file(bytes);
  try {
    const auto contents = index_tools::detail::read_faiss_file(file.path());
    require(std::ssize(contents.vectors) == contents.count * contents.dimension,
            "another number of vectors than stated");
    require(contents.ids.empty() || std::ssize(contents.ids) == contents.count,
            "another number of ids than vectors");
    return 1;
  } catch (const base::UserError&) {
    return 0;
  }
}

}  // namespace rookery::fuzz
