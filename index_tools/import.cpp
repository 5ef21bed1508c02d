#include "index_tools/import.hpp"

#include "base/checksum.hpp"
#include "base/error.hpp"
#include "index_tools/detail/row_ids.hpp"
#include "index_tools/detail/row_texts.hpp"
#include "index_tools/detail/work_folder.hpp"
#include "index_tools/snapshot_writer.hpp"
#include "index_tools/vector_source.hpp"

#include <algorithm>
#include <chrono>
#include <cmath>
#include <memory>
#include <optional>
#include <string>

namespace rookery::index_tools {
namespace fs = std::filesystem;
namespace {

constexpr std::int64_t kProgressStep = 4096;  ///< rows between two calls of `progress`
// The phi column makes all rows equally long; codes of 8 bits blur that by some percent.
constexpr double kPhiTolerance = 1e-3, kPhiToleranceLossy = 0.15;

/// Source vectors as they shall be stored.
class ImportedVectors {
 public:
  ImportedVectors(const VectorSource& source, const ImportOptions& options,
                  const std::string& metric)
      : source_(source),
        options_(options),
        cosine_(metric == "cosine"),
        row_(static_cast<std::size_t>(source.dimension())) {}

  /// Good until the next call. Throws `UserError` for what cannot be stored.
  std::span<const float> read(std::int64_t row) {
    if (!source_.copy_row(row, row_) && !options_.allow_lossy) {
      throw base::UserError(source_.where(row) + ": expected numbers that a float can hold, got " +
                            "doubles between them; --allow-lossy rounds them");
    }
    double squares = 0;
    for (std::size_t element = 0; element < row_.size(); ++element) {
      const double value = static_cast<double>(row_[element]);
      squares += value * value;
      if (!std::isfinite(value)) {
        throw base::UserError(source_.where(row) + ": element " + std::to_string(element) +
                              ": expected a finite number, got " +
                              (std::isnan(value) ? "NaN" : "infinity"));
      }
    }
    std::span<float> kept(row_);
    if (options_.drop_phi) {
      check_phi(row, squares);
      squares -= static_cast<double>(row_.back()) * static_cast<double>(row_.back());
      kept = kept.first(row_.size() - 1);
    }
    const bool zero = std::all_of(kept.begin(), kept.end(), [](float x) { return x == 0; });
    if (zero && cosine_) {
      throw base::UserError(source_.where(row) + ": expected a vector with a direction for the " +
                            "metric cosine, got zeros");
    }
    if (zero) ++zero_vectors;
    return kept;
  }

  std::int64_t zero_vectors = 0;

 private:
  void check_phi(std::int64_t row, double squares) {
    if (!first_squares_) first_squares_ = squares;
    const double tolerance = source_.loss().empty() ? kPhiTolerance : kPhiToleranceLossy;
    if (std::abs(squares - *first_squares_) <= tolerance * *first_squares_) return;
    throw base::UserError(source_.where(row) + ": expected all vectors to have one length with " +
                          "their last column, got " + std::to_string(std::sqrt(squares)) +
                          " after " + std::to_string(std::sqrt(*first_squares_)) +
                          "; these have no phi column: import without --drop-phi");
  }

