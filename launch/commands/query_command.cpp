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
#include "launch/commands/keys_flag.hpp"
#include "launch/commands/search_flags.hpp"
#include "launch/commands/trace_flag.hpp"
#include "launch/open_retriever.hpp"
#include "launch/search_mode.hpp"

namespace rookery::launch {
namespace {

using Clock = std::chrono::steady_clock;
using retriever_pool::Document;
using retriever_pool::RetrievalAnswer;

constexpr std::size_t kLineCharacters = 76;  // of title and text; with the rest it fits 100 columns

struct QueryArguments {
  std::string target, text, index, kind, encoder = "minilm", json;
  std::vector<std::int64_t> ids;  // look-up
  SearchFlags search;
  TraceFlag trace;
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

// The documents of all rows: a look-up has a row for every id.
std::vector<Document> found(const RetrievalAnswer& answer) {
  std::vector<Document> documents;
  for (const auto& row : answer.rows) documents.insert(documents.end(), row.begin(), row.end());
  return documents;
}

void print_answer(const RetrievalAnswer& answer, double encoding_ms) {
  int rank = 0;
  if (found(answer).empty()) std::printf("nothing found\n");
  for (const Document& document : found(answer)) {
    std::printf("%2d  %.3f  %s  source %s\n", ++rank, static_cast<double>(document.score),
                one_line(heading(document), kLineCharacters).c_str(), document.source_id.c_str());
  }
  std::printf("%.1f ms search · %.1f ms encoding · generation %s · shards %d/%d\n",
              static_cast<double>(answer.total_time.count()) / 1000, encoding_ms,
              answer.generation.c_str(), answer.shards_answered, answer.shards_wanted);
}

std::string answer_json(const QueryArguments& arguments, const SearchMode& mode,
                        const RetrievalAnswer& answer, double encoding_ms) {
  nlohmann::json json = {{"query", arguments.text},
                         {"k", arguments.k},
                         {"kind", mode.name},
                         {"generation", answer.generation},
                         {"shards_answered", answer.shards_answered},
                         {"shards_wanted", answer.shards_wanted},
                         {"encoding_ms", encoding_ms},
                         {"search_ms", static_cast<double>(answer.search_time.count()) / 1000},
                         {"total_ms", static_cast<double>(answer.total_time.count()) / 1000},
                         {"documents", nlohmann::json::array()}};
  for (const Document& document : found(answer)) {
    nlohmann::json item = {{"id", document.id},
                           {"score", document.score},
                           {"source_id", document.source_id},
                           {"title", document.title},
                           {"text", document.text}};
    if (document.value) item["value"] = *document.value;
    json["documents"].push_back(std::move(item));
  }
  return json.dump(2, ' ', false, nlohmann::json::error_handler_t::replace) + "\n";
}

void run_query(QueryArguments& arguments) {
  retriever_pool::RetrievalRequest request;
  request.k = checked_k(arguments.k);
  request.deadline = std::chrono::milliseconds(arguments.deadline_ms);
  request.tuning = arguments.search.tuning;
  request.filter = read_filter(arguments.search.filter);
  SearchMode mode = search_mode(arguments.kind);
  const bool blank = arguments.text.find_first_not_of(" \t\r\n") == std::string::npos;
  if (arguments.ids.empty() && blank) {
    throw base::UserError("query: expected a text to search for, or --id to look up, got neither");
  }
  retriever_pool::PoolClientOptions client;
  client.trace = arguments.trace.open("rookery query");
  if (client.trace != nullptr) request.trace = base::Trace::new_id();
  client.index = arguments.index;
  const auto pool = open_retriever(arguments.target, 0, client);
  if (!arguments.index.empty() && pool->description().generation.empty()) {
    throw base::UserError("--index: expected an index of " + arguments.target + ", got '" +
                          arguments.index + "'; see: rookery status " + arguments.target);
  }
  RetrievalAnswer answer;
  double encoding_ms = 0;
  if (!arguments.ids.empty()) {
    mode.name = "look_up";
    request.ids = arguments.ids;
    answer = retrieve_or_explain(*pool, request);
  } else {
    const std::vector<std::string> texts = {arguments.text};
    std::vector<float> vector;
    if (needs_vectors(mode, pool->description())) {
      const auto encoder = engine::open_text_encoder(engine::resolve_model(arguments.encoder),
                                                     engine::EncoderOptions{});
      check_encoder_fits(pool->description(), encoder->identity());
      const auto begin = Clock::now();
      const base::TraceSpan span(client.trace, "query", "encode", request.trace);
      vector = encoder->encode(texts);
      encoding_ms = milliseconds_since(begin);
    }
    const base::TraceSpan span(client.trace, "query", "retrieve", request.trace);
    answer = ask(*pool, mode, {texts, vector}, request);
  }
  print_answer(answer, encoding_ms);
  if (!arguments.json.empty()) {
    base::write_file_atomically(arguments.json, answer_json(arguments, mode, answer, encoding_ms));
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
  command->add_option("text", arguments->text, "What to search for");
  command->add_option("--index", arguments->index,
                      "Name of the colony's index (default: its first)");
  command->add_option("--kind", arguments->kind,
                      "exact, int8, hnsw, ivfpq, bm25 (needs no encoder) or hybrid (default: the "
                      "pool's)");
  command->add_option("--id", arguments->ids, "Look this passage up instead; may be given again")
      ->allow_extra_args(false);
  add_search_flags(*command, arguments->search);
  command->add_option("-k", arguments->k, "Number of documents, 1 to 1024")->capture_default_str();
  command->add_option("--encoder", arguments->encoder, "Name, folder or wheel of the encoder")
      ->capture_default_str();
  command->add_option("--deadline-ms", arguments->deadline_ms, "Give up after so many milliseconds")
      ->check(CLI::Range(1, 3600000))
      ->capture_default_str();
  command->add_option("--json", arguments->json, "Write the answer to this file as JSON");
  arguments->trace.add_to(*command);
  add_keys_flag(*command);
  command->footer(
      "Example: rookery query wiki \"who proposed the actor model\" -k 3\n"
      "Example: rookery query wiki \"actor model\" --kind bm25 --allow-topic Technology");
  command->callback([arguments] { run_query(*arguments); });
}

}  // namespace rookery::launch
