#pragma once

#include <filesystem>
#include <memory>

#include "index_tools/corpus.hpp"

namespace rookery::index_tools::detail {

/// One reader a format; all follow the policy of `Corpus`.
std::unique_ptr<Corpus> open_table_corpus(const std::filesystem::path& path,
                                          const CorpusOptions& options);
std::unique_ptr<Corpus> open_title_text_corpus(const std::filesystem::path& path,
                                               const CorpusOptions& options);
std::unique_ptr<Corpus> open_json_lines_corpus(const std::filesystem::path& path,
                                               const CorpusOptions& options);
std::unique_ptr<Corpus> open_wiki_corpus(const std::filesystem::path& path,
                                         const CorpusOptions& options);

/// Whether the first line of a table names the columns.
bool has_table_header(const std::filesystem::path& path, const CorpusOptions& options);

}  // namespace rookery::index_tools::detail
