#include "index_tools/detail/passage_stream.hpp"

#include "base/error.hpp"
#include "index_tools/split.hpp"

namespace rookery::index_tools::detail {

PassageStream::PassageStream(Corpus& corpus, PassageStreamOptions options)
    : corpus_(corpus), options_(options), id_(options.first_id) {
  corpus_.rewind();
}

std::optional<PassageView> PassageStream::next() {
  while (at_ == pieces_.size()) {
    if (options_.sources_max > 0 && corpus_.sources() == options_.sources_max) return std::nullopt;
    source_ = corpus_.next();
    if (!source_) return std::nullopt;
    pieces_ = split_words(source_->text, options_.passage_words);
    at_ = 0;
  }
  return PassageView{id_++, source_->source_id, source_->title, pieces_[at_++], source_->topic};
}

CorpusSize measure_corpus(Corpus& corpus, const PassageStreamOptions& options,
                          const std::function<void(const PassageView&)>& seen) {
  PassageStream passages(corpus, options);
  CorpusSize size;
  while (const std::optional<PassageView> passage = passages.next()) {
    ++size.passages;
    if (seen) seen(*passage);
  }
  size.sources = corpus.sources();
  size.empty_texts = corpus.empty_texts();
  size.numbers = corpus.numbers();
  if (size.passages == 0) {
    throw base::UserError(corpus.path().string() +
                          ": expected at least one source with a text, found none");
  }
  return size;
}

}  // namespace rookery::index_tools::detail
