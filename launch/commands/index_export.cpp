#include "launch/commands/index_export.hpp"

#include "base/error.hpp"
#include "base/option_reader.hpp"
#include "base/progress.hpp"
#include "index_tools/export.hpp"

#include <CLI/CLI.hpp>

#include <cinttypes>
#include <cstdio>
#include <memory>
#include <optional>
#include <string>

namespace rookery::launch {
namespace {

struct Arguments {
  std::string snapshot, npy, ids, values, faiss, kind = "flat", hnsw = "hnsw";
  std::int32_t threads = 0;
};

void run(const Arguments& arguments) {
  index_tools::ExportOptions options;
  options.snapshot = base::expand_path(arguments.snapshot);
  const auto path = [](const std::string& text) {
    return text.empty() ? std::filesystem::path() : base::expand_path(text);
  };
  options.npy = path(arguments.npy);
  options.ids = path(arguments.ids);
  options.values = path(arguments.values);
  options.faiss = path(arguments.faiss);
  options.faiss_kind = arguments.kind;
  const index_tools::IndexSpec spec = index_tools::parse_index_spec(arguments.hnsw);
  if (spec.kind != index_tools::IndexKind::kHnsw) {
    throw base::UserError("--hnsw: expected parameters like hnsw:m=32, got '" + arguments.hnsw +
                          "'");
  }
  options.hnsw = spec.hnsw;
  options.threads = arguments.threads;
  std::optional<base::Progress> progress;
  const index_tools::ExportReport report =
      index_tools::export_snapshot(options, [&](std::int64_t done, std::int64_t total) {
        if (!progress) progress.emplace("exporting", total, "passages");
        done == total ? progress->finish("") : progress->update(done, "");
      });
  progress.reset();
  std::printf("generation %s · %" PRId64 " passages, %d-d, %s\n", report.generation.c_str(),
              report.passages, report.dimension, report.metric.c_str());
  for (const std::string& file :
       {arguments.npy, arguments.ids, arguments.values, arguments.faiss}) {
    if (!file.empty()) std::printf("  %s\n", file.c_str());
  }
  if (!report.ids_are_rows && options.ids.empty() && !options.npy.empty()) {
    std::printf("passage ids are not row numbers: --ids writes them beside the vectors\n");
  }
}

}  // namespace

void add_index_export(CLI::App& index) {
  const auto arguments = std::make_shared<Arguments>();
  CLI::App* command = index.add_subcommand(
      "export", "Writes vectors and ids as .npy, or an index file for faiss, in the order of ids");
  command->add_option("snapshot", arguments->snapshot, "A snapshot, or one of its generations")
      ->required();
  command->add_option("--npy", arguments->npy, "Vectors, [passages, dimension]");
  command->add_option("--ids", arguments->ids, "Passage ids, .npy of int64");
  command->add_option("--values", arguments->values, "Values of a kNN datastore, .npy of int32");
  command->add_option("--faiss", arguments->faiss, "An index file that faiss reads");
  command->add_option("--kind", arguments->kind, "Of the faiss file: flat or hnsw")
      ->capture_default_str();
  command->add_option("--hnsw", arguments->hnsw, "Parameters of a graph: hnsw:m=64")
      ->capture_default_str();
  command->add_option("--threads", arguments->threads, "To build a graph; 0: all usable cores");
  command->footer("Example: rookery index export data/wiki --npy vectors.npy --ids ids.npy");
  command->callback([arguments] { run(*arguments); });
}

}  // namespace rookery::launch
