#pragma once

#include <cstdint>
#include <filesystem>
#include <functional>
#include <vector>

#include "index_tools/index_spec.hpp"
#include "index_tools/manifest.hpp"

namespace rookery::index_tools::detail {

using IndexProgress =
    std::function<void(const IndexSpec& spec, std::int64_t rows_done, std::int64_t rows_total)>;

/// Refuses specs that these vectors cannot have, before hours of work are done for them.
void check_specs_fit(const std::vector<IndexSpec>& specs, VectorType vectors,
                     std::int32_t dimension);

/// Builds the files of `specs` (as `resolve_index_specs` orders them) for the rows that lie
/// finished in `work`, and adds their entries to the shards of `manifest`. At the end of each file
/// it is durable. Throws `UserError`.
void build_indexes(const std::filesystem::path& work, Manifest& manifest,
                   const std::vector<IndexSpec>& specs, int threads, const IndexProgress& progress);

}  // namespace rookery::index_tools::detail
