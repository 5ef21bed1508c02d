#include "base/error.hpp"
#include "index_tools/detail/chunk_encoder.hpp"
#include "index_tools/detail/passage_stream.hpp"
#include "index_tools/detail/publish.hpp"
#include "index_tools/detail/rewriting.hpp"
#include "index_tools/rewrite.hpp"

#include <charconv>
#include <string>
#include <unordered_set>
#include <utility>

namespace rookery::index_tools {
namespace fs = std::filesystem;
namespace {

using detail::MappedShard;
using detail::Rewriting;

constexpr std::int64_t kNumberMax = std::int64_t{1}
                                    << 40;  ///< of a source; what is larger is a name

struct TextHash {
  using is_transparent = void;
  std::size_t operator()(std::string_view text) const {
    return std::hash<std::string_view>{}(text);
  }
};
using TextSet = std::unordered_set<std::string, TextHash, std::equal_to<>>;

std::string name_of(const engine::EncoderIdentity& encoder) {
  return encoder.name + " (model " + encoder.model_hash.substr(0, 12) + ", " +
         std::to_string(encoder.dimension) + "-d, " + encoder.pooling + " pooling, " +
         (encoder.normalised ? "normalised" : "not normalised") + ", at most " +
         std::to_string(encoder.tokens_max) + " tokens)";
}

/// New vectors must come from where the old ones came from.
void check_encoder(const Manifest& base, const engine::TextEncoder* encoder) {
  if (base.values) {
    throw base::UserError("generation " + base.generation +
                          ": is a datastore of keys and values; texts cannot be appended to it");
  }
  if (base.vectors == VectorType::kNone) {
    if (encoder == nullptr) return;
    throw base::UserError("generation " + base.generation +
                          ": has no vectors; append to it without an encoder");
  }
  if (!base.has_encoder()) {
    throw base::UserError("generation " + base.generation +
                          ": does not say what encoder made its vectors, so none can be added");
  }
  if (encoder == nullptr) {
    throw base::UserError("generation " + base.generation + ": expected its encoder " +
                          name_of(base.encoder) + ", got none");
  }
  const engine::EncoderIdentity& given = encoder->identity();
  const engine::EncoderIdentity& built = base.encoder;
  if (!built.model_hash.empty() && given.model_hash == built.model_hash &&
      given.dimension == built.dimension && given.pooling == built.pooling &&
      given.normalised == built.normalised && given.tokens_max == built.tokens_max) {
    return;
  }
  throw base::UserError("generation " + base.generation +
                        ": expected the encoder that made its vectors, " + name_of(built) +
                        ", got " + name_of(given) + "; append with that one, or build anew");
}

/// Schema 1 did not count running numbers; what lies behind every number in use is free.
std::int64_t next_source(Rewriting& rewriting) {
  std::int64_t next = rewriting.base().next_source;
  if (rewriting.base().schema > 1) return next;
  rewriting.for_each_row([&](const MappedShard& shard, std::int64_t row) {
    const std::string_view id = shard.passage(row).source_id;
    std::int64_t number = 0;
    const auto [end, problem] = std::from_chars(id.data(), id.data() + id.size(), number);
    if (problem == std::errc() && end == id.data() + id.size() && number < kNumberMax) {
      next = std::max(next, number + 1);
    }
  });
  return next;
}

void refuse_known_sources(Rewriting& rewriting, const TextSet& sources, const Corpus& corpus) {
  const std::int64_t total = rewriting.base().passages;
  std::int64_t done = 0;
  rewriting.for_each_row([&](const MappedShard& shard, std::int64_t row) {
    const PassageView passage = shard.passage(row);
    rewriting.tell("comparing", ++done, total, "passages");
    if (!sources.contains(passage.source_id)) return;
    throw base::UserError(corpus.path().string() + ": expected new sources, got id '" +
                          std::string(passage.source_id) + "', which generation " +
                          rewriting.base().generation + " has too (passage " +
                          std::to_string(passage.id) +
                          "); leave it out, or delete the old passages first");
  });
}

}  // namespace

RewriteReport append_corpus(const RewriteOptions& options, const AppendOptions& append,
                            engine::TextEncoder* encoder) {
  if (append.chunk_passages < 1 || append.chunk_passages > 65'536) {
    throw base::UserError("chunk_passages: expected a number in [1, 65536], got " +
                          std::to_string(append.chunk_passages));
  }
  const std::unique_ptr<Corpus> corpus = open_corpus(append.corpus, append.corpus_options);
  Rewriting rewriting(options);
  const Manifest& base = rewriting.base();
  check_encoder(base, encoder);
  (void)rewriting.shards();
  const std::int64_t first_source = next_source(rewriting);
  corpus->number_from(first_source);
  const detail::PassageStreamOptions wanted{base.passage_words, 0, rewriting.next_id()};
  TextSet sources;
  const detail::CorpusSize size = detail::measure_corpus(
      *corpus, wanted, [&](const PassageView& passage) { sources.emplace(passage.source_id); });
  refuse_known_sources(rewriting, sources, *corpus);

  Manifest after = base;
  after.content_key = detail::key_of(
      "rookery append 2\ncontent " + rewriting.content_key() + "\ncorpus " + corpus->fingerprint() +
      "\nfirst " + std::to_string(wanted.first_id) + " " + std::to_string(first_source) + "\n");
  after.sources = base.sources + size.sources;
  after.next_source = first_source + size.numbers;
  after.corpus += " + " + (append.corpus_name.empty() ? corpus->name() : append.corpus_name);
  after.build_key = detail::layout_key(after, base.shards.size());
  rewriting.report.passages_added = size.passages;
  rewriting.report.empty_texts = size.empty_texts;

  return rewriting.finish(after.build_key, [&](const fs::path& work) {
    SnapshotWriter writer(rewriting.name(), work / "generation", after,
                          rewriting.layout(static_cast<std::int32_t>(base.shards.size())));
    std::int64_t done = 0;
    rewriting.for_each_row([&](const MappedShard& shard, std::int64_t row) {
      writer.copy(shard, row);
      rewriting.tell("copying", ++done, base.passages, "passages");
    });
    detail::EncodeFigures figures;
    detail::ChunkEncoder chunks(encoder, detail::ChunkStore(work), append.chunk_passages, writer,
                                figures);
    detail::PassageStream passages(*corpus, wanted);
    done = 0;
    detail::encode_all(passages, chunks, done, [&] {
      if (options.progress) options.progress({"encoding", done, size.passages, "passages"});
    });
    if (done != size.passages) {
      throw base::UserError(append.corpus.string() + ": changed while it was being indexed (" +
                            std::to_string(size.passages) + " passages, then " +
                            std::to_string(done) + "); run the command again");
    }
    rewriting.report.passages_encoded = figures.encoded;
    rewriting.report.passages_resumed = figures.resumed;
    rewriting.report.encode_seconds = figures.seconds;
    rewriting.check_current();
    return writer.commit();
  });
}

}  // namespace rookery::index_tools
