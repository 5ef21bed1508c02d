#include "trainer/train_rank.hpp"

#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <memory>
#include <optional>
#include <string_view>
#include <utility>

#include "base/atomic_file.hpp"
#include "base/error.hpp"
#include "base/heap.hpp"
#include "base/option_reader.hpp"
#include "base/progress.hpp"
#include "base/stop_signal.hpp"
#include "index_tools/question_file.hpp"
#include "trainer/patient_retriever.hpp"
#include "trainer/training_run.hpp"

namespace rookery::trainer {
namespace {

constexpr int kInterrupted = 130;

/// The sections a trainer needs; `rookery train` has checked the rest of the file already.
TrainOptions read_options(const RankRunOptions& run) {
  base::OptionReader root = base::OptionReader::from_file(run.config);
  TrainOptions options = TrainOptions::from_options(root.section("train"));
  options.search = retriever_pool::IndexOptions::from_options(root.section("index"));
  options.index = options.search.path;
  options.client =
      retriever_pool::ClientSettings::from_options(root.section("pool").section("client"));
  if (!run.pool.empty()) options.pool = run.pool;
  if (!run.index.empty()) options.index = run.index;
  if (!run.checkpoint.empty()) options.checkpoint = run.checkpoint;
  if (run.steps >= 0) options.steps = static_cast<std::int32_t>(run.steps);
  if (run.seed >= 0) options.seed = run.seed;
  options.validate();
  return options;
}

engine::EncoderIdentity identity_of(const engine::Checkpoint& encoder) {
  const auto config = engine::BertConfig::from_checkpoint(encoder);
  return {.name = encoder.path.filename().string(),
          .model_hash = encoder.sha256,
          .trained_against = trained_against(encoder),
          .dimension = config.hidden,
          .pooling = config.pooling,
          .normalised = config.normalised,
          .tokens_max = config.tokens_max};
}

/// Torch's warnings are for those who write code; `ROOKERY_LOG=debug` shows them. (Our logger's fmt
/// and torch's own copy cannot be included together.)
class QuietWarnings final : public c10::WarningHandler {
 public:
  void process(const c10::Warning& warning) override {
    const char* level = std::getenv("ROOKERY_LOG");
    if (level != nullptr && std::string_view(level) == "debug") {
      std::fprintf(stderr, "torch: %s\n", warning.msg().c_str());
    }
  }
};

QuietWarnings& quiet_warnings() {
  static QuietWarnings handler;
  return handler;
}

}  // namespace

int run_rank(const RankRunOptions& run) {
  const base::StopSignal stop;
  base::keep_freed_memory();  // activations of 1 to 30 MB come and go in every step
  const TrainOptions options = read_options(run);
  at::set_num_threads(options.threads);
  at::globalContext().setDeterministicAlgorithms(true, /*warn_only=*/false);
  at::globalContext().setFloat32MatmulPrecision(options.precision == "bfloat16" ? "medium"
                                                                                : "highest");
  // The reducer warns that it looked for unused parameters and found none; that is what we want.
  c10::WarningUtils::set_warning_handler(&quiet_warnings());
  const RankOptions rank_options = RankOptions::from_environment(options.group_timeout);
  const bool speaks = rank_options.rank == 0;

  std::optional<base::Trace> trace_file;
  if (!run.trace.empty()) {
    const std::string name = "rank-" + std::to_string(rank_options.rank);
    trace_file.emplace(std::filesystem::path(run.trace) / (name + ".json"), name);
  }
  base::Trace* const trace = trace_file ? &*trace_file : nullptr;

  auto questions = index_tools::read_questions(options.train);
  auto embedded = options.search.embedded(options.threads);
  embedded.snapshot = options.index.string();
  PatientRetriever retriever(open_retriever(options.pool, embedded, options.client, trace),
                             {.wait = options.retrieval_wait, .pause = {}});
  std::optional<TrainingCheckpoint> resumed;
  engine::Checkpoint encoder, generator;
  if (run.resume) {
    resumed = load_training_checkpoint(options.checkpoint);
    encoder = std::move(resumed->question_encoder);
    generator = std::move(resumed->generator);
  } else {
    encoder = engine::load_checkpoint(resolve_part(options.question_encoder, "question_encoder"));
    generator = engine::load_checkpoint(resolve_part(options.generator, "generator"));
  }
  check_encoder_fits(retriever.description(), identity_of(encoder));

  ProcessGroup group(rank_options);
  TrainingRun training({.options = options,
                        .group = &group,
                        .retriever = &retriever,
                        .questions = std::move(questions),
                        .trace = trace},
                       encoder, generator);
  if (resumed) training.resume(*resumed);
  // The models hold copies by now.
  encoder = {};
  generator = {};
  resumed.reset();

  std::unique_ptr<base::Progress> progress;
  if (speaks) {
    progress = std::make_unique<base::Progress>("train", training.total_steps(), "steps");
  }
  const TrainReport report = training.run(
      [&](const StepFigures& figures) {
        if (!speaks) return;
        progress->update(figures.step, figures.line(group.ranks()));
      },
      [&] { return stop.requested(); });
  if (speaks) {
    progress->finish(report.steps.empty() ? "" : report.steps.back().line(group.ranks()));
    if (!run.json.empty()) base::write_file_atomically(run.json, report.to_json());
    std::fprintf(stderr, "checkpoint: %s (step %zu, loss %.3f)\n", report.checkpoint.c_str(),
                 report.losses.size(), report.losses.empty() ? 0.0 : report.losses.back());
  }
  const bool complete = static_cast<std::int64_t>(report.losses.size()) == training.total_steps();
  return complete ? 0 : kInterrupted;
}

}  // namespace rookery::trainer
