#include "launch/chaos/chaos_report.hpp"

#include <cmath>
#include <cstdio>
#include <ctime>
#include <nlohmann/json.hpp>

#include "launch/rival.hpp"

namespace rookery::launch {
namespace {

std::string number(double value) {
  char text[48];
  std::snprintf(text, sizeof text,
                value == std::floor(value) && std::abs(value) < 1e9 ? "%.0f"
                : value < 10                                        ? "%.2f"
                                                                    : "%.1f",
                value);
  return text;
}

std::string with_unit(double value, const std::string& unit) {
  return number(value) + (unit.empty() || unit == "x" || unit == "%" ? unit : " " + unit);
}

std::string limit_of(const Figure& figure) {
  return (figure.at_least ? "≥ " : "≤ ") + with_unit(figure.limit, figure.unit);
}

std::string verdict(const Figure& figure, bool brief) {
  if (figure.holds()) return "pass";
  return brief && figure.timing ? "not judged" : "FAIL";
}

std::string counts(const ScenarioReport& report) {
  return std::to_string(report.calls) + " calls, " + std::to_string(report.errors) +
         " errors · lost " + std::to_string(report.lost) + " · wrong " +
         std::to_string(report.wrong) + " · late " + std::to_string(report.late) + " · duplicate " +
         std::to_string(report.duplicate);
}

}  // namespace

std::string scenario_text(const ScenarioReport& report, bool brief) {
  char head[256];
  std::snprintf(head, sizeof head, "%-4s %-4s  %s (%.1f s)\n", report.id.c_str(),
                to_string(report.status).c_str(), report.title.c_str(), report.seconds);
  std::string text = head;
  if (!report.reason.empty()) text += "           " + report.reason + "\n";
  if (report.calls > 0) text += "           " + counts(report) + "\n";
  for (const Figure& figure : report.figures) {
    char line[256];
    std::snprintf(line, sizeof line, "           %-52s %12s  %-12s %s\n", figure.name.c_str(),
                  with_unit(figure.value, figure.unit).c_str(), limit_of(figure).c_str(),
                  verdict(figure, brief).c_str());
    text += line;
  }
  for (const auto& note : report.notes) text += "           " + note + "\n";
  return text;
}

nlohmann::json chaos_json(const std::vector<ScenarioReport>& reports, std::uint64_t seed,
                          bool brief) {
  auto scenarios = nlohmann::json::array();
  for (const ScenarioReport& report : reports) {
    auto figures = nlohmann::json::array();
    for (const Figure& figure : report.figures) {
      figures.push_back({{"name", figure.name},
                         {"value", figure.value},
                         {"limit", figure.limit},
                         {"limit_is", figure.at_least ? "least" : "most"},
                         {"unit", figure.unit},
                         {"judged", !(brief && figure.timing)},
                         {"pass", figure.holds()}});
    }
    scenarios.push_back({{"id", report.id},
                         {"title", report.title},
                         {"status", to_string(report.status)},
                         {"reason", report.reason},
                         {"calls", report.calls},
                         {"errors", report.errors},
                         {"lost", report.lost},
                         {"wrong", report.wrong},
                         {"late", report.late},
                         {"duplicate", report.duplicate},
                         {"seconds", report.seconds},
                         {"figures", figures},
                         {"notes", report.notes}});
  }
  return {{"machine", machine_facts()},
          {"seed", seed},
          {"short", brief},
          {"time", static_cast<std::int64_t>(std::time(nullptr))},
          {"scenarios", scenarios}};
}

std::string chaos_markdown(const std::vector<ScenarioReport>& reports, std::uint64_t seed,
                           bool brief) {
  const std::time_t now = std::time(nullptr);
  char date[32];
  std::tm utc{};
  ::gmtime_r(&now, &utc);
  std::strftime(date, sizeof date, "%Y-%m-%d", &utc);
  std::string text = machine_line() + ", " + date + ", seed " + std::to_string(seed) +
                     (brief ? ", short" : "") +
                     ".\n\n| | fault | verdict | calls, errors | figures |\n"
                     "|---|---|---|---|---|\n";
  for (const ScenarioReport& report : reports) {
    text += "| " + report.id + " | " + report.title + " | " + to_string(report.status) +
            (report.reason.empty() ? "" : ": " + report.reason) + " | ";
    if (report.calls > 0) text += counts(report);
    text += " | ";
    for (std::size_t i = 0; i < report.figures.size(); ++i) {
      const Figure& figure = report.figures[i];
      if (i > 0) text += "; ";
      text += figure.name + " " + with_unit(figure.value, figure.unit) + " (" + limit_of(figure) +
              ")" + (figure.holds() ? "" : " **" + verdict(figure, brief) + "**");
    }
    text += " |\n";
  }
  return text;
}

}  // namespace rookery::launch
