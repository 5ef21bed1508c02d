#include "launch/commands/bench_ralm.hpp"

#include <CLI/CLI.hpp>
#include <cmath>
#include <cstdio>
#include <memory>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "base/atomic_file.hpp"
#include "base/error.hpp"
#include "base/progress.hpp"
#include "base/thread_team.hpp"
#include "index_tools/question_file.hpp"
#include "launch/open_retriever.hpp"
#include "retriever_pool/retriever.hpp"
#include "serving/ralm_bench.hpp"
#include "serving/serving_models.hpp"

namespace rookery::launch {
namespace {

struct BenchRalm {
  std::string index, pool, questions, json;
  std::string retriever = "edr", workload = "naive", prompt = "plain";
  std::vector<std::string> variants = {"B", "spec"};
  serving::ServeOptions serve;
  std::int64_t limit = 0;
  double delay_ms = 0;
};

std::unique_ptr<retriever_pool::Retriever> open_pool(const BenchRalm& bench) {
  if (!bench.pool.empty()) return open_retriever(bench.pool);
  if (bench.index.empty()) {
    throw base::UserError("bench ralm: expected --index DIR, or --pool COLONY, got neither");
  }
  return retriever_pool::open_embedded_pool(
      {.snapshot = bench.index, .threads = bench.serve.threads});
}

void run(const BenchRalm& bench) {
  const auto variants = serving::parse_variants(bench.variants, bench.serve.speculation);
  const auto questions = index_tools::read_questions(
      bench.questions, {.answers_required = false, .limit = bench.limit});
  const auto pool = open_pool(bench);
  serving::DelayedRetriever delayed(*pool,
                                    std::chrono::microseconds(std::llround(bench.delay_ms * 1000)));
  retriever_pool::Retriever& retriever =
      bench.delay_ms > 0 ? static_cast<retriever_pool::Retriever&>(delayed) : *pool;
  serving::ServingModels models(bench.serve);
  const auto answerer = models.make_answerer(&retriever, /*cut_prompts=*/true);
  serving::RalmBench ralm(*answerer, models.generator(), variants);

  // The first passes through the models touch their memory; they are nobody's to pay.
  serving::Question warm_up = serving::make_question(bench.serve, questions.front().question);
  warm_up.max_new_tokens = std::min(warm_up.max_new_tokens, 8);
  (void)answerer->answer(warm_up, {});

  base::Progress progress("serving", static_cast<std::int64_t>(questions.size()), "questions");
  for (const index_tools::Question& question : questions) {
    ralm.serve(question.question, serving::make_question(bench.serve, question.question));
    progress.update(static_cast<std::int64_t>(ralm.questions()), ralm.note());
  }
  progress.finish();

  if (bench.delay_ms > 0) {
    std::printf(
        "every retrieval call was made %.1f ms slower (--retrieval-delay-ms): a made-up "
        "pool, not this index's speed\n",
        bench.delay_ms);
  }
  std::fputs(ralm.table().c_str(), stdout);
  if (bench.json.empty()) return;
  nlohmann::ordered_json report = ralm.report();
  report["workload"] = bench.workload;
  report["retriever"] = bench.retriever;
  report["prompt"] = bench.prompt;
  report["generator"] = bench.serve.generator;
  report["encoder"] = bench.serve.encoder;
  report["stride_tokens"] = bench.serve.stride_tokens;
  report["max_new_tokens"] = bench.serve.max_new_tokens;
  report["threads"] = bench.serve.threads > 0 ? bench.serve.threads : base::usable_cores();
  report["retrieval_delay_ms"] = bench.delay_ms;
  base::write_file_atomically(bench.json, report.dump(2) + "\n");
}

}  // namespace

void add_bench_ralm(CLI::App& bench) {
  auto options = std::make_shared<BenchRalm>();
  auto* command = bench.add_subcommand(
      "ralm", "Serves questions with and without speculation: times, calls, equal tokens");
  command->add_option("--index", options->index, "A snapshot, searched in this process");
  command->add_option("--pool", options->pool,
                      "A running colony's name, YAML file or endpoint, instead of --index");
  command->add_option("--questions", options->questions, "JSON lines with `question`")->required();
  command->add_option("--retriever", options->retriever, "edr: exact dense retrieval")
      ->check(CLI::IsMember({"edr"}))
      ->capture_default_str();
  command->add_option("--workload", options->workload, "naive: a document every few tokens")
      ->check(CLI::IsMember({"naive"}))
      ->capture_default_str();
  command
      ->add_option("--variants", options->variants,
                   "B: plain; spec: speculative; P: spec with 20 documents prefetched")
      ->delimiter(',')
      ->capture_default_str();
  command->add_option("--limit", options->limit, "Only so many questions; 0: all")
      ->check(CLI::NonNegativeNumber);
  command
      ->add_option("--stride", options->serve.speculation.stride, "Retrievals verified in one call")
      ->check(CLI::Range(1, 64))
      ->capture_default_str();
  command
      ->add_option("--prefetch", options->serve.speculation.prefetch,
                   "Documents of the first retrieval, for spec")
      ->check(CLI::Range(1, retriever_pool::kDocumentsMax))
      ->capture_default_str();
  command->add_option("--max-new-tokens", options->serve.max_new_tokens, "Of an answer")
      ->check(CLI::Range(1, 4096))
      ->capture_default_str();
  command->add_option("--prompt", options->prompt, "plain: document and question; chat: template")
      ->check(CLI::IsMember({"plain", "chat"}))
      ->capture_default_str();
  command->add_option("--generator", options->serve.generator)->capture_default_str();
  command->add_option("--encoder", options->serve.encoder)->capture_default_str();
  command->add_option("--threads", options->serve.threads, "0: all usable cores")
      ->check(CLI::Range(0, 256));
  command
      ->add_option("--retrieval-delay-ms", options->delay_ms,
                   "Makes every call so much slower, to show a pool that is large or far away")
      ->check(CLI::Range(0.0, 60'000.0));
  command->add_option("--json", options->json, "Write rows[] and answers[] to FILE");
  command->footer(
      "Example: rookery bench ralm --index wiki --questions questions.jsonl --limit 10 "
      "--variants B,spec --json ralm.json");
  command->callback([options] {
    options->serve.chat = options->prompt == "chat";
    // The deadline is for answers that never come, not for a pool that was made slow on purpose.
    options->serve.retrieval_deadline =
        std::chrono::milliseconds(10'000 + std::llround(options->delay_ms));
    run(*options);
  });
}

}  // namespace rookery::launch
