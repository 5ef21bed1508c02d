#include "index_tools/detail/row_texts.hpp"

#include <stdexcept>
#include <string>

namespace rookery::index_tools::detail {

RowTexts::RowTexts(std::unique_ptr<Corpus> corpus, bool keep)
    : corpus_(std::move(corpus)), keep_(keep) {
  corpus_->rewind();
  while (std::optional<SourceText> text = corpus_->next()) {
    if (!keep_) continue;
    // `next` passes over blank texts and counts them, so the sum is the text's running number.
    kept_.resize(static_cast<std::size_t>(corpus_->sources() + corpus_->empty_texts()));
    kept_.back() = std::move(text);
  }
  blank_ = corpus_->empty_texts();
  count_ = corpus_->sources() + blank_;
  if (keep_) kept_.resize(static_cast<std::size_t>(count_));
  corpus_->rewind();
}

void RowTexts::advance() {
  text_ = corpus_->next();
  row_ = text_ ? corpus_->sources() + corpus_->empty_texts() - 1 : count_;
}

const SourceText* RowTexts::at(std::int64_t row) {
  if (row < 0 || row >= count_) {
    throw std::invalid_argument("RowTexts::at: expected a row in [0, " + std::to_string(count_) +
                                "), got " + std::to_string(row));
  }
  if (keep_) {
    const std::optional<SourceText>& text = kept_[static_cast<std::size_t>(row)];
    return text ? &*text : nullptr;
  }
  while (row_ < row) advance();
  return row_ == row && text_ ? &*text_ : nullptr;
}

}  // namespace rookery::index_tools::detail
