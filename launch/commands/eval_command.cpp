#include <CLI/CLI.hpp>

#include "launch/commands.hpp"
#include "launch/commands/eval_qa.hpp"
#include "launch/commands/eval_retrieval.hpp"

namespace rookery::launch {

void add_eval_command(CLI::App& app) {
  CLI::App* eval = app.add_subcommand("eval", "Score retrieval or answers on a question file");
  eval->require_subcommand(1);
  eval->footer("Example: rookery eval retrieval --index data/wiki --questions dev.jsonl -k 1,5,20");
  add_eval_retrieval(*eval);
  add_eval_qa(*eval);
}

}  // namespace rookery::launch
