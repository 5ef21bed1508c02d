#pragma once

#include <filesystem>
#include <string>

#include "retriever_pool/passage_filter.hpp"

namespace rookery::retriever_pool {

/// A filter as JSON: `{"allow_ids": [3, 5], "deny_titles": ["…"]}`, each of the six lists where it
/// is not empty.
std::string filter_to_json(const PassageFilter& filter);

/// Reads what `filter_to_json` writes. Throws `UserError` naming the file, what was expected and
/// what came: a file that is missing or over the limits, an unknown list, an entry of the wrong
/// type.
PassageFilter read_filter_file(const std::filesystem::path& file);

}  // namespace rookery::retriever_pool
