#include "index_tools/build.hpp"

#include "base/atomic_file.hpp"
#include "base/checksum.hpp"
#include "base/error.hpp"
#include "index_tools/detail/build_lock.hpp"
#include "index_tools/detail/chunk_store.hpp"
#include "index_tools/detail/publish.hpp"
#include "index_tools/snapshot.hpp"
#include "index_tools/snapshot_writer.hpp"
#include "index_tools/split.hpp"

#include <algorithm>
#include <chrono>
#include <cmath>
#include <optional>
#include <stdexcept>
#include <string>
#include <vector>

namespace rookery::index_tools {
namespace fs = std::filesystem;
namespace {

constexpr std::int64_t kReadingStep = 2048;  ///< sources between two calls of `progress`

double seconds_since(std::chrono::steady_clock::time_point begin) {
  return std::chrono::duration<double>(std::chrono::steady_clock::now() - begin).count();
}

void require(bool holds, const std::string& key, const std::string& expected, std::int64_t got) {
  if (holds) return;
  throw base::UserError(key + ": expected " + expected + ", got " + std::to_string(got));
}

void validate(const BuildOptions& options) {
  require(options.shards >= 1 && options.shards <= 1024, "shards", "a number in [1, 1024]",
          options.shards);
  require(options.passage_words >= 0 && options.passage_words <= 100'000, "passage_words",
          "a number in [0, 100000]", options.passage_words);
  require(options.sources_max >= 0, "limit", "a number of sources, or 0 for all",
          options.sources_max);
  require(options.chunk_passages >= 1 && options.chunk_passages <= 65'536, "chunk_passages",
          "a number in [1, 65536]", options.chunk_passages);
  if (options.out.empty()) throw base::UserError("out: expected a folder, got none");
}

/// Passages of a corpus in order, from the first source to the last that is wanted.
class PassageStream {
 public:
  PassageStream(Corpus& corpus, const BuildOptions& options) : corpus_(corpus), options_(options) {
    corpus_.rewind();
  }

  /// The next passage; its views are good until the next call.
  std::optional<PassageView> next() {
    while (at_ == pieces_.size()) {
      if (options_.sources_max > 0 && corpus_.sources() == options_.sources_max) {
        return std::nullopt;
      }
      source_ = corpus_.next();
      if (!source_) return std::nullopt;
      pieces_ = split_words(source_->text, options_.passage_words);
      at_ = 0;
    }
    return PassageView{id_++, source_->source_id, source_->title, pieces_[at_++], source_->topic};
  }

 private:
  Corpus& corpus_;
  const BuildOptions& options_;
  std::optional<SourceText> source_;
  std::vector<std::string_view> pieces_;
  std::size_t at_ = 0;
  std::int64_t id_ = 0;
};

struct CorpusSize {
  std::int64_t sources = 0, passages = 0, empty_texts = 0;
};

CorpusSize measure(Corpus& corpus, const BuildOptions& options,
                   const BuildProgressCallback& progress) {
  PassageStream passages(corpus, options);
  CorpusSize size;
  while (passages.next()) {
    if (++size.passages % kReadingStep == 0 && progress) {
      progress({BuildProgress::Stage::kReading, size.passages, 0, 0});
    }
  }
  size.sources = corpus.sources();
  size.empty_texts = corpus.empty_texts();
  const std::string path = options.corpus.string();
  if (size.passages == 0) {
    throw base::UserError(path + ": expected at least one source with a text, found none");
  }
  if (size.passages < options.shards) {
    throw base::UserError("shards: expected at most one for each of the " +
                          std::to_string(size.passages) + " passages of " + path + ", got " +
                          std::to_string(options.shards));
  }
  return size;
}

/// What the rows depend on; sharding and indexes are not in it.
std::string content_key(const Corpus& corpus, const CorpusSize& size, const BuildOptions& options,
                        const engine::EncoderIdentity& encoder) {
  const std::string facts = "rookery build 2\ncorpus " + corpus.fingerprint() + "\nsources " +
                            std::to_string(size.sources) + "\nwords " +
                            std::to_string(options.passage_words) + "\nencoder " +
                            encoder.model_hash + " " + std::to_string(encoder.dimension) + " " +
                            encoder.pooling + " " + (encoder.normalised ? "normalised" : "raw") +
                            " " + std::to_string(encoder.tokens_max) + "\n";
  return base::sha256_hex(std::as_bytes(std::span(facts)));
}

/// A generation of this key that is whole and sound, if there is one.
std::optional<Manifest> find_sound_generation(const fs::path& name, const std::string& key) {
  std::error_code error;
  for (const fs::directory_entry& entry : fs::directory_iterator(name, error)) {
    const std::string folder = entry.path().filename().string();
    if (folder.starts_with('.') || !fs::exists(entry.path() / "manifest.json", error)) continue;
    try {
      Manifest manifest = load_manifest(entry.path());
      std::int64_t sound_blocks = 0;
      if (manifest.build_key == key && manifest.generation == folder &&
          verify_snapshot(entry.path(), std::nullopt, sound_blocks).empty()) {
        return manifest;
      }
    } catch (const base::UserError&) {
      // A damaged manifest: that generation cannot be used, and is none of this build's business.
    }
  }
  return std::nullopt;
}

/// Takes passages, encodes them chunk by chunk (or finds the chunk of an earlier run) and hands the
/// rows to the writer.
class ChunkEncoder {
 public:
  ChunkEncoder(const BuildOptions& options, engine::TextEncoder& encoder, detail::ChunkStore store,
               SnapshotWriter& writer, BuildReport& report)
      : options_(options),
        encoder_(encoder),
        store_(std::move(store)),
        writer_(writer),
        report_(report) {}

