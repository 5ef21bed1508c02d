#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "retriever_pool/hybrid.hpp"
#include "retriever_pool/retriever.hpp"

namespace rookery::launch {

/// A way of searching that a user names: the pool's own, one kind of index, or hybrid.
struct SearchMode {
  std::string name;  ///< as the user wrote it; "default" when nothing was
  std::optional<index_tools::IndexKind>
      kind;             ///< unset: the pool's own, also of hybrid's dense half
  bool hybrid = false;  ///< dense and bm25 lists fused
};
/// Reads "exact", …, "bm25", "hybrid"; "" is the pool's own. Throws `UserError` naming them.
SearchMode search_mode(const std::string& name);
/// Reads a list such as "exact,bm25,hybrid"; "" is the pool's own alone.
std::vector<SearchMode> search_modes(const std::string& names);

/// Whether the texts must become vectors before this pool can search for them.
bool needs_vectors(const SearchMode& mode, const retriever_pool::IndexDescription& index);

/// The lists of a command's `--allow-…` and `--deny-…` options, and files with an entry a line.
struct FilterArguments {
  retriever_pool::PassageFilter lists;
  std::string deny_ids_file, allow_titles_file, deny_titles_file;
};
/// All of it as one filter. Throws `UserError` naming the file or the limit.
retriever_pool::PassageFilter read_filter(const FilterArguments& arguments);

/// The same questions as texts and, where `needs_vectors`, as vectors `[batch, dimension]`.
struct AskedQuestions {
  std::span<const std::string> texts;
  std::span<const float> vectors;
};
/// Asks the pool in this way. `request` says everything but queries, texts and kind. Errors as
/// `retrieve_or_explain`.
retriever_pool::RetrievalAnswer ask(retriever_pool::Retriever& pool, const SearchMode& mode,
                                    const AskedQuestions& questions,
                                    retriever_pool::RetrievalRequest request,
                                    const retriever_pool::FusionOptions& fusion = {});

}  // namespace rookery::launch
