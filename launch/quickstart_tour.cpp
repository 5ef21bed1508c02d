#include "launch/quickstart_tour.hpp"

#include <signal.h>

#include <algorithm>
#include <chrono>
#include <cstdio>
#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <vector>

#include "actors/colony_folder.hpp"
#include "base/atomic_file.hpp"
#include "base/error.hpp"
#include "base/option_reader.hpp"
#include "base/progress.hpp"
#include "index_tools/snapshot.hpp"
#include "launch/colony_config.hpp"
#include "launch/percentile.hpp"
#include "launch/stage_runner.hpp"
#include "launch/steady_load.hpp"
#include "retriever_pool/retriever.hpp"
#include "retriever_pool/view_server.hpp"

namespace rookery::launch {

namespace {

using nlohmann::json;
using namespace std::chrono_literals;
constexpr int kStages = 6;
constexpr int kInterruptedCode = 130;

/// How long each stage is; the smoke run differs in these figures only.
struct TourSize {
  int sources = 0;  ///< of the corpus; 0: all
  std::int64_t load_queries = 2400;
  double load_rate_per_s = 120;
  int recall_questions = 400;
  int eval_questions = 100;
  int serve_questions = 10;
  int new_tokens = 64;
};

TourSize smoke_size() {
  return {.sources = 1000,
          .load_queries = 600,
          .load_rate_per_s = 100,
          .recall_questions = 50,
          .eval_questions = 16,
          .serve_questions = 3,
          .new_tokens = 48};
}

constexpr const char* kParagraphQuestions[] = {
    "What is photosynthesis and why does it matter for life on Earth?",
    "Who was Albert Einstein and what is he known for?",
    "Explain how the immune system protects the body.",
    "What caused the French Revolution and what did it change?",
    "Describe the structure of an atom.",
    "What is jazz and where did it come from?",
    "How do volcanoes form and erupt?",
    "What was the Roman Empire and how did it end?",
    "Explain what evolution by natural selection means.",
    "What is an algorithm and how are algorithms used in computing?",
    "Describe the Amazon rainforest and the animals that live there.",
    "What is democracy and what forms does it take?"};

class Tour {
 public:
  Tour(const QuickstartOptions& options, const base::StopSignal& stop)
      : options_(options),
        stop_(stop),
        size_(options.smoke ? smoke_size() : TourSize{}),
        config_file_(options.configs / (options.smoke ? "smoke.yaml" : "wiki.yaml")),
        config_(ColonyConfig::load(config_file_)),
        work_(base::rookery_home() / "quickstart" / config_.colony),
        runner_(stop, work_, kStages) {
    std::filesystem::create_directories(work_);
  }

  int run() {
    bool finished = false;
    try {
      corpus_stage();
      index_stage();
      colony_stage();
      training_stage();
      serving_stage();
      finished = true;
    } catch (const Interrupted&) {
      std::fprintf(stderr, "\nstopped; the snapshot stays, so the next run starts from there\n");
    } catch (const base::UserError& error) {
      stop_colony();
      throw;
    }
    if (!finished) {
      stop_colony();
      return kInterruptedCode;
    }
    summary_stage();
    return promises_kept() ? 0 : 1;
  }

 private:
  void corpus_stage() {
    runner_.heading(
        "Corpus",
        "Summaries of Wikipedia's vital articles, and questions made from their descriptions.");
    std::vector<std::string> command = {"index", "questions", "--corpus",
                                        "wiki",  "--out",     questions().string()};
    add_limit(command);
    const json figures = runner_.run_json(command);
    report_["sources"] = figures.at("sources");
    report_["question_pairs"] = figures.at("pairs");
  }

  void index_stage() {
    runner_.heading("Index",
                    "Every passage becomes a vector; two shards, each checked block by block.");
    std::vector<std::string> command = {
        "index",     "build",
        "--corpus",  "wiki",
        "--encoder", config_.train.question_encoder,
        "--shards",  std::to_string(config_.pool.shards.value_or(2)),
        "--out",     config_.index.path.string(),
        "--index",   "int8",
        "--index",   "hnsw",
        "--index",   "bm25"};
    add_limit(command);
    const json figures = runner_.run_json(command);
    for (const char* key : {"passages", "encode_passages_per_s", "index_seconds"})
      report_[key] = figures.at(key);
    runner_.run({"index", "verify", config_.index.path.string()});
    runner_.say(
        "kinds of search compared: the article of each question among the first k passages");
    const json recall = runner_.run_json(
        {"eval", "retrieval", "--index", config_.index.path.string(), "--questions",
         (questions() / "test.jsonl").string(), "--limit", std::to_string(size_.recall_questions),
         "--kind", "exact,int8,hnsw,bm25,hybrid", "-k", "1,5,20"});
    report_["recall_by_kind"] = recall.at("kinds");
  }

