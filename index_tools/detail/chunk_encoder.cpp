#include "index_tools/detail/chunk_encoder.hpp"

#include <algorithm>
#include <chrono>
#include <cmath>
#include <optional>
#include <stdexcept>
#include <utility>

namespace rookery::index_tools::detail {

ChunkEncoder::ChunkEncoder(engine::TextEncoder* encoder, ChunkStore store,
                           std::int32_t chunk_passages, SnapshotWriter& writer,
                           EncodeFigures& figures)
    : encoder_(encoder),
      store_(std::move(store)),
      chunk_passages_(chunk_passages),
      writer_(writer),
      figures_(figures) {}

void ChunkEncoder::add(const PassageView& passage) {
  rows_.push_back({passage.id, std::string(passage.source_id), std::string(passage.title),
                   std::string(passage.text), std::string(passage.topic)});
}

bool ChunkEncoder::full() const {
  return rows_.size() == static_cast<std::size_t>(chunk_passages_);
}

void ChunkEncoder::flush() {
  if (rows_.empty()) return;
  const std::vector<float> vectors = vectors_of_rows();
  const std::size_t width = vectors.size() / rows_.size();
  for (std::size_t row = 0; row < rows_.size(); ++row) {
    const Row& passage = rows_[row];
    writer_.add({passage.id, passage.source_id, passage.title, passage.text, passage.topic},
                std::span(vectors).subspan(row * width, width));
  }
  rows_.clear();
}

std::vector<float> ChunkEncoder::vectors_of_rows() {
  if (encoder_ == nullptr) return {};
  const auto count = static_cast<std::int64_t>(rows_.size());
  const ChunkId chunk{writer_.build_key(), rows_.front().id, count, encoder_->identity().dimension};
  if (std::optional<std::vector<float>> kept = store_.load(chunk)) {
    figures_.resumed += count;
    return std::move(*kept);
  }
  std::vector<float> vectors = encode();
  figures_.encoded += count;
  // Vectors that the writer is about to refuse must not be found again by the next run.
  if (std::all_of(vectors.begin(), vectors.end(), [](float x) { return std::isfinite(x); })) {
    store_.save(chunk, vectors);
  }
  return vectors;
}

std::vector<float> ChunkEncoder::encode() {
  const auto begin = std::chrono::steady_clock::now();
  std::vector<std::string> texts;
  texts.reserve(rows_.size());
  for (const Row& row : rows_) texts.push_back(engine::passage_text(row.title, row.text));
  std::vector<float> vectors = encoder_->encode(texts);
  const std::int32_t dimension = encoder_->identity().dimension;
  if (vectors.size() != rows_.size() * static_cast<std::size_t>(dimension)) {
    throw std::logic_error("the encoder gave " + std::to_string(vectors.size()) + " floats for " +
                           std::to_string(rows_.size()) + " texts of " + std::to_string(dimension));
  }
  figures_.seconds +=
      std::chrono::duration<double>(std::chrono::steady_clock::now() - begin).count();
  return vectors;
}

void encode_all(PassageStream& passages, ChunkEncoder& chunks, std::int64_t& done,
                const std::function<void()>& tell) {
  const auto flush = [&] {
    chunks.flush();
    tell();
  };
  tell();
  while (const std::optional<PassageView> passage = passages.next()) {
    chunks.add(*passage);
    ++done;
    if (chunks.full()) flush();
  }
  flush();
}

}  // namespace rookery::index_tools::detail
