#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "index_tools/corpus.hpp"
#include "index_tools/passage.hpp"

namespace rookery::index_tools::detail {

/// Which passages of a corpus are wanted, and how they are numbered.
struct PassageStreamOptions {
  std::int32_t passage_words = 100;  ///< see `split_words`
  std::int64_t sources_max = 0;      ///< only so many sources from the start; 0: all
  std::int64_t first_id = 0;
};

/// Passages of a corpus in order, from the first source to the last that is wanted.
class PassageStream {
 public:
  /// Rewinds the corpus, which must outlive the stream.
  PassageStream(Corpus& corpus, PassageStreamOptions options);
  /// The next passage; its views are good until the next call.
  std::optional<PassageView> next();

 private:
  Corpus& corpus_;
  PassageStreamOptions options_;
  std::optional<SourceText> source_;
  std::vector<std::string_view> pieces_;
  std::size_t at_ = 0;
  std::int64_t id_;
};

struct CorpusSize {
  std::int64_t sources = 0, passages = 0, empty_texts = 0;
  std::int64_t numbers = 0;  ///< running numbers that the sources took, empty ones included
};

/// Reads all that is wanted once, so that a broken line is reported before an hour of work. `seen`
/// is called for each passage and may be empty. Throws `UserError` when there is no text at all.
CorpusSize measure_corpus(Corpus& corpus, const PassageStreamOptions& options,
                          const std::function<void(const PassageView&)>& seen);

}  // namespace rookery::index_tools::detail
