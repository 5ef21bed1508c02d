#include <algorithm>
#include <cmath>
#include <cstdio>
#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <vector>

#include "launch/blog_table.hpp"
#include "launch/detail/blog_cells.hpp"

namespace rookery::launch {
namespace {

using Json = nlohmann::json;

constexpr double kWidth = 760, kHeight = 400;  // a README's column
constexpr double kLeft = 56, kRight = 470, kTop = 56, kBottom = 352;
constexpr double kLabelGap = 17;  // between two lines of 13 px text

/// One line of the drawing: a few systems, so that each can be told apart and is named beside it.
struct Series {
  const char* system;
  const char* name;
  const char* style;                                // of the style sheet below
  std::vector<std::pair<int, double>> points = {};  // trainers, milliseconds
  double label_y = 0;
};

std::string number(double value) {
  char text[32];
  std::snprintf(text, sizeof text, "%.1f", value);
  return text;
}

/// Of the vertical axis, by decades: three numbers a decade.
std::vector<double> ticks_between(double low, double high) {
  std::vector<double> ticks;
  for (double decade = 0.01; decade < 1e6; decade *= 10) {
    for (const double step : {1.0, 2.0, 5.0}) {
      const double tick = decade * step;
      if (tick >= low * 0.999 && tick <= high * 1.001) ticks.push_back(tick);
    }
  }
  return ticks;
}

std::string plain(double value) {
  char text[32];
  std::snprintf(text, sizeof text, "%g", value);
  return text;
}

std::string text_at(double x, double y, const std::string& style, const std::string& anchor,
                    const std::string& text) {
  return "<text x=\"" + number(x) + "\" y=\"" + number(y) + "\" class=\"" + style +
         "\" text-anchor=\"" + anchor + "\">" + text + "</text>\n";
}

/// Moves labels that would overlap apart, keeping their order.
void spread_labels(std::vector<Series>& series) {
  std::ranges::sort(series, {}, &Series::label_y);
  for (int pass = 0; pass < 200; ++pass) {
    for (std::size_t i = 1; i < series.size(); ++i) {
      const double overlap = kLabelGap - (series[i].label_y - series[i - 1].label_y);
      if (overlap <= 0) continue;
      series[i - 1].label_y = std::max(kTop, series[i - 1].label_y - overlap / 2);
      series[i].label_y += overlap / 2;
    }
  }
}

std::vector<Series> series_of(const Json& results, std::int64_t vectors,
                              const std::vector<int>& trainers) {
  std::vector<Series> wanted = {{"torch", "torch.distributed", "s1"},
                                {"ray", "Ray", "s2"},
                                {"rank0", "rank 0 in C++ (faiss)", "s3"},
                                {"rank0-best", "rank 0 in C++, best", "s4"},
                                {"ray-best", "Ray, best", "s5"},
                                {"pool", "Rookery, exact", "s6"},
                                {"pool-int8", "Rookery, exact by int8", "s7"},
                                {"pool-hnsw", "Rookery, HNSW", "s8"}};
  std::vector<Series> found;
  for (Series& one : wanted) {
    for (const int count : trainers) {
      const auto seconds = detail::least(
          results, {.system = one.system, .trainers = count, .compute_ms = 0, .vectors = vectors},
          "rank0_p50_s");
      if (seconds && *seconds > 0) one.points.emplace_back(count, *seconds * 1e3);
    }
    if (!one.points.empty()) found.push_back(one);
  }
  return found;
}

// Colours are told apart by most people who see fewer of them (Okabe and Ito); dashes help.
const char* const kStyle = R"(<style>
  .page { fill: #ffffff; }
  .title { font: 600 15px system-ui, sans-serif; fill: #1f2328; }
  .note, .tick { font: 12px system-ui, sans-serif; fill: #59636e; }
  .name { font: 13px system-ui, sans-serif; fill: #1f2328; }
  .ours { font-weight: 600; }
  .grid { stroke: #d1d9e0; stroke-width: 1; }
  .lead { stroke: #d1d9e0; stroke-width: 1; fill: none; }
  .line { fill: none; stroke-width: 2.5; stroke-linejoin: round; stroke-linecap: round; }
  .s1 { stroke: #8c5a00; } .s2 { stroke: #b0418a; } .s3 { stroke: #c2571a; }
  .s4 { stroke: #c2571a; stroke-dasharray: 6 5; } .s5 { stroke: #b0418a; stroke-dasharray: 6 5; }
  .s6 { stroke: #0969da; } .s7 { stroke: #00795a; } .s8 { stroke: #00795a; stroke-dasharray: 2 5; }
  @media (prefers-color-scheme: dark) {
    .page { fill: #0d1117; }
    .title, .name { fill: #f0f6fc; }
    .note, .tick { fill: #9198a1; }
    .grid, .lead { stroke: #3d444d; }
    .s1 { stroke: #d9a441; } .s2, .s5 { stroke: #e08cc4; } .s3, .s4 { stroke: #f0883e; }
    .s6 { stroke: #58a6ff; } .s7, .s8 { stroke: #3fc99a; }
  }
</style>
)";

}  // namespace

std::string blog_svg(const Json& results) {
  std::vector<int> trainers;
  std::int64_t vectors = 0;
  for (const Json& cell : results.at("cells")) {
    vectors = std::max(vectors, cell.at("vectors").get<std::int64_t>());
    const int count = cell.at("trainers");
    if (std::ranges::find(trainers, count) == trainers.end()) trainers.push_back(count);
  }
  std::ranges::sort(trainers);
  std::vector<Series> series = series_of(results, vectors, trainers);
  double low = 1e300, high = 0;
  for (const Series& one : series) {
    for (const auto& [count, value] : one.points) {
      low = std::min(low, value);
      high = std::max(high, value);
    }
  }
  if (series.empty()) low = 1, high = 10;
  low /= 1.15;
  high *= 1.15;
  const double first = trainers.empty() ? 1 : trainers.front();
  const double last = trainers.empty() ? 4 : trainers.back();
  const auto x_of = [&](double count) {
    return last > first ? kLeft + 16 + (count - first) / (last - first) * (kRight - kLeft - 32)
                        : (kLeft + kRight) / 2;
  };
  const auto y_of = [&](double value) {
    return kBottom -
           (std::log(value) - std::log(low)) / (std::log(high) - std::log(low)) * (kBottom - kTop);
  };
  std::string svg = "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 " + plain(kWidth) +
                    " " + plain(kHeight) + "\" width=\"" + plain(kWidth) + "\" height=\"" +
                    plain(kHeight) +
                    "\" role=\"img\">\n<title>Milliseconds of a retrieval over "
                    "the number of trainers</title>\n" +
                    kStyle + "<rect class=\"page\" width=\"100%\" height=\"100%\" rx=\"6\"/>\n";
  svg += text_at(16, 26, "title", "start", "One retrieval at rank 0, median milliseconds (log)");
  svg +=
      text_at(16, 43, "note", "start",
              "8 questions a trainer, 5 documents with their vectors, " + std::to_string(vectors) +
                  " × " + std::to_string(results.at("options").at("dimension").get<int>()) +
                  " vectors, best number of actors each");
  for (const double tick : ticks_between(low, high)) {
    const std::string y = number(y_of(tick));
    svg += "<line class=\"grid\" x1=\"" + number(kLeft) + "\" x2=\"" + number(kRight) + "\" y1=\"" +
           y + "\" y2=\"" + y + "\"/>\n";
    svg += text_at(kLeft - 8, y_of(tick) + 4, "tick", "end", plain(tick));
  }
  for (const int count : trainers) {
    svg += text_at(x_of(count), kBottom + 20, "tick", "middle", std::to_string(count));
  }
  svg += text_at((kLeft + kRight) / 2, kBottom + 38, "note", "middle", "trainers");
  for (Series& one : series) {
    std::string points;
    for (const auto& [count, value] : one.points) {
      points += number(x_of(count)) + "," + number(y_of(value)) + " ";
    }
    svg += "<polyline class=\"line " + std::string(one.style) + "\" points=\"" + points + "\"/>\n";
    one.label_y = y_of(one.points.back().second);
  }
  spread_labels(series);
  for (const Series& one : series) {
    const double end = y_of(one.points.back().second);
    const double x = x_of(one.points.back().first);
    svg += "<path class=\"lead\" d=\"M" + number(x + 6) + " " + number(end) + " L" +
           number(kRight + 10) + " " + number(one.label_y) + "\"/>\n";
    svg += "<line class=\"line " + std::string(one.style) + "\" x1=\"" + number(kRight + 14) +
           "\" x2=\"" + number(kRight + 34) + "\" y1=\"" + number(one.label_y) + "\" y2=\"" +
           number(one.label_y) + "\"/>\n";
    const bool ours = std::string(one.system).starts_with("pool");
    char value[32];
    std::snprintf(value, sizeof value, one.points.back().second < 10 ? "%.1f" : "%.0f",
                  one.points.back().second);
    svg += text_at(kRight + 40, one.label_y + 4, ours ? "name ours" : "name", "start",
                   std::string(one.name) + " " + value);
  }
  return svg + "</svg>\n";
}

}  // namespace rookery::launch