  const VectorSource& source_;
  const ImportOptions& options_;
  bool cosine_;
  std::vector<float> row_;
  std::optional<double> first_squares_;
};

std::string resolve_metric(const VectorSource& source, const ImportOptions& options) {
  const std::string said = source.metric();
  if (options.drop_phi) {
    if (source.dimension() < 2) {
      throw base::UserError(source.where(0) + ": expected a column to drop behind the vectors, " +
                            "got vectors of dimension 1");
    }
    if (!said.empty() && said != "l2") {
      throw base::UserError(source.where(0) + ": expected the metric l2 for --drop-phi, got " +
                            said + "; import without --drop-phi");
    }
    if (!options.metric.empty() && options.metric != "inner_product") {
      throw base::UserError("metric: expected inner_product, which --drop-phi makes of l2, got " +
                            options.metric);
    }
    return "inner_product";
  }
  if (options.metric.empty()) return said.empty() ? "inner_product" : said;
  if (options.metric != "inner_product" && options.metric != "l2" && options.metric != "cosine") {
    throw base::UserError("metric: expected inner_product, l2 or cosine, got '" + options.metric +
                          "'");
  }
  if (!said.empty() && said != options.metric) {
    throw base::UserError("metric: expected that of " + options.vectors.front().string() + ", " +
                          said + ", got " + options.metric + "; leave --metric out" +
                          (said == "l2" ? " (or, where a column phi turns inner product into l2, "
                                          "use --drop-phi)"
                                        : ""));
  }
  return options.metric;
}

engine::EncoderIdentity resolve_encoder(const ImportOptions& options, std::int32_t dimension) {
  engine::EncoderIdentity encoder = options.encoder;
  if (encoder.dimension != 0 && encoder.dimension != dimension) {
    throw base::UserError("encoder: expected one of the vectors' dimension " +
                          std::to_string(dimension) + ", got " + encoder.name + " with " +
                          std::to_string(encoder.dimension));
  }
  encoder.dimension = dimension;
  return encoder;
}

void check_order(const detail::RowIds& ids, const ImportOptions& options) {
  if (options.texts_by != TextOrder::kAuto || options.passages.empty()) return;
  if (!options.ids.empty() || ids.are_rows() || ids.largest() >= ids.count()) return;
  throw base::UserError(options.vectors.front().string() + ": its ids are numbers of texts in " +
                        "another order than its rows; say which text belongs to a vector with " +
                        "--texts-by id (that of its number) or --texts-by row (that of its row)");
}

std::string import_key(const VectorSource& source, const detail::RowIds& ids,
                       detail::RowTexts* texts, const ImportOptions& options,
                       const Manifest& facts) {
  std::string key = "rookery import 2\nvectors " + source.fingerprint() + "\nids " +
                    ids.fingerprint() + "\ntexts " + (texts ? texts->corpus().fingerprint() : "") +
                    (options.texts_by == TextOrder::kId ? " by id" : " by row") + "\nmetric " +
                    facts.metric + (options.drop_phi ? " without phi" : "") + "\nencoder " +
                    facts.encoder.name + " " + facts.encoder.model_hash + "\n";
  return base::sha256_hex(std::as_bytes(std::span(key)));
}

}  // namespace

ImportReport import_snapshot(const ImportOptions& options, const ImportProgress& progress) {
  const auto begin = std::chrono::steady_clock::now();
  if (options.out.empty()) throw base::UserError("out: expected a folder, got none");
  const std::unique_ptr<VectorSource> source = open_vector_source(options.vectors);
  if (!source->loss().empty() && !options.allow_lossy) {
    throw base::UserError(source->where(0) + ": expected the vectors themselves, got " +
                          source->loss() + "; --allow-lossy imports what the codes decode to");
  }
  const std::int64_t count = source->count();
  ImportReport report;
  report.loss = source->loss();
  Manifest& facts = report.manifest;
  facts.metric = resolve_metric(*source, options);
  facts.dimension = source->dimension() - (options.drop_phi ? 1 : 0);
  facts.encoder = resolve_encoder(options, facts.dimension);
  facts.passage_words = 0;

  const detail::RowIds ids = options.ids.empty()
                                 ? detail::RowIds(source->ids(), count, source->where(0))
                                 : detail::RowIds(options.ids, count);
  check_order(ids, options);
  const bool by_id = options.texts_by == TextOrder::kId;
  std::optional<detail::RowTexts> texts;
  if (!options.passages.empty()) {
    // By id, texts come in the order in which ids rise; by row only where rows rise with them.
    texts.emplace(open_corpus(options.passages, options.corpus_options), !by_id && !ids.rise());
    if (texts->count() != count) {
      throw base::UserError(options.passages.string() + ": expected a text for each of the " +
                            std::to_string(count) + " vectors, got " +
                            std::to_string(texts->count()) + " texts");
    }
    if (by_id && ids.largest() >= count) {
      throw base::UserError(options.passages.string() + ": expected ids below its " +
                            std::to_string(count) + " texts, got " + std::to_string(ids.largest()) +
                            "; use --texts-by row");
    }
    report.blank_texts = texts->blank();
    facts.corpus = options.passages.filename().string();
  } else {
    facts.corpus = options.vectors.front().filename().string();
  }
  if (!options.corpus_name.empty()) facts.corpus = options.corpus_name;
  facts.sources = count - report.blank_texts;
  if (facts.sources == 0) {
    throw base::UserError(options.passages.string() + ": expected at least one text, found none");
  }
  if (options.shards > facts.sources) {
    throw base::UserError("shards: expected at most one for each of the " +
                          std::to_string(facts.sources) + " passages, got " +
                          std::to_string(options.shards));
  }
  facts.next_source = count;
  facts.content_key = import_key(*source, ids, texts ? &*texts : nullptr, options, facts);

  const detail::WorkFolder work(options.out / (".importing-" + facts.content_key.substr(0, 16)));
  SnapshotWriter writer(options.out, work.path() / "generation", facts,
                        {.shards = options.shards,
                         .vectors = options.vector_type,
                         .indexes = options.indexes,
                         .threads = options.threads});
  ImportedVectors vectors(*source, options, facts.metric);
  for (std::int64_t place = 0; place < count; ++place) {
    const std::int64_t row = ids.row_at(place), id = ids.id_of(row);
    if (progress && place % kProgressStep == 0) progress(place, count);
    PassageView passage{id, {}, {}, {}};
    const std::string number = std::to_string(id);
    if (texts) {
      const SourceText* text = texts->at(by_id ? id : row);
      if (!text) continue;
      passage = {id, text->source_id, text->title, text->text, text->topic};
    } else {
      passage.source_id = number;
    }
    writer.add(passage, vectors.read(row));
  }
  report.manifest = writer.commit();
  if (progress) progress(count, count);
  report.folder = options.out / report.manifest.generation;
  report.zero_vectors = vectors.zero_vectors;
  report.seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - begin).count();
  return report;
}

}  // namespace rookery::index_tools
