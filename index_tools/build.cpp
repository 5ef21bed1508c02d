#include "index_tools/build.hpp"

#include "base/checksum.hpp"
#include "base/error.hpp"
#include "index_tools/detail/chunk_encoder.hpp"
#include "index_tools/detail/index_builder.hpp"
#include "index_tools/detail/passage_stream.hpp"
#include "index_tools/detail/publish.hpp"
#include "index_tools/detail/resumable_folder.hpp"
#include "index_tools/index_files.hpp"
#include "index_tools/snapshot_writer.hpp"

#include <algorithm>
#include <chrono>
#include <memory>
#include <optional>
#include <string>
#include <utility>
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
  const std::vector<std::string>& metrics = metric_names();
  if (std::find(metrics.begin(), metrics.end(), options.metric) == metrics.end()) {
    throw base::UserError("metric: expected inner_product, l2 or cosine, got '" + options.metric +
                          "'");
  }
  if (options.out.empty()) throw base::UserError("out: expected a folder, got none");
}

/// What the rows depend on; sharding and indexes are not in it.
std::string content_key(const Corpus& corpus, const detail::CorpusSize& size,
                        const BuildOptions& options, const Manifest& facts) {
  const engine::EncoderIdentity& encoder = facts.encoder;
  const std::string text =
      "rookery rows 2\ncorpus " + corpus.fingerprint() + "\nsources " +
      std::to_string(size.sources) + "\nwords " + std::to_string(options.passage_words) +
      "\nmetric " + facts.metric + "\nvectors " + to_string(facts.vectors) + "\nencoder " +
      encoder.model_hash + " " + std::to_string(encoder.dimension) + " " + encoder.pooling + " " +
      (encoder.normalised ? "normalised" : "raw") + " " + std::to_string(encoder.tokens_max) + "\n";
  return base::sha256_hex(std::as_bytes(std::span(text)));
}

/// What is built without saying so: texts alone need BM25 to be found.
std::vector<IndexSpec> wanted_indexes(const BuildOptions& options, bool has_encoder) {
  std::vector<IndexSpec> indexes = resolve_index_specs(options.indexes);
  if (!has_encoder && indexes.empty()) {
    indexes.emplace_back().kind = IndexKind::kBm25;
  }
  return indexes;
}

/// Passages to the writer, chunk by chunk, then `commit`.
void encode_and_write(Corpus& corpus, const detail::PassageStreamOptions& wanted,
                      const detail::CorpusSize& size, const BuildOptions& options,
                      engine::TextEncoder* encoder, const fs::path& work,
                      const BuildProgressCallback& progress, BuildReport& report) {
  detail::EncodeFigures figures;
  std::int64_t done = 0;
  const auto tell = [&](BuildProgress::Stage stage) {
    if (progress) progress({stage, done, size.passages, figures.resumed, {}});
  };
  SnapshotWriterOptions layout;
  layout.shards = options.shards;
  layout.vectors = report.manifest.vectors;
  layout.threads = options.index_threads;
  for (const std::string& spec : report.manifest.indexes) {
    layout.indexes.push_back(parse_index_spec(spec));
  }
  layout.index_progress = [&](const IndexSpec& spec, std::int64_t rows, std::int64_t total) {
    if (progress) {
      progress({BuildProgress::Stage::kIndexing, rows, total, 0, to_string(spec.kind)});
    }
  };
  SnapshotWriter writer(options.out, work / "generation", report.manifest, layout);
  detail::ChunkEncoder chunks(encoder, detail::ChunkStore(work), options.chunk_passages, writer,
                              figures);
  detail::PassageStream passages(corpus, wanted);
  detail::encode_all(passages, chunks, done, [&] { tell(BuildProgress::Stage::kEncoding); });
  if (done != size.passages) {
    throw base::UserError(options.corpus.string() + ": changed while it was being indexed (" +
                          std::to_string(size.passages) + " passages, then " +
                          std::to_string(done) + "); run the build again");
  }
  report.manifest = writer.commit();
  tell(BuildProgress::Stage::kWriting);
  report.passages_encoded = figures.encoded;
  report.passages_resumed = figures.resumed;
  report.encode_seconds = figures.seconds;
}

}  // namespace

BuildReport build_snapshot(const BuildOptions& options, engine::TextEncoder* encoder,
                           const BuildProgressCallback& progress) {
  const auto begin = std::chrono::steady_clock::now();
  validate(options);
  BuildReport report;
  Manifest& facts = report.manifest;
  facts.metric = options.metric;
  facts.vectors = encoder != nullptr ? options.vectors : VectorType::kNone;
  if (encoder != nullptr) facts.encoder = encoder->identity();
  facts.dimension = facts.encoder.dimension;
  const std::vector<IndexSpec> indexes = wanted_indexes(options, encoder != nullptr);
  detail::check_specs_fit(indexes, facts.vectors, facts.dimension);
  for (const IndexSpec& spec : indexes) facts.indexes.push_back(to_string(spec));

  const std::unique_ptr<Corpus> corpus = open_corpus(options.corpus, options.corpus_options);
  const detail::PassageStreamOptions wanted{options.passage_words, options.sources_max, 0};
  std::int64_t read = 0;
  const detail::CorpusSize size = detail::measure_corpus(*corpus, wanted, [&](const PassageView&) {
    if (++read % kReadingStep == 0 && progress) {
      progress({BuildProgress::Stage::kReading, read, 0, 0, {}});
    }
  });
  if (size.passages < options.shards) {
    throw base::UserError("shards: expected at most one for each of the " +
                          std::to_string(size.passages) + " passages of " +
                          options.corpus.string() + ", got " + std::to_string(options.shards));
  }
  report.empty_texts = size.empty_texts;
  facts.content_key = content_key(*corpus, size, options, facts);
  facts.build_key = detail::layout_key(facts, static_cast<std::size_t>(options.shards));
  if (encoder != nullptr && !options.encoder_name.empty()) {
    facts.encoder.name = options.encoder_name;
  }
  facts.sources = size.sources;
  facts.next_source = size.numbers;
  facts.passage_words = options.passage_words;
  facts.corpus = options.corpus_name.empty() ? corpus->name() : options.corpus_name;

  {
    const detail::ResumableFolder work(options.out, facts.build_key);
    if (std::optional<Manifest> sound =
            detail::find_sound_generation(options.out, facts.build_key)) {
      report.manifest = std::move(*sound);
      report.reused = true;
      detail::point_current(options.out, report.manifest.generation);
    } else {
      encode_and_write(*corpus, wanted, size, options, encoder, work.path(), progress, report);
    }
    work.remove();
  }
  report.folder = options.out / report.manifest.generation;
  report.seconds = seconds_since(begin);
  return report;
}

}  // namespace rookery::index_tools
