#include <CLI/CLI.hpp>
#include <cstdio>
#include <memory>
#include <nlohmann/json.hpp>
#include <string>

#include "base/atomic_file.hpp"
#include "base/error.hpp"
#include "base/stop_signal.hpp"
#include "launch/commands.hpp"
#include "launch/commands/keys_flag.hpp"
#include "launch/commands/serving_target.hpp"
#include "serving/answerer.hpp"
#include "serving/serving_models.hpp"

namespace rookery::launch {
namespace {

constexpr int kInterrupted = 130;

struct Ask {
  std::string question, target, json, prompt;
  std::int32_t max_new_tokens = 0;
  bool no_speculation = false;
};

nlohmann::ordered_json to_json(const std::string& question, const serving::Answer& answer) {
  nlohmann::ordered_json passages = nlohmann::ordered_json::array();
  for (const serving::Passage& passage : answer.passages()) {
    passages.push_back(
        {{"id", passage->id}, {"title", passage->title}, {"source_id", passage->source_id}});
  }
  return {{"question", question},
          {"text", answer.text},
          {"tokens", answer.tokens.size()},
          {"finish_reason", serving::to_string(answer.finish)},
          {"generation", answer.generation},
          {"passages", passages},
          {"seconds", answer.times.seconds},
          {"first_token_s", answer.times.first_token_s},
          {"generation_s", answer.times.generation_s},
          {"encoding_s", answer.times.encoding_s},
          {"retrieval_s", answer.times.retrieval_s},
          {"calls", answer.counts.calls},
          {"queries", answer.counts.queries},
          {"checked", answer.counts.checked},
          {"hits", answer.counts.hits}};
}

void print_passages(const serving::Answer& answer) {
  if (answer.passages().empty()) return;
  std::printf("\nfrom\n");
  int number = 0;
  for (const serving::Passage& passage : answer.passages()) {
    const std::string& title = passage->title.empty() ? passage->source_id : passage->title;
    std::printf("  %d  %s · passage %lld · source %s\n", ++number, title.c_str(),
                static_cast<long long>(passage->id), passage->source_id.c_str());
  }
}

void print_times(const serving::Answer& answer) {
  const serving::AnswerTimes& times = answer.times;
  std::printf(
      "\n%zu tokens in %.1f s · first after %.1f s · generation %.1f · encoding %.2f · "
      "retrieval %.3f s in %lld calls",
      answer.tokens.size(), times.seconds, times.first_token_s, times.generation_s,
      times.encoding_s, times.retrieval_s, static_cast<long long>(answer.counts.calls));
  if (answer.counts.checked > 0) {
    std::printf(" · %lld of %lld guesses right", static_cast<long long>(answer.counts.hits),
                static_cast<long long>(answer.counts.checked));
  }
  if (!answer.generation.empty()) std::printf(" · index %s", answer.generation.c_str());
  std::printf("\n");
}

void run(const Ask& ask) {
  if (ask.question.find_first_not_of(" \t\r\n") == std::string::npos) {
    throw base::UserError("the question is empty: expected some text");
  }
  const base::StopSignal stop;
  ServingTarget target = open_serving_target(ask.target);
  if (ask.max_new_tokens > 0) target.options.max_new_tokens = ask.max_new_tokens;
  if (ask.no_speculation) target.options.speculation.stride = 0;
  if (!ask.prompt.empty()) target.options.chat = ask.prompt == "chat";
  serving::ServingModels models(target.options);
  const auto answerer = models.make_answerer(target.retriever.get());

  serving::AnswerSink sink;
  sink.text = [](std::string_view text) {
    std::fwrite(text.data(), 1, text.size(), stdout);
    std::fflush(stdout);
  };
  sink.cancelled = [&] { return stop.requested(); };
  serving::Answer answer;
  try {
    answer = answerer->answer(serving::make_question(target.options, ask.question), sink);
  } catch (const serving::QuestionError& error) {
    throw base::UserError(error.field + ": " + error.what());
  } catch (const retriever_pool::RetrievalError& error) {
    throw base::UserError(std::string("retrieval failed: ") + error.what());
  } catch (const serving::GenerationChanged& error) {
    throw base::UserError(error.what());
  }
  std::printf("%s\n", answer.finish == serving::Finish::kCancelled ? " [interrupted]" : "");
  print_passages(answer);
  print_times(answer);
  if (!ask.json.empty()) {
    base::write_file_atomically(ask.json, to_json(ask.question, answer).dump(2) + "\n");
  }
  if (answer.finish == serving::Finish::kCancelled) throw CLI::RuntimeError(kInterrupted);
}

}  // namespace

void add_ask_command(CLI::App& app) {
  auto ask = std::make_shared<Ask>();
  auto* command =
      app.add_subcommand("ask", "Answers a question from the passages of a colony or a snapshot");
  command->add_option("QUESTION", ask->question, "What to ask")->required();
  command
      ->add_option("TARGET", ask->target,
                   "A colony's YAML file or name, or a snapshot's folder (searched in process)")
      ->required();
  command->add_option("--max-new-tokens", ask->max_new_tokens, "Where the answer is cut")
      ->check(CLI::Range(1, 4096));
  command->add_flag("--no-speculation", ask->no_speculation,
                    "Wait for every retrieval; the answer is the same");
  command->add_option("--prompt", ask->prompt, "chat: through the template; plain: continue a text")
      ->check(CLI::IsMember({"chat", "plain"}));
  command->add_option("--json", ask->json, "Write answer, passages and figures to FILE");
  add_keys_flag(*command);
  command->footer("Example: rookery ask \"What is photosynthesis?\" configs/wiki.yaml");
  command->callback([ask] { run(*ask); });
}

}  // namespace rookery::launch
