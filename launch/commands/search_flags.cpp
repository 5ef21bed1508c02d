#include "launch/commands/search_flags.hpp"

#include <CLI/CLI.hpp>

#include "retriever_pool/request_checks.hpp"

namespace rookery::launch {

void add_search_flags(CLI::App& command, SearchFlags& flags) {
  command
      .add_option("--ef-search", flags.tuning.ef_search,
                  "hnsw: candidates of the walk (default: the pool's)")
      ->check(CLI::Range(1, retriever_pool::kEfSearchMax));
  command
      .add_option("--nprobe", flags.tuning.nprobe,
                  "ivfpq: lists that are read (default: the pool's)")
      ->check(CLI::Range(1, retriever_pool::kNprobeMax));
  command
      .add_option("--candidates", flags.tuning.candidates,
                  "ivfpq, hnsw over int8: rows scored again exactly (default: the pool's)")
      ->check(CLI::Range(1, retriever_pool::kCandidatesMax));
  auto& lists = flags.filter.lists;
  // One value an option, so that a positional argument behind it is not taken for another.
  const auto add = [&](const char* name, auto& list, const char* help) {
    command.add_option(name, list, help)->allow_extra_args(false);
  };
  add("--allow-id", lists.allow_ids, "Find only these passage ids; may be given again");
  add("--deny-id", lists.deny_ids, "Never find this passage id; may be given again");
  add("--allow-title", lists.allow_titles, "Find only passages of this title; may be given again");
  add("--deny-title", lists.deny_titles, "Never find this title; may be given again");
  add("--allow-topic", lists.allow_topics, "Find only passages of this topic; may be given again");
  add("--deny-topic", lists.deny_topics, "Never find this topic; may be given again");
  command.add_option("--allow-titles-file", flags.filter.allow_titles_file,
                     "Titles that may be found, one a line");
  command.add_option("--deny-titles-file", flags.filter.deny_titles_file,
                     "Titles that are never found, one a line");
  command.add_option("--deny-ids-file", flags.filter.deny_ids_file,
                     "Passage ids that are never found, one a line");
}

}  // namespace rookery::launch
