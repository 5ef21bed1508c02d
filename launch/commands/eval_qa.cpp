#include "launch/commands/keys_flag.hpp"
#include "launch/commands/eval_qa.hpp"

#include <CLI/CLI.hpp>
#include <chrono>
#include <cstdio>
#include <memory>
#include <optional>
#include <string>

#include "actors/colony_folder.hpp"
#include "base/atomic_file.hpp"
#include "base/error.hpp"
#include "base/progress.hpp"
#include "engine/decoder.hpp"
#include "engine/text_encoder.hpp"
#include "engine/weights.hpp"
#include "index_tools/question_file.hpp"
#include "trainer/patient_retriever.hpp"
#include "trainer/qa_evaluation.hpp"
#include "trainer/train_options.hpp"
#include "trainer/training_checkpoint.hpp"

namespace rookery::launch {
namespace {

struct EvalQa {
  std::string model = "smollm2-135m", encoder, questions, index, pool, json;
  std::int64_t limit = 0;
  int threads = 0;
  bool show = false;
  trainer::QaOptions qa;
  std::optional<double> score_scale;
  std::optional<std::int32_t> passage_tokens;
};

std::unique_ptr<retriever_pool::Retriever> open_pool(const EvalQa& options) {
  if (options.index.empty() == options.pool.empty()) {
    throw base::UserError("eval qa: expected either --index DIR or --pool TARGET, got " +
                          std::string(options.index.empty() ? "neither" : "both"));
  }
  std::string pool = options.pool.empty() ? "embedded" : options.pool;
  if (!options.pool.empty() && !pool.starts_with("tcp://")) {
    const auto head = actors::ColonyFolder::find(pool).running_head();
    use_keys_of_colony(head.keys);
    pool = head.routing;
  }
  return std::make_unique<trainer::PatientRetriever>(
      trainer::open_retriever(pool, {.snapshot = options.index, .threads = options.threads}),
      trainer::PatienceOptions{});
}

void print(const trainer::QaReport& report, const EvalQa& options) {
  if (options.show) {
    for (const auto& p : report.predictions) {
      std::printf("%s %s → %s (expected: %s)\n", p.em > 0 ? "✓" : "·", p.question.c_str(),
                  p.prediction.c_str(), p.answers.front().c_str());
    }
  }
  std::printf("exact match %.1f · F1 %.1f · copying the top title %.1f", report.em, report.f1,
              report.em_copy_top1);
  for (const auto& [k, recall] : report.recall_by_passage_id) {
    std::printf(" · recall@%d %.1f", k, recall);
  }
  std::printf("\n%lld questions%s in %.1f s\n", static_cast<long long>(report.questions),
              report.shuffled ? ", each with another one's passages," : "", report.seconds);
}

void run(EvalQa options) {
  // A checkpoint knows what it was trained to read.
  if (trainer::is_training_checkpoint(options.model)) {
    const trainer::TrainingPosition trained = trainer::load_position(options.model);
    options.qa.prompt = trained.prompt;
    options.qa.score_scale = trained.score_scale;
  }
  if (options.score_scale) options.qa.score_scale = *options.score_scale;
  if (options.passage_tokens) options.qa.prompt.passage_tokens = *options.passage_tokens;
  // The cheap mistakes first: a damaged question file should not wait for the models.
  auto questions = index_tools::read_questions(options.questions, {.limit = options.limit});
  const std::string encoder_name = !options.encoder.empty() ? options.encoder
                                   : trainer::is_training_checkpoint(options.model)
                                       ? options.model
                                       : trainer::TrainOptions{}.question_encoder;
  const auto pool = open_pool(options);
  const auto encoder = engine::open_text_encoder(
      trainer::resolve_part(encoder_name, "question_encoder"), {.threads = options.threads});
  trainer::check_encoder_fits(pool->description(), encoder->identity());
  const auto decoder = engine::open_decoder(trainer::resolve_part(options.model, "generator"),
                                            {.threads = options.threads});
  base::Progress progress("evaluation", static_cast<std::int64_t>(questions.size()), "questions");
  const trainer::QaReport report = trainer::evaluate_qa(
      *decoder, *encoder, *pool, questions, options.qa, [&](std::int64_t done, double em) {
        char note[32];
        std::snprintf(note, sizeof note, "EM %.1f", em);
        progress.update(done, note);
      });
  progress.finish();
  print(report, options);
  if (!options.json.empty()) base::write_file_atomically(options.json, report.to_json() + "\n");
}

}  // namespace

void add_eval_qa(CLI::App& eval) {
  auto options = std::make_shared<EvalQa>();
  auto* command = eval.add_subcommand(
      "qa", "Answers questions over all retrieved passages; exact match, F1 and controls");
  command
      ->add_option("--model", options->model,
                   "A training checkpoint, a model's folder or file, or smollm2-135m")
      ->capture_default_str();
  command->add_option("--encoder", options->encoder,
                      "Question encoder; by default the checkpoint's own, else minilm");
  command
      ->add_option("--questions", options->questions,
                   "JSON lines with question, answers[] and optionally passage_id")
      ->required();
  command->add_option("--index", options->index, "A snapshot, searched in this process");
  command->add_option("--pool", options->pool, "A running colony: its name or tcp://HOST:PORT");
  command->add_option("--documents", options->qa.documents, "Passages per question")
      ->check(CLI::Range(1, 64))
      ->capture_default_str();
  command
      ->add_option("--score-scale", options->score_scale,
                   "Times the document scores; by default as in training, else 20")
      ->check(CLI::Range(0.0, 1e4));
  command
      ->add_option("--passage-tokens", options->passage_tokens,
                   "Of a passage's text; by default as in training, else 96")
      ->check(CLI::Range(8, 4096));
  command->add_option("--limit", options->limit, "Only the first so many questions; 0: all")
      ->check(CLI::NonNegativeNumber);
  command->add_option("--threads", options->threads, "0: all usable cores")
      ->check(CLI::Range(0, 256));
  command->add_flag("--shuffle-passages", options->qa.shuffle_passages,
                    "Control: every question gets another one's passages");
  command->add_flag("--show", options->show, "Print every answer");
  command->add_option("--json", options->json, "Write figures and answers to this file");
  command->footer(
      "Example: rookery eval qa --model checkpoints/wiki --questions data/test.jsonl --pool wiki");
  command->callback([options] { run(*options); });
}

}  // namespace rookery::launch
