#include "launch/commands/index_import.hpp"

#include "base/atomic_file.hpp"
#include "base/error.hpp"
#include "base/option_reader.hpp"
#include "base/progress.hpp"
#include "engine/text_encoder.hpp"
#include "engine/weights.hpp"
#include "index_tools/import.hpp"

#include <CLI/CLI.hpp>
#include <nlohmann/json.hpp>

#include <cinttypes>
#include <cstdio>
#include <memory>
#include <optional>
#include <string>
#include <vector>

namespace rookery::launch {
namespace {

using Json = nlohmann::ordered_json;

struct Arguments {
  std::vector<std::string> vectors, indexes;
  std::string ids, passages, format = "auto", texts_by, out, metric, encoder, encoder_name, json;
  std::string vector_type = "float32";
  std::int32_t shards = 1, threads = 0;
  bool drop_phi = false, allow_lossy = false;
};

index_tools::TextOrder text_order(const std::string& name) {
  if (name.empty()) return index_tools::TextOrder::kAuto;
  if (name == "row") return index_tools::TextOrder::kRow;
  if (name == "id") return index_tools::TextOrder::kId;
  throw base::UserError("--texts-by: expected row or id, got '" + name + "'");
}

index_tools::ImportOptions options_of(const Arguments& arguments) {
  index_tools::ImportOptions options;
  for (const std::string& file : arguments.vectors) {
    options.vectors.push_back(base::expand_path(file));
  }
  if (!arguments.ids.empty()) options.ids = base::expand_path(arguments.ids);
  if (!arguments.passages.empty()) options.passages = base::expand_path(arguments.passages);
  options.corpus_options.format = index_tools::corpus_format_from_name(arguments.format);
  options.texts_by = text_order(arguments.texts_by);
  options.out = base::expand_path(arguments.out);
  options.metric = arguments.metric;
  if (!arguments.encoder.empty()) {
    options.encoder = engine::open_text_encoder(engine::resolve_model(arguments.encoder),
                                                {.threads = arguments.threads})
                          ->identity();
  }
  if (!arguments.encoder_name.empty()) options.encoder.name = arguments.encoder_name;
  options.shards = arguments.shards;
  options.vector_type = index_tools::vector_type_from_name(arguments.vector_type);
  for (const std::string& spec : arguments.indexes) {
    options.indexes.push_back(index_tools::parse_index_spec(spec));
  }
  options.threads = arguments.threads;
  options.drop_phi = arguments.drop_phi;
  options.allow_lossy = arguments.allow_lossy;
  return options;
}

void run(const Arguments& arguments) {
  std::optional<base::Progress> progress;
  const auto report = index_tools::import_snapshot(
      options_of(arguments), [&](std::int64_t done, std::int64_t total) {
        if (!progress) progress.emplace("importing", total, "vectors");
        done == total ? progress->finish("") : progress->update(done, "");
      });
  progress.reset();
  const index_tools::Manifest& manifest = report.manifest;
  if (!report.loss.empty()) {
    std::printf("the vectors were decoded from %s: scores differ from those of the encoder\n",
                report.loss.c_str());
  }
  if (report.blank_texts > 0) {
    std::printf("%" PRId64 " rows without a text were left out\n", report.blank_texts);
  }
  if (report.zero_vectors > 0) {
    std::printf("%" PRId64 " vectors are zeros\n", report.zero_vectors);
  }
  std::printf("%s · generation %s · %" PRId64 " passages · %zu shards, %d-d, %s\n",
              arguments.out.c_str(), manifest.generation.c_str(), manifest.passages,
              manifest.shards.size(), manifest.dimension, manifest.metric.c_str());
  if (manifest.encoder.model_hash.empty()) {
    std::printf("no --encoder was named: search it with vectors, or with texts through bm25\n");
  }
  std::printf("imported in %.1f s\n", report.seconds);
  if (arguments.json.empty()) return;
  const Json figures{{"generation", manifest.generation},
                     {"folder", report.folder.string()},
                     {"passages", manifest.passages},
                     {"shards", manifest.shards.size()},
                     {"dimension", manifest.dimension},
                     {"metric", manifest.metric},
                     {"encoder_hash", manifest.encoder.model_hash},
                     {"lossy", !report.loss.empty()},
                     {"blank_texts", report.blank_texts},
                     {"zero_vectors", report.zero_vectors},
                     {"seconds", report.seconds}};
  base::write_file_atomically(arguments.json, figures.dump(2) + "\n");
}

}  // namespace

void add_index_import(CLI::App& index) {
  const auto arguments = std::make_shared<Arguments>();
  CLI::App* command = index.add_subcommand(
      "import", "Makes a snapshot of vectors that exist already: .npy files or a faiss index");
  command
      ->add_option("--vectors", arguments->vectors,
                   "Parts of one array [rows, dimension] as .npy, or one faiss index file")
      ->required();
  command->add_option("--passages", arguments->passages,
                      "Their texts, row by row, never split: .tsv, .jsonl (psgs_w100.tsv too)");
  command->add_option("--format", arguments->format, "What the file of texts is; see index build")
      ->capture_default_str();
  command->add_option("--ids", arguments->ids,
                      "Passage ids by row, .npy of integers; default: the faiss file's, else rows");
  command->add_option("--texts-by", arguments->texts_by,
                      "row: vector i has text i; id: passage id i has text i");
  command->add_option("--out", arguments->out, "The snapshot's folder")->required();
  command->add_option("--metric", arguments->metric,
                      "inner_product, l2 or cosine; default: the faiss file's, else inner_product");
  command->add_option("--encoder", arguments->encoder,
                      "The encoder of queries for these vectors: minilm, or a model's folder");
  command->add_option("--encoder-name", arguments->encoder_name,
                      "What made the vectors, for people; without --encoder texts are no queries");
  command->add_option("--shards", arguments->shards, "Parts that can be served apart, [1, 1024]")
      ->capture_default_str();
  command->add_option("--vector-type", arguments->vector_type, "float32 or float16")
      ->capture_default_str();
  command->add_option("--index", arguments->indexes,
                      "Indexes to build: int8, hnsw:m=64, ivfpq:nlist=4096, bm25; several in turn");
  command->add_flag("--drop-phi", arguments->drop_phi,
                    "Take the last column away, which made L2 of inner product");
  command->add_flag("--allow-lossy", arguments->allow_lossy,
                    "Take vectors decoded from codes, and round doubles to floats");
  command->add_option("--threads", arguments->threads, "To build indexes; 0: all usable cores");
  command->add_option("--json", arguments->json, "Write the figures to this file");
  command->footer(
      "Example: rookery index import --vectors part-0.npy part-1.npy --passages psgs_w100.tsv \\\n"
      "           --encoder-name dpr --out data/wiki_dpr");
  command->callback([arguments] { run(*arguments); });
}

}  // namespace rookery::launch
