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
#include "launch/open_retriever.hpp"
#include "launch/retrieval_recall.hpp"

namespace rookery::launch {
namespace {

using index_tools::Question;

constexpr std::size_t kBatchQuestions = 64;

struct EvalArguments {
  std::string index, questions, ks = "1,5,20", encoder = "minilm", json;
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

RecallCounts evaluate(const EvalArguments& arguments, const std::vector<std::int32_t>& ks,
                      const std::vector<Question>& questions) {
  const auto pool = open_retriever(arguments.index);
  const auto encoder =
      engine::open_text_encoder(engine::resolve_model(arguments.encoder), engine::EncoderOptions{});
  check_encoder_fits(pool->description(), encoder->identity());
  RecallCounts counts;
  base::Progress progress("eval retrieval", std::ssize(questions), "questions");
  for (std::size_t begin = 0; begin < questions.size(); begin += kBatchQuestions) {
    const auto batch =
        std::span(questions).subspan(begin, std::min(kBatchQuestions, questions.size() - begin));
    std::vector<std::string> texts;
    for (const Question& question : batch) texts.push_back(question.question);
    const std::vector<float> vectors = encoder->encode(texts);
    retriever_pool::RetrievalRequest request;
    request.queries = vectors;
    request.k = ks.back();
    request.deadline = std::chrono::seconds(60);
    const auto answer = retrieve_or_explain(*pool, request);
    count_recall(batch, answer.rows, ks, counts);
    progress.update(static_cast<std::int64_t>(begin + batch.size()));
  }
  progress.finish();
  return counts;
}

void run_eval_retrieval(const EvalArguments& arguments) {
  const std::vector<std::int32_t> ks = parse_ks(arguments.ks);
  index_tools::QuestionFileOptions options;
  options.limit = arguments.limit;
  const auto questions = index_tools::read_questions(arguments.questions, options);
  const RecallCounts counts = evaluate(arguments, ks, questions);

  nlohmann::json json = {{"questions", questions.size()},
                         {"recall_by_answer", nlohmann::json::object()},
                         {"recall_by_passage_id", nlohmann::json::object()}};
  std::printf("%zu questions, %lld of them name a passage\n", questions.size(),
              static_cast<long long>(counts.with_passage));
  std::printf("   k   by answer   by passage id\n");
  for (const std::int32_t k : ks) {
    const double answer = percent(counts.by_answer.at(k), counts.questions);
    json["recall_by_answer"][std::to_string(k)] = answer;
    std::string passage_text = "-";
    if (counts.with_passage > 0) {
      const double passage = percent(counts.by_passage_id.at(k), counts.with_passage);
      json["recall_by_passage_id"][std::to_string(k)] = passage;
      char buffer[32];
      std::snprintf(buffer, sizeof buffer, "%.2f %%", passage);
      passage_text = buffer;
    }
    std::printf("%4d   %7.2f %%   %13s\n", k, answer, passage_text.c_str());
  }
  if (!arguments.json.empty()) {
    base::write_file_atomically(arguments.json, json.dump(2) + "\n");
  }
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
  command->add_option("--encoder", arguments->encoder, "Name, folder or wheel of the encoder")
      ->capture_default_str();
  command->add_option("--limit", arguments->limit, "Only the first questions; 0: all")
      ->check(CLI::Range(std::int64_t{0}, std::int64_t{1} << 40))
      ->capture_default_str();
  command->add_option("--json", arguments->json, "Write the percentages to this file");
  command->footer(
      "Example: rookery eval retrieval --index data/wiki --questions dev.jsonl -k 1,5,20");
  command->callback([arguments] { run_eval_retrieval(*arguments); });
}

}  // namespace rookery::launch