  void colony_stage() {
    runner_.heading("Colony",
                    "A head and four retrieval nodes; one of them is killed while queries run.");
    stop_colony();
    runner_.run({"up", config_file_.string()});
    runner_.run({"query", config_.colony, "who developed the theory of relativity", "-k", "3"});
    runner_.run({"query", config_.colony, "how do plants turn light into food", "-k", "3"});
    steady_load();
    runner_.run({"status", config_.colony});
  }

  /// Sends queries at a steady rate, kills a node in mid-stream, and waits until it is back.
  void steady_load() {
    const std::string head = actors::head_routing_endpoint(config_.colony);
    const auto pool = retriever_pool::open_pool_client({.head = head});
    const auto oracle =
        retriever_pool::open_embedded_pool({.snapshot = config_.index.path.string(), .threads = 1});
    const auto shard = index_tools::open_shard(config_.index.path, 0);
    constexpr std::size_t kDistinctQueries = 200;
    const std::size_t rows =
        std::min<std::size_t>(kDistinctQueries, static_cast<std::size_t>(shard->count()));

    const auto before = retriever_pool::fetch_view(head, 5s);
    const auto victim = before.members.at(before.members.size() / 2);
    runner_.say("sending " + std::to_string(size_.load_queries) + " queries, " +
                std::to_string(static_cast<int>(size_.load_rate_per_s)) + " a second; killing " +
                victim.node + " (shard " + std::to_string(victim.shard) + ") on the way");
    bool killed = false;
    base::Progress progress("queries", size_.load_queries, "queries");
    const auto load = run_steady_load(
        *pool, *oracle, shard->vectors().first(rows * static_cast<std::size_t>(shard->dimension())),
        {.queries = size_.load_queries, .rate_per_s = size_.load_rate_per_s},
        [&](std::int64_t done) {
          if (!killed && done >= size_.load_queries / 3) {
            ::kill(static_cast<pid_t>(victim.pid), SIGKILL);
            killed = true;
          }
          progress.update(done);
        });
    progress.finish();
    const double back_s = wait_until_back(head, victim);
    report_["queries_sent"] = load.sent;
    report_["queries_lost"] = load.lost;
    report_["queries_wrong"] = load.wrong;
    report_["query_ms_p50"] = percentile(load.latency_ms, 0.5);
    report_["query_ms_p99"] = percentile(load.latency_ms, 0.99);
    char line[200];
    std::snprintf(line, sizeof line,
                  "%lld queries: %lld lost, %lld wrong; p50 %.2f ms, p99 %.2f ms; %s is back%s",
                  static_cast<long long>(load.sent), static_cast<long long>(load.lost),
                  static_cast<long long>(load.wrong), percentile(load.latency_ms, 0.5),
                  percentile(load.latency_ms, 0.99), victim.node.c_str(),
                  back_s < 0 ? " NOT YET" : "");
    runner_.say(line);
    if (load.lost > 0) runner_.say("first fault: " + load.first_fault);
    report_["node_came_back"] = back_s >= 0;
  }

  /// Seconds until the killed node's place is served by another process; negative when it is not
  /// within 20 s.
  double wait_until_back(const std::string& head, const retriever_pool::ReplicaView& victim) const {
    const auto begin = std::chrono::steady_clock::now();
    while (std::chrono::steady_clock::now() - begin < 20s) {
      const auto view = retriever_pool::fetch_view(head, 5s);
      for (const auto& member : view.members)
        if (member.shard == victim.shard && member.replica == victim.replica &&
            member.pid != victim.pid && member.state == retriever_pool::ReplicaState::kReady)
          return std::chrono::duration<double>(std::chrono::steady_clock::now() - begin).count();
      if (stop_.wait(100ms)) throw Interrupted();
    }
    return -1;
  }

  void training_stage() {
    runner_.heading(
        "Fine-tune",
        "Two data-parallel ranks learn to answer from retrieved passages (RAG-Sequence).");
    const auto before = evaluate(config_.train.generator, "before", false);
    const json training = runner_.run_json(
        {"train", config_file_.string(), "--nproc", "2", "--pool", config_.colony});
    const auto after = evaluate(config_.train.checkpoint.string(), "after", false);
    const auto shuffled = evaluate(config_.train.checkpoint.string(),
                                   "with passages shuffled between questions", true);
    report_["em_before"] = before.at("em");
    report_["em_after"] = after.at("em");
    report_["f1_before"] = before.at("f1");
    report_["f1_after"] = after.at("f1");
    report_["recall5_before"] = before.at("recall_by_passage_id").at("5");
    report_["recall5_after"] = after.at("recall_by_passage_id").at("5");
    report_["em_copy_top1"] = after.at("em_copy_top1");
    report_["em_copy_top1_before"] = before.at("em_copy_top1");
    report_["em_shuffled"] = shuffled.at("em");
    report_["eval_questions"] = after.at("questions");
    for (const char* key : {"train_steps", "train_seconds", "retrieval_ms_p50"})
      report_[key] = training.at(key);
    char line[240];
    std::snprintf(
        line, sizeof line,
        "exact match %.1f → %.1f on %lld held-out questions; copying the top title gives %.1f, "
        "shuffled passages %.1f",
        number("em_before"), number("em_after"),
        static_cast<long long>(report_["eval_questions"].get<std::int64_t>()),
        number("em_copy_top1"), number("em_shuffled"));
    runner_.say(line);
  }

