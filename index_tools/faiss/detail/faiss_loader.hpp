#pragma once

#include <filesystem>

#include "index_tools/faiss/faiss_bridge.hpp"

namespace rookery::index_tools::detail {

/// Where the library of this executable lies: `../lib/librookery_faiss.so` from its folder.
std::filesystem::path faiss_library_path();

/// Loads `library` for the rest of the process. `avx2` says whether this CPU can run it. Throws
/// `UserError` naming what is missing.
FaissBridge& load_faiss_bridge(const std::filesystem::path& library, bool avx2);

}  // namespace rookery::index_tools::detail
