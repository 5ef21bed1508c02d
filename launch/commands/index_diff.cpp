#include "launch/commands/index_diff.hpp"

#include "base/option_reader.hpp"
#include "index_tools/snapshot_diff.hpp"
#include "launch/commands/index_arguments.hpp"

#include <CLI/CLI.hpp>

#include <algorithm>
#include <cstdio>
#include <memory>
#include <string>

namespace rookery::launch {
namespace {

using Json = nlohmann::ordered_json;
using index_tools::DiffIds;

struct Arguments {
  std::string a, b, json;
  std::int64_t limit = 100;
};

constexpr std::size_t kShownIds = 8;

void print_ids(const char* what, const DiffIds& ids) {
  std::string list;
  for (std::size_t at = 0; at < std::min(ids.first.size(), kShownIds); ++at) {
    list += (at > 0 ? ", " : "") + std::to_string(ids.first[at]);
  }
  if (static_cast<std::int64_t>(kShownIds) < ids.count && !list.empty()) list += ", …";
  std::printf("  %-16s %12s  %s\n", what, grouped(ids.count).c_str(), list.c_str());
}

Json figures_of(const DiffIds& ids) { return {{"count", ids.count}, {"ids", ids.first}}; }

void run_diff(const Arguments& arguments) {
  const index_tools::SnapshotDiff diff = index_tools::diff_snapshots(
      base::expand_path(arguments.a), base::expand_path(arguments.b), arguments.limit);
  std::printf("A  %s, %s passages\nB  %s, %s passages\n", diff.generation_a.c_str(),
              grouped(diff.passages_a).c_str(), diff.generation_b.c_str(),
              grouped(diff.passages_b).c_str());
  std::printf("  %-16s %12s  %s\n", "", "passages", "ids");
  print_ids("only in A", diff.only_a);
  print_ids("only in B", diff.only_b);
  print_ids("changed text", diff.changed_text);
  print_ids("changed vectors", diff.changed_vectors);
  print_ids("changed values", diff.changed_values);
  for (const std::string& spec : diff.indexes_only_a) {
    std::printf("  index only in A  %s\n", spec.c_str());
  }
  for (const std::string& spec : diff.indexes_only_b) {
    std::printf("  index only in B  %s\n", spec.c_str());
  }
  for (const std::string& fact : diff.facts) std::printf("  %s\n", fact.c_str());
  if (diff.same()) std::printf("they hold the same\n");
  write_figures(arguments.json, {{"generation_a", diff.generation_a},
                                 {"generation_b", diff.generation_b},
                                 {"passages_a", diff.passages_a},
                                 {"passages_b", diff.passages_b},
                                 {"same", diff.same()},
                                 {"only_a", figures_of(diff.only_a)},
                                 {"only_b", figures_of(diff.only_b)},
                                 {"changed_text", figures_of(diff.changed_text)},
                                 {"changed_vectors", figures_of(diff.changed_vectors)},
                                 {"changed_values", figures_of(diff.changed_values)},
                                 {"indexes_only_a", diff.indexes_only_a},
                                 {"indexes_only_b", diff.indexes_only_b},
                                 {"facts", diff.facts}});
}

}  // namespace

void add_index_diff(CLI::App& index) {
  const auto arguments = std::make_shared<Arguments>();
  CLI::App* command = index.add_subcommand("diff", "Compares two generations passage by passage");
  command->add_option("a", arguments->a, "A snapshot, or one of its generations")->required();
  command->add_option("b", arguments->b, "Another one")->required();
  command->add_option("--limit", arguments->limit, "Ids of each kind in the JSON file, at most")
      ->check(CLI::NonNegativeNumber)
      ->capture_default_str();
  command->add_option("--json", arguments->json, "Write the figures to this file");
  command->footer("Example: rookery index diff data/wiki/1f0c8c4b7d21 data/wiki");
  command->callback([arguments] { run_diff(*arguments); });
}

}  // namespace rookery::launch
