#include "launch/commands/eval_retrieval.hpp"

#include <CLI/CLI.hpp>
#include <nlohmann/json.hpp>

#include <algorithm>
#include <charconv>
#include <cstdio>
#include <memory>
#include <sstream>
#include <string>
#include <vector>

#include "base/atomic_file.hpp"
#include "base/error.hpp"
#include "base/progress.hpp"
#include "engine/text_encoder.hpp"
#include "engine/weights.hpp"
#include "index_tools/question_file.hpp"
#include "launch/commands/search_flags.hpp"
#include "launch/open_retriever.hpp"
#include "launch/retrieval_recall.hpp"
#include "launch/search_mode.hpp"

namespace rookery::launch {
namespace {

using index_tools::Question;

constexpr std::size_t kBatchQuestions = 64;

struct EvalArguments {
  std::string index, questions, ks = "1,5,20", kinds, encoder = "minilm", json;
  SearchFlags search;
  std::int64_t limit = 0;
};

std::vector<std::int32_t> parse_ks(const std::string& text) {
  std::vector<std::int32_t> ks;
  std::istringstream stream(text);
  for (std::string part; std::getline(stream, part, ',');) {
    std::int64_t k = 0;
    const auto [end, error] = std::from_chars(part.data(), part.data() + part.size(), k);
    if (error != std::errc() || end != part.data() + part.size()) {
      throw base::UserError("-k: expected numbers of documents such as 1,5,20, got '" + text + "'");
    }
    ks.push_back(checked_k(k));
  }
  if (ks.empty()) {
    throw base::UserError("-k: expected numbers of documents such as 1,5,20, got '" + text + "'");
  }
  std::sort(ks.begin(), ks.end());
  ks.erase(std::unique(ks.begin(), ks.end()), ks.end());
  return ks;
}

double percent(std::int64_t part, std::int64_t whole) {
  return whole == 0 ? 0 : 100.0 * static_cast<double>(part) / static_cast<double>(whole);
}

/// What one way of searching found.
struct ModeRecall {
  SearchMode mode;
  RecallCounts counts;
  double search_ms = 0;  // of all questions together, as the pool's slowest shard saw it
};

std::vector<ModeRecall> evaluate(const EvalArguments& arguments,
                                 const std::vector<std::int32_t>& ks,
                                 const std::vector<Question>& questions) {
  std::vector<ModeRecall> results;
  for (SearchMode& mode : search_modes(arguments.kinds))
    results.push_back({std::move(mode), {}, 0});
  retriever_pool::RetrievalRequest request;
  request.k = ks.back();
  request.deadline = std::chrono::seconds(60);
  request.tuning = arguments.search.tuning;
  request.filter = read_filter(arguments.search.filter);
  const auto pool = open_retriever(arguments.index);
  const auto index = pool->description();
  std::unique_ptr<engine::TextEncoder> encoder;
  if (std::any_of(results.begin(), results.end(),
                  [&](const ModeRecall& result) { return needs_vectors(result.mode, index); })) {
    encoder = engine::open_text_encoder(engine::resolve_model(arguments.encoder),
                                        engine::EncoderOptions{});
    check_encoder_fits(index, encoder->identity());
  }
  base::Progress progress("eval retrieval", std::ssize(questions), "questions");
  for (std::size_t begin = 0; begin < questions.size(); begin += kBatchQuestions) {
    const auto batch =
        std::span(questions).subspan(begin, std::min(kBatchQuestions, questions.size() - begin));
    std::vector<std::string> texts;
    for (const Question& question : batch) texts.push_back(question.question);
    const std::vector<float> vectors = encoder ? encoder->encode(texts) : std::vector<float>{};
    for (ModeRecall& result : results) {
      const auto answer = ask(*pool, result.mode, {texts, vectors}, request);
      count_recall(batch, answer.rows, ks, result.counts);
      result.search_ms += static_cast<double>(answer.search_time.count()) / 1000;
    }
    progress.update(static_cast<std::int64_t>(begin + batch.size()));
  }
  progress.finish();
  return results;
}

nlohmann::json recall_json(const RecallCounts& counts, const std::vector<std::int32_t>& ks) {
  nlohmann::json json = {{"recall_by_answer", nlohmann::json::object()},
                         {"recall_by_passage_id", nlohmann::json::object()}};
  for (const std::int32_t k : ks) {
    json["recall_by_answer"][std::to_string(k)] = percent(counts.by_answer.at(k), counts.questions);
    if (counts.with_passage > 0) {
      json["recall_by_passage_id"][std::to_string(k)] =
          percent(counts.by_passage_id.at(k), counts.with_passage);
    }
  }
  return json;
}

void print_results(const std::vector<ModeRecall>& results, const std::vector<std::int32_t>& ks,
                   std::size_t questions) {
  std::printf("%zu questions, %lld of them name a passage\n", questions,
              static_cast<long long>(results.front().counts.with_passage));
  std::printf("kind          k   by answer   by passage id   search ms a question\n");
  for (const ModeRecall& result : results) {
    for (const std::int32_t k : ks) {
      const RecallCounts& counts = result.counts;
      std::string passage = "-";
      if (counts.with_passage > 0) {
        char buffer[32];
        std::snprintf(buffer, sizeof buffer, "%.2f %%",
                      percent(counts.by_passage_id.at(k), counts.with_passage));
        passage = buffer;
      }
      std::printf("%-8s   %4d   %7.2f %%   %13s", result.mode.name.c_str(), k,
                  percent(counts.by_answer.at(k), counts.questions), passage.c_str());
      if (k == ks.front()) {
        std::printf("   %20.3f",
                    result.search_ms / static_cast<double>(std::max<std::size_t>(questions, 1)));
      }
      std::printf("\n");
    }
  }
}

void run_eval_retrieval(const EvalArguments& arguments) {
  const std::vector<std::int32_t> ks = parse_ks(arguments.ks);
  index_tools::QuestionFileOptions options;
  options.limit = arguments.limit;
  const auto questions = index_tools::read_questions(arguments.questions, options);
  const std::vector<ModeRecall> results = evaluate(arguments, ks, questions);
  print_results(results, ks, questions.size());
  if (arguments.json.empty()) return;
  // The first kind's figures stand at the top too, where they always stood.
  nlohmann::json json = recall_json(results.front().counts, ks);
  json["questions"] = questions.size();
  json["kinds"] = nlohmann::json::object();
  for (const ModeRecall& result : results) {
    json["kinds"][result.mode.name] = recall_json(result.counts, ks);
    json["kinds"][result.mode.name]["search_ms"] = result.search_ms;
  }
  base::write_file_atomically(arguments.json, json.dump(2) + "\n");
}

}  // namespace

void add_eval_retrieval(CLI::App& eval) {
  const auto arguments = std::make_shared<EvalArguments>();  // lives as long as the callback
  CLI::App* command = eval.add_subcommand(
      "retrieval", "How often the answer, or the named passage, is among the first k documents");
  command
      ->add_option("--index", arguments->index,
                   "Snapshot folder, colony, its YAML file or tcp://HOST:PORT")
      ->required();
  command
      ->add_option("--questions", arguments->questions,
                   "JSON lines: question, answers[], optional passage_id")
      ->required();
  command->add_option("-k", arguments->ks, "Numbers of documents, 1 to 1024 each")
      ->capture_default_str();
  command->add_option("--kind", arguments->kinds,
                      "Kinds side by side: exact, int8, hnsw, ivfpq, bm25, hybrid, with commas "
                      "between them (default: the pool's)");
  add_search_flags(*command, arguments->search);
  command->add_option("--encoder", arguments->encoder, "Name, folder or wheel of the encoder")
      ->capture_default_str();
  command->add_option("--limit", arguments->limit, "Only the first questions; 0: all")
      ->check(CLI::Range(std::int64_t{0}, std::int64_t{1} << 40))
      ->capture_default_str();
  command->add_option("--json", arguments->json, "Write the percentages to this file");
  command->footer(
      "Example: rookery eval retrieval --index data/wiki --questions dev.jsonl -k 1,5,20\n"
      "         --kind exact,hnsw,bm25,hybrid --deny-titles-file dev-titles.txt");
  command->callback([arguments] { run_eval_retrieval(*arguments); });
}

}  // namespace rookery::launch