  void add(const PassageView& passage) {
    rows_.push_back({passage.id, std::string(passage.source_id), std::string(passage.title),
                     std::string(passage.text), std::string(passage.topic)});
  }
  [[nodiscard]] bool full() const {
    return rows_.size() == static_cast<std::size_t>(options_.chunk_passages);
  }

  void flush() {
    if (rows_.empty()) return;
    const std::int32_t dimension = encoder_.identity().dimension;
    const auto count = static_cast<std::int64_t>(rows_.size());
    const detail::ChunkId chunk{report_.manifest.build_key, rows_.front().id, count, dimension};
    std::optional<std::vector<float>> vectors = store_.load(chunk);
    if (vectors) {
      report_.passages_resumed += count;
    } else {
      vectors = encode(dimension);
      report_.passages_encoded += count;
      // Vectors that the writer is about to refuse must not be found again by the next run.
      if (std::all_of(vectors->begin(), vectors->end(), [](float x) { return std::isfinite(x); })) {
        store_.save(chunk, *vectors);
      }
    }
    const auto width = static_cast<std::size_t>(dimension);
    for (std::size_t row = 0; row < rows_.size(); ++row) {
      const Row& passage = rows_[row];
      writer_.add({passage.id, passage.source_id, passage.title, passage.text, passage.topic},
                  std::span(*vectors).subspan(row * width, width));
    }
    rows_.clear();
  }

 private:
  struct Row {
    std::int64_t id;
    std::string source_id, title, text, topic;
  };

  std::vector<float> encode(std::int32_t dimension) {
    const auto begin = std::chrono::steady_clock::now();
    std::vector<std::string> texts;
    texts.reserve(rows_.size());
    for (const Row& row : rows_) texts.push_back(engine::passage_text(row.title, row.text));
    std::vector<float> vectors = encoder_.encode(texts);
    if (vectors.size() != rows_.size() * static_cast<std::size_t>(dimension)) {
      throw std::logic_error("the encoder gave " + std::to_string(vectors.size()) + " floats for " +
                             std::to_string(rows_.size()) + " texts of " +
                             std::to_string(dimension));
    }
    report_.encode_seconds += seconds_since(begin);
    return vectors;
  }

  const BuildOptions& options_;
  engine::TextEncoder& encoder_;
  detail::ChunkStore store_;
  SnapshotWriter& writer_;
  BuildReport& report_;
  std::vector<Row> rows_;
};

void encode_and_write(Corpus& corpus, const CorpusSize& size, const BuildOptions& options,
                      engine::TextEncoder& encoder, const fs::path& work,
                      const BuildProgressCallback& progress, BuildReport& report) {
  SnapshotWriter writer(options.out, work / "generation", report.manifest,
                        {.shards = options.shards});
  ChunkEncoder chunks(options, encoder, detail::ChunkStore(work), writer, report);
  PassageStream passages(corpus, options);
  std::int64_t done = 0;
  const auto tell = [&](BuildProgress::Stage stage) {
    if (progress) progress({stage, done, size.passages, report.passages_resumed});
  };
  const auto flush = [&] {
    chunks.flush();
    tell(BuildProgress::Stage::kEncoding);
  };
  tell(BuildProgress::Stage::kEncoding);
  while (const std::optional<PassageView> passage = passages.next()) {
    chunks.add(*passage);
    ++done;
    if (chunks.full()) flush();
  }
  flush();
  if (done != size.passages) {
    throw base::UserError(options.corpus.string() + ": changed while it was being indexed (" +
                          std::to_string(size.passages) + " passages, then " +
                          std::to_string(done) + "); run the build again");
  }
  tell(BuildProgress::Stage::kWriting);
  report.manifest = writer.commit();
}

}  // namespace

BuildReport build_snapshot(const BuildOptions& options, engine::TextEncoder& encoder,
                           const BuildProgressCallback& progress) {
  const auto begin = std::chrono::steady_clock::now();
  validate(options);
  const std::unique_ptr<Corpus> corpus = open_corpus(options.corpus, options.corpus_options);
  const CorpusSize size = measure(*corpus, options, progress);

  BuildReport report;
  report.empty_texts = size.empty_texts;
  Manifest& facts = report.manifest;
  facts.encoder = encoder.identity();
  facts.content_key = content_key(*corpus, size, options, facts.encoder);
  facts.build_key = detail::layout_key(facts, static_cast<std::size_t>(options.shards));
  if (!options.encoder_name.empty()) facts.encoder.name = options.encoder_name;
  facts.dimension = facts.encoder.dimension;
  facts.sources = size.sources;
  facts.passage_words = options.passage_words;
  facts.corpus = options.corpus_name.empty() ? corpus->name() : options.corpus_name;

  const fs::path work = options.out / (".building-" + facts.build_key.substr(0, 16));
  std::error_code error;
  fs::create_directories(work, error);
  if (error) throw base::UserError(work.string() + ": cannot be made: " + error.message());
  {
    const detail::BuildLock lock(work / "lock");
    if (std::optional<Manifest> sound = find_sound_generation(options.out, facts.build_key)) {
      report.manifest = std::move(*sound);
      report.reused = true;
      detail::point_current(options.out, report.manifest.generation);
    } else {
      encode_and_write(*corpus, size, options, encoder, work, progress, report);
    }
    fs::remove_all(work, error);
  }
  report.folder = options.out / report.manifest.generation;
  report.seconds = seconds_since(begin);
  return report;
}

}  // namespace rookery::index_tools
