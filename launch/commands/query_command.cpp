#include <CLI/CLI.hpp>
#include <nlohmann/json.hpp>

#include <chrono>
#include <cstdio>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "base/atomic_file.hpp"
#include "base/error.hpp"
#include "engine/text_encoder.hpp"
#include "engine/weights.hpp"
#include "launch/commands.hpp"
#include "launch/open_retriever.hpp"

namespace rookery::launch {
namespace {

using Clock = std::chrono::steady_clock;
using retriever_pool::Document;
using retriever_pool::RetrievalAnswer;

constexpr std::size_t kLineCharacters = 76;  // of title and text; with the rest it fits 100 columns

struct QueryArguments {
  std::string target, text, encoder = "minilm", json;
  std::int64_t k = 5;
  std::int64_t deadline_ms = 2000;
};

double milliseconds_since(Clock::time_point begin) {
  return std::chrono::duration<double, std::milli>(Clock::now() - begin).count();
}

// At most `characters` of a UTF-8 text on one line; the rest becomes an ellipsis.
std::string one_line(std::string_view text, std::size_t characters) {
  std::string line;
  std::size_t count = 0;
  for (const char c : text) {
    const bool starts_character = (static_cast<unsigned char>(c) & 0xC0U) != 0x80U;
    if (starts_character && ++count == characters) return line + "…";
    line += c == '\n' || c == '\t' || c == '\r' ? ' ' : c;
  }
  return line + std::string(characters - std::min(characters, count), ' ');
}

std::string heading(const Document& document) {
  return document.title.empty() ? document.text : document.title + " · " + document.text;
}

void print_answer(const RetrievalAnswer& answer, double encoding_ms) {
  int rank = 0;
  for (const Document& document : answer.rows.front()) {
    std::printf("%2d  %.3f  %s  source %s\n", ++rank, static_cast<double>(document.score),
                one_line(heading(document), kLineCharacters).c_str(), document.source_id.c_str());
  }
  std::printf("%.1f ms search · %.1f ms encoding · generation %s · shards %d/%d\n",
              static_cast<double>(answer.total_time.count()) / 1000, encoding_ms,
              answer.generation.c_str(), answer.shards_answered, answer.shards_wanted);
}

std::string answer_json(const QueryArguments& arguments, const RetrievalAnswer& answer,
                        double encoding_ms) {
  nlohmann::json json = {{"query", arguments.text},
                         {"k", arguments.k},
                         {"generation", answer.generation},
                         {"shards_answered", answer.shards_answered},
                         {"shards_wanted", answer.shards_wanted},
                         {"encoding_ms", encoding_ms},
                         {"search_ms", static_cast<double>(answer.search_time.count()) / 1000},
                         {"total_ms", static_cast<double>(answer.total_time.count()) / 1000},
                         {"documents", nlohmann::json::array()}};
  for (const Document& document : answer.rows.front()) {
    json["documents"].push_back({{"id", document.id},
                                 {"score", document.score},
                                 {"source_id", document.source_id},
                                 {"title", document.title},
                                 {"text", document.text}});
  }
  return json.dump(2, ' ', false, nlohmann::json::error_handler_t::replace) + "\n";
}

void run_query(const QueryArguments& arguments) {
  const std::int32_t k = checked_k(arguments.k);
  if (arguments.text.find_first_not_of(" \t\r\n") == std::string::npos) {
    throw base::UserError("query: expected a text to search for, got an empty one");
  }
  const auto pool = open_retriever(arguments.target);
  const auto encoder =
      engine::open_text_encoder(engine::resolve_model(arguments.encoder), engine::EncoderOptions{});
  check_encoder_fits(pool->description(), encoder->identity());
  const auto begin = Clock::now();
  const std::vector<std::string> texts = {arguments.text};
  const std::vector<float> vector = encoder->encode(texts);
  const double encoding_ms = milliseconds_since(begin);

  retriever_pool::RetrievalRequest request;
  request.queries = vector;
  request.k = k;
  request.deadline = std::chrono::milliseconds(arguments.deadline_ms);
  const RetrievalAnswer answer = retrieve_or_explain(*pool, request);
  print_answer(answer, encoding_ms);
  if (!arguments.json.empty()) {
    base::write_file_atomically(arguments.json, answer_json(arguments, answer, encoding_ms));
  }
}

}  // namespace

void add_query_command(CLI::App& app) {
  const auto arguments = std::make_shared<QueryArguments>();  // lives as long as the callback
  CLI::App* command = app.add_subcommand("query", "Search a colony or a snapshot for a text");
  command
      ->add_option("target", arguments->target,
                   "Colony, its YAML file, snapshot folder or tcp://HOST:PORT")
      ->required();
  command->add_option("text", arguments->text, "What to search for")->required();
  command->add_option("-k", arguments->k, "Number of documents, 1 to 1024")->capture_default_str();
  command->add_option("--encoder", arguments->encoder, "Name, folder or wheel of the encoder")
      ->capture_default_str();
  command->add_option("--deadline-ms", arguments->deadline_ms, "Give up after so many milliseconds")
      ->check(CLI::Range(1, 3600000))
      ->capture_default_str();
  command->add_option("--json", arguments->json, "Write the answer to this file as JSON");
  command->footer("Example: rookery query wiki \"who proposed the actor model\" -k 3");
  command->callback([arguments] { run_query(*arguments); });
}

}  // namespace rookery::launch
