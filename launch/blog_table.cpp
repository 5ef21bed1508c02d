#include "launch/blog_table.hpp"

#include <algorithm>
#include <cstdio>
#include <nlohmann/json.hpp>
#include <optional>
#include <set>
#include <vector>

#include "launch/detail/blog_cells.hpp"

namespace rookery::launch {
namespace {

using detail::CellFilter;
using detail::cells_of;
using detail::least;
using Json = nlohmann::json;

std::string text_of(const char* format, double value) {
  char text[64];
  std::snprintf(text, sizeof text, format, value);
  return text;
}

/// Milliseconds of a figure in seconds, with about three digits; "–" where there is none.
std::string ms(std::optional<double> seconds) {
  if (!seconds) return "–";
  const double value = *seconds * 1e3;
  return text_of(value < 10 ? "%.2f" : value < 100 ? "%.1f" : "%.0f", value);
}

std::string ratio(std::optional<double> slower, std::optional<double> faster) {
  if (!slower || !faster || *faster <= 0) return "–";
  return text_of("%.1f×", *slower / *faster);
}

std::string row_of(const std::vector<std::string>& words) {
  std::string line = "|";
  for (const std::string& word : words) line += " " + word + " |";
  return line + "\n";
}

std::string head_of(const std::vector<std::string>& words) {
  return row_of(words) + row_of(std::vector<std::string>(words.size(), "---"));
}

std::optional<double> figure(const Json& cell, const char* name) {
  return cell.contains(name) && cell[name].is_number() ? std::optional(cell[name].get<double>())
                                                       : std::nullopt;
}

std::string label_of(const Json& results, const std::string& system, int actors) {
  const auto cells = cells_of(results, {.system = system});
  std::string label = cells.front()->at("label").get<std::string>();
  if (actors > 0) label += ", " + std::to_string(actors) + (actors == 1 ? " actor" : " actors");
  return label;
}

template <class T>
std::vector<T> values_of(const Json& results, const char* field) {
  std::vector<T> values;
  for (const Json& cell : results.at("cells")) {
    const auto value = cell.at(field).get<T>();
    if (std::ranges::find(values, value) == values.end()) values.push_back(value);
  }
  return values;
}

std::string main_table(const Json& results, std::int64_t vectors, int compute_ms) {
  const auto trainers = values_of<int>(results, "trainers");
  std::vector<std::string> head = {"ms a retrieval: rank 0 p50 · all ranks p50 / p99"};
  for (const int count : trainers) {
    head.push_back(std::to_string(count) + (count == 1 ? " trainer" : " trainers"));
  }
  std::string text = head_of(head);
  for (const std::string& system : detail::systems_of(results)) {
    for (const int actors : detail::actors_of(results, system, vectors)) {
      std::vector<std::string> row = {label_of(results, system, actors)};
      for (const int count : trainers) {
        const auto cells = cells_of(results, {.system = system,
                                              .trainers = count,
                                              .actors = actors,
                                              .compute_ms = compute_ms,
                                              .vectors = vectors});
        if (cells.empty() || !figure(*cells[0], "rank0_p50_s")) {
          row.emplace_back("–");
          continue;
        }
        row.push_back(ms(figure(*cells[0], "rank0_p50_s")) + " · " +
                      ms(figure(*cells[0], "all_p50_s")) + " / " +
                      ms(figure(*cells[0], "all_p99_s")));
      }
      text += row_of(row);
    }
  }
  return text;
}

/// Every system at its best number of actors: speed-up, throughput, memory, recall.
std::string summary_table(const Json& results, std::int64_t vectors, int trainers) {
  const auto at = [&](const std::string& system) {
    return least(results,
                 {.system = system, .trainers = trainers, .compute_ms = 0, .vectors = vectors},
                 "all_p50_s");
  };
  std::string text =
      head_of({"at " + std::to_string(trainers) + " trainers, best number of actors",
               "all ranks p50, ms", "rank0 ÷ it", "Ray ÷ it", "queries/s", "CPU ms a query",
               "PSS of retrieval, GB", "search threads", "recall@5"});
  for (const std::string& system : detail::systems_of(results)) {
    const auto best = at(system);
    if (!best) continue;
    for (const Json* cell :
         cells_of(results,
                  {.system = system, .trainers = trainers, .compute_ms = 0, .vectors = vectors})) {
      if (figure(*cell, "all_p50_s") != best) continue;
      const int actors = cell->at("actors").is_null() ? 0 : cell->at("actors").get<int>();
      const auto cpu = figure(*cell, "cpu_s_per_query");
      const auto pss = figure(*cell, "pss_gb");
      const auto recall = figure(*cell, "recall");
      text +=
          row_of({label_of(results, system, actors), ms(best), ratio(at("rank0"), best),
                  ratio(at("ray"), best),
                  text_of("%.0f", figure(*cell, "queries_per_s").value_or(0)), ms(cpu),
                  pss ? text_of("%.3f", *pss) : "–", std::to_string(cell->at("threads").get<int>()),
                  recall ? text_of("%.4f", *recall) : "–"});
      break;
    }
  }
  return text;
}

std::string growth_table(const Json& results, std::int64_t vectors) {
  const auto trainers = values_of<int>(results, "trainers");
  const int few = *std::ranges::min_element(trainers);
  const int many = *std::ranges::max_element(trainers);
  if (few == many) return "";
  std::string text = head_of({"growth, all ranks p50, best number of actors",
                              std::to_string(few) + " trainers, ms",
                              std::to_string(many) + " trainers, ms", "grows by"});
  const auto at = [&](const std::string& system, int count) {
    return least(results,
                 {.system = system, .trainers = count, .compute_ms = 0, .vectors = vectors},
                 "all_p50_s");
  };
  for (const std::string& system : detail::systems_of(results)) {
    text += row_of({label_of(results, system, 0), ms(at(system, few)), ms(at(system, many)),
                    ratio(at(system, many), at(system, few))});
  }
  const auto& options = results.at("options");
  for (const Json& bound : results.at("bounds")) {
    if (bound.at("vectors") != vectors) continue;
    const auto flops = [&](int count) {
      return 2.0 * count * options.at("batch").get<double>() * static_cast<double>(vectors) *
             options.at("dimension").get<double>() / (bound.at("gflops").get<double>() * 1e9);
    };
    const double pass = bound.at("pass_ms").get<double>() / 1e3;
    text += row_of({"bound by multiplications (" +
                        text_of("%.0f", bound.at("gflops").get<double>()) + " GFLOP/s)",
                    ms(flops(few)), ms(flops(many)), ratio(flops(many), flops(few))});
    text += row_of({"bound by memory (one pass over the vectors)", ms(pass), ms(pass), "1.0×"});
  }
  return text;
}

std::string failure_table(const Json& failures) {
  std::string text = head_of({"fault", "system", "what the trainers do", "slowest step after it"});
  for (const Json& row : failures) {
    std::string what = row.at("outcome").is_null() ? "not run: " + row.value("reason", "")
                                                   : row.at("outcome").get<std::string>();
    if (!row.value("detail", "").empty()) what += " (" + row.value("detail", "") + ")";
    std::ranges::replace(what, '\n', ' ');
    std::ranges::replace(what, '|', '/');
    text += row_of({row.at("signal"), row.at("label"), what,
                    row.at("slowest_step_s").is_null()
                        ? "–"
                        : ms(row.at("slowest_step_s").get<double>()) + " ms"});
  }
  return text;
}

}  // namespace

std::string blog_markdown(const Json& results) {
  const auto trainers = values_of<int>(results, "trainers");
  const int many = trainers.empty() ? 1 : *std::ranges::max_element(trainers);
  std::string text;
  for (const auto vectors : values_of<std::int64_t>(results, "vectors")) {
    const std::string index = std::to_string(vectors) + " × " +
                              std::to_string(results.at("options").at("dimension").get<int>());
    for (const int compute : values_of<int>(results, "compute_ms")) {
      text += "\n**" + index + ", step compute " + std::to_string(compute) + " ms**\n\n" +
              main_table(results, vectors, compute);
    }
    text += "\n" + summary_table(results, vectors, many);
    const std::string growth = growth_table(results, vectors);
    if (!growth.empty()) text += "\n" + growth;
  }
  const Json marks = blog_marks(results);
  if (std::ranges::any_of(marks, [](const Json& mark) { return !mark.at("got").is_null(); })) {
    text += "\n" + head_of({"mark", "wanted", "got", "met"});
    for (const Json& mark : marks) {
      text += row_of({mark.at("mark"), text_of("%.1f×", mark.at("wanted")),
                      mark.at("got").is_null() ? "–" : text_of("%.1f×", mark.at("got")),
                      mark.at("got").is_null()     ? "–"
                      : mark.at("met").get<bool>() ? "yes"
                                                   : "no"});
    }
  }
  if (results.contains("failures")) text += "\n" + failure_table(results.at("failures"));
  std::set<std::string> reasons;
  for (const Json& cell : results.at("cells")) {
    if (cell.contains("reason")) {
      reasons.insert(cell.at("system").get<std::string>() + ": " +
                     cell.at("reason").get<std::string>());
    }
  }
  for (const std::string& reason : reasons) text += "\nNot run: " + reason + "\n";
  return text;
}

}  // namespace rookery::launch