  json evaluate(const std::string& model, const std::string& when, bool shuffle) {
    runner_.say("evaluation " + when + ":");
    std::vector<std::string> command = {"eval",        "qa",
                                        "--model",     model,
                                        "--questions", (questions() / "test.jsonl").string(),
                                        "--pool",      config_.colony,
                                        "--limit",     std::to_string(size_.eval_questions)};
    if (shuffle) command.emplace_back("--shuffle-passages");
    return runner_.run_json(command);
  }

  void serving_stage() {
    runner_.heading("Serve", "Answers that retrieve every 4 tokens, with and without speculation.");
    std::string lines;
    for (int i = 0; i < size_.serve_questions; ++i)
      lines +=
          json{{"question", kParagraphQuestions[i]}, {"answers", json::array({"-"})}}.dump() + "\n";
    const auto file = work_ / "paragraph-questions.jsonl";
    base::write_file_atomically(file, lines);
    const json figures = runner_.run_json({"bench", "ralm", "--index", config_.index.path.string(),
                                           "--pool", config_.colony, "--prompt", "chat",
                                           "--questions", file.string(), "--variants", "B,spec",
                                           "--max-new-tokens", std::to_string(size_.new_tokens)});
    report_["answers"] = json::array();
    for (const auto& answer : figures.at("answers")) {
      json entry;
      for (const char* key : {"question", "text", "tokens_equal", "baseline_s", "speculative_s",
                              "calls_baseline", "calls_speculative"})
        entry[key] = answer.at(key);
      report_["answers"].push_back(entry);
    }
    report_["serving_rows"] = figures.at("rows");
  }

  void summary_stage() {
    runner_.heading("Summary", options_.smoke
                                   ? "A shortened run: figures are not those of the full one."
                                   : "What just happened, and what to try next.");
    if (!options_.keep) stop_colony();
    report_["seconds"] = runner_.seconds();
    if (!options_.report.empty())
      base::write_file_atomically(options_.report, report_.dump(2) + "\n");
    char line[200];
    std::snprintf(
        line, sizeof line,
        "%lld passages, %lld queries with %lld lost and %lld wrong, EM %.1f → %.1f, %.0f s",
        static_cast<long long>(report_["passages"].get<std::int64_t>()),
        static_cast<long long>(report_["queries_sent"].get<std::int64_t>()),
        static_cast<long long>(report_["queries_lost"].get<std::int64_t>()),
        static_cast<long long>(report_["queries_wrong"].get<std::int64_t>()), number("em_before"),
        number("em_after"), number("seconds"));
    runner_.say(line);
    if (!options_.report.empty()) runner_.say("figures: " + options_.report.string());
    if (options_.keep) {
      runner_.say("the colony is running:");
      runner_.say("  rookery query " + config_.colony + " \"your question\"");
      runner_.say("  rookery status " + config_.colony + " --watch");
      runner_.say("stop it with: rookery down " + config_.colony);
    } else {
      runner_.say("everything that was started is stopped. Next:");
      runner_.say("  rookery up " + config_file_.string() + "            start the colony again");
      runner_.say("  rookery ask \"What is a glacier?\" " + config_file_.string());
      runner_.say(
          "  rookery index build --corpus my.jsonl --encoder minilm --shards 2 --out ~/my-index");
    }
  }

  bool promises_kept() {
    std::vector<std::string> broken;
    if (report_["queries_lost"] != 0 || report_["queries_wrong"] != 0)
      broken.emplace_back("a query was lost or wrong");
    if (report_["node_came_back"] != true) broken.emplace_back("the killed node did not come back");
    for (const auto& answer : report_["answers"])
      if (answer["tokens_equal"] != true) broken.emplace_back("speculation changed a token");
    for (const auto& what : broken)
      std::fprintf(stderr, "quickstart: a promise is broken: %s\n", what.c_str());
    return broken.empty();
  }

  void stop_colony() const { runner_.run_quietly({"down", config_.colony}); }
  void add_limit(std::vector<std::string>& command) const {
    if (size_.sources > 0)
      command.insert(command.end(), {"--limit", std::to_string(size_.sources)});
  }
  [[nodiscard]] std::filesystem::path questions() const {
    return config_.train.train.parent_path();
  }
  [[nodiscard]] double number(const char* key) const { return report_.at(key).get<double>(); }

  QuickstartOptions options_;
  const base::StopSignal& stop_;
  TourSize size_;
  std::filesystem::path config_file_;
  ColonyConfig config_;
  std::filesystem::path work_;
  StageRunner runner_;
  json report_ = json::object();
};

}  // namespace

int run_quickstart(const QuickstartOptions& options, const base::StopSignal& stop) {
  return Tour(options, stop).run();
}

}  // namespace rookery::launch
