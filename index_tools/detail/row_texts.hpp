#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <vector>

#include "index_tools/corpus.hpp"

namespace rookery::index_tools::detail {

/// The texts of a corpus by their running number, blank ones counted: text i belongs to row i of an
/// array of vectors. Use from one thread.
class RowTexts {
 public:
  /// Reads the whole corpus once, so that a broken line is reported before anything is written.
  /// `keep` holds all texts in memory, for rows that are not asked for in rising order.
  RowTexts(std::unique_ptr<Corpus> corpus, bool keep);
  /// Texts, blank ones included.
  [[nodiscard]] std::int64_t count() const { return count_; }
  [[nodiscard]] std::int64_t blank() const { return blank_; }
  [[nodiscard]] Corpus& corpus() { return *corpus_; }
  /// The text of a row in `[0, count)`; null for a blank one. Good until the next call. Unless
  /// texts are kept, rows must rise from call to call.
  const SourceText* at(std::int64_t row);

 private:
  /// Reads up to the next text that is not blank.
  void advance();

  std::unique_ptr<Corpus> corpus_;
  std::int64_t count_ = 0, blank_ = 0;
  std::optional<SourceText> text_;
  std::int64_t row_ = -1;  ///< of `text_`; `count_` behind the last
  bool keep_;
  std::vector<std::optional<SourceText>> kept_;
};

}  // namespace rookery::index_tools::detail
