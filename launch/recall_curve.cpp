#include "launch/recall_curve.hpp"

#include <algorithm>
#include <chrono>
#include <cmath>
#include <cstdarg>
#include <cstdio>
#include <nlohmann/json.hpp>
#include <optional>

#include "base/error.hpp"
#include "base/progress.hpp"
#include "launch/open_retriever.hpp"
#include "launch/percentile.hpp"

namespace rookery::launch {
namespace {

using index_tools::IndexKind;
using namespace retriever_pool;
using Rows = std::vector<std::vector<Document>>;

constexpr std::size_t kBatch = 64;

std::vector<std::int32_t> usual_settings(IndexKind kind) {
  if (kind == IndexKind::kHnsw) return {16, 32, 64, 128, 256, 512};
  if (kind == IndexKind::kIvfPq) return {1, 2, 4, 8, 16, 32, 64, 128};
  return {0};
}

class Measurement {
 public:
  Measurement(Retriever& pool, std::span<const float> queries, std::int32_t k)
      : pool_(pool),
        queries_(queries),
        dimension_(static_cast<std::size_t>(pool.description().dimension)) {
    request_.k = k;
    request_.want_passages = false;
    request_.deadline = std::chrono::seconds(60);
  }
  [[nodiscard]] std::int64_t count() const {
    return static_cast<std::int64_t>(queries_.size() / dimension_);
  }
  Rows answers(IndexKind kind, const SearchTuning& tuning) {
    Rows rows;
    for (std::size_t at = 0; at < queries_.size(); at += kBatch * dimension_) {
      auto answer = ask(kind, tuning,
                        queries_.subspan(at, std::min(kBatch * dimension_, queries_.size() - at)));
      std::move(answer.rows.begin(), answer.rows.end(), std::back_inserter(rows));
    }
    return rows;
  }
  /// Of every query asked alone.
  std::vector<double> times_ms(IndexKind kind, const SearchTuning& tuning) {
    std::vector<double> times;
    for (std::size_t at = 0; at < queries_.size(); at += dimension_) {
      const auto begin = std::chrono::steady_clock::now();
      (void)ask(kind, tuning, queries_.subspan(at, dimension_));
      const std::chrono::duration<double, std::milli> took =
          std::chrono::steady_clock::now() - begin;
      times.push_back(took.count());
    }
    return times;
  }

 private:
  RetrievalAnswer ask(IndexKind kind, const SearchTuning& tuning, std::span<const float> queries) {
    request_.kind = kind;
    request_.tuning = tuning;
    request_.queries = queries;
    return retrieve_or_explain(pool_, request_);
  }

  Retriever& pool_;
  std::span<const float> queries_;
  std::size_t dimension_;
  RetrievalRequest request_;
};

double recall_at(const Rows& found, const Rows& truth, std::int32_t k) {
  std::int64_t hits = 0, wanted = 0;
  for (std::size_t q = 0; q < truth.size(); ++q) {
    const auto depth = std::min(truth[q].size(), static_cast<std::size_t>(k));
    if (depth == 0) continue;
    wanted += static_cast<std::int64_t>(depth);
    const float least = truth[q][depth - 1].score;
    for (std::size_t i = 0; i < std::min(found[q].size(), depth); ++i) {
      if (found[q][i].score >= least) ++hits;
    }
  }
  return wanted == 0 ? 1 : static_cast<double>(hits) / static_cast<double>(wanted);
}

std::string text(const char* format, ...) __attribute__((format(printf, 1, 2)));
std::string text(const char* format, ...) {
  char buffer[512];
  va_list arguments;
  va_start(arguments, format);
  std::vsnprintf(buffer, sizeof buffer, format, arguments);
  va_end(arguments);
  return buffer;
}

std::string escaped(const std::string& plain) {
  std::string result;
  for (const char c : plain) {
    if (c == '&') {
      result += "&amp;";
    } else if (c == '<') {
      result += "&lt;";
    } else {
      result += c;
    }
  }
  return result;
}

// Where things lie in the picture, in its own units.
constexpr double kLeft = 70, kRight = 610, kTop = 50, kBottom = 350;

/// Milliseconds by their logarithm from left to right, recall from bottom to top.
class Axes {
 public:
  explicit Axes(const RecallCurve& curve) {
    double low = 1e9, high = 0, least = 1;
    for (const RecallPoint& point : curve.points) {
      low = std::min(low, point.ms_p50);
      high = std::max(high, point.ms_p50);
      for (const auto& [k, recall] : point.recall) least = std::min(least, recall);
    }
    low = std::max(low, 1e-4);
    high = std::max(high, low);
    first_ = std::log10(low) - 0.1;
    last_ = std::log10(high) + 0.1;
    // Steps of a tenth, or of a twentieth or hundredth where all points lie close to 1.
    step_ = least > 0.95 ? 0.01 : least > 0.8 ? 0.05 : 0.1;
    bottom_ = std::max(0.0, std::floor(least / step_ - 1e-9) * step_);
  }
  [[nodiscard]] double x(double ms) const {
    const double share = (std::log10(std::max(ms, 1e-4)) - first_) / (last_ - first_);
    return kLeft + share * (kRight - kLeft);
  }
  [[nodiscard]] double y(double recall) const {
    return kBottom - (recall - bottom_) / (1 - bottom_ + 1e-12) * (kBottom - kTop);
  }
  [[nodiscard]] std::string lines() const {
    std::string svg;
    const auto steps = std::max(1L, std::lround((1 - bottom_) / step_));
    for (long i = 0; i <= steps; ++i) {
      const double recall = 1 - static_cast<double>(i) * step_;
      svg += text("<line class=\"grid\" x1=\"%g\" y1=\"%.1f\" x2=\"%g\" y2=\"%.1f\"/>\n", kLeft,
                  y(recall), kRight, y(recall));
      svg += text("<text class=\"tick\" x=\"%g\" y=\"%.1f\" text-anchor=\"end\">%.2f</text>\n",
                  kLeft - 8, y(recall) + 4, recall);
    }
    for (int power = -4; power <= 5; ++power) {
      for (const int digit : {1, 2, 5}) {
        const double ms = digit * std::pow(10.0, power);
        if (std::log10(ms) < first_ || std::log10(ms) > last_) continue;
        svg += text("<line class=\"grid\" x1=\"%.1f\" y1=\"%g\" x2=\"%.1f\" y2=\"%g\"/>\n", x(ms),
                    kTop, x(ms), kBottom);
        svg += text("<text class=\"tick\" x=\"%.1f\" y=\"%g\" text-anchor=\"middle\">%g</text>\n",
                    x(ms), kBottom + 18, ms);
      }
    }
    return svg;
  }

 private:
  double first_ = 0, last_ = 1, bottom_ = 0, step_ = 0.1;
};

// Plain rules rather than variables, which not every viewer of SVG knows.
std::string style() {
  static constexpr const char* kLight[] = {"#0969da", "#bc4c00", "#1a7f37", "#8250df"};
  static constexpr const char* kDark[] = {"#58a6ff", "#f0883e", "#3fb950", "#bc8cff"};
  const auto lines = [](const char* const colours[4]) {
    std::string rules;
    for (int i = 0; i < 4; ++i) {
      rules += text(".c%d polyline { stroke: %s; } .c%d circle, .c%d .k { fill: %s; }\n", i,
                    colours[i], i, i, colours[i]);
    }
    return rules;
  };
  return "<style>\ntext { font: 12px system-ui, sans-serif; fill: #24292f; }\n"
         ".title { font-size: 14px; } .ground { fill: #ffffff; }\n"
         ".tick { fill: #57606a; } .grid { stroke: #d0d7de; }\n"
         "polyline { fill: none; stroke-width: 2; }\n" +
         lines(kLight) +
         "@media (prefers-color-scheme: dark) {\n"
         "text { fill: #e6edf3; } .ground { fill: #0d1117; }\n"
         ".tick { fill: #9198a1; } .grid { stroke: #30363d; }\n" +
         lines(kDark) + "}\n</style>\n";
}

// One k: a line through its points, by rising setting.
std::string draw_line(const RecallCurve& curve, const Axes& axes, std::int32_t k, int colour) {
  std::string svg = text("<g class=\"c%d\">\n<polyline points=\"", colour % 4);
  for (const RecallPoint& point : curve.points) {
    svg += text("%.1f,%.1f ", axes.x(point.ms_p50), axes.y(point.recall.at(k)));
  }
  svg += "\"/>\n";
  for (const RecallPoint& point : curve.points) {
    svg += text(
        "<circle cx=\"%.1f\" cy=\"%.1f\" r=\"4\"><title>recall@%d %.4f, %.3f ms, %s %d</title>"
        "</circle>\n",
        axes.x(point.ms_p50), axes.y(point.recall.at(k)), k, point.recall.at(k), point.ms_p50,
        curve.knob.c_str(), point.setting);
  }
  svg += text("<text class=\"k\" x=\"%g\" y=\"%g\">recall@%d</text>\n</g>\n", kRight - 70,
              kBottom - 12 - 16.0 * colour, k);
  return svg;
}

}  // namespace

RecallCurve measure_recall_curve(Retriever& pool, std::span<const float> queries,
                                 const RecallCurveOptions& options) {
  const IndexDescription index = pool.description();
  const auto has = [&](IndexKind kind) {
    return std::find(index.kinds.begin(), index.kinds.end(), kind) != index.kinds.end();
  };
  RecallCurve curve;
  curve.kind = index_tools::to_string(options.kind);
  if (options.kind == IndexKind::kBm25) {
    throw base::UserError(
        "--kind: expected a kind that searches by vectors (int8, hnsw, ivfpq), got bm25, which has "
        "its own exact results; see: rookery eval retrieval");
  }
  if (!has(options.kind) || !has(IndexKind::kExact)) {
    std::string names;
    for (const IndexKind kind : index.kinds) {
      names += (names.empty() ? "" : ", ") + index_tools::to_string(kind);
    }
    throw base::UserError("--kind: expected one that the snapshot has, beside exact (" + names +
                          "), got " + curve.kind);
  }
  if (options.kind == IndexKind::kHnsw) curve.knob = "ef_search";
  if (options.kind == IndexKind::kIvfPq) curve.knob = "nprobe";
  Measurement measurement(pool, queries, options.ks.back());
  curve.queries = measurement.count();
  const Rows truth = measurement.answers(IndexKind::kExact, {});
  curve.exact_ms_p50 = percentile(measurement.times_ms(IndexKind::kExact, {}), 0.5);
  const auto settings = options.settings.empty() || curve.knob.empty()
                            ? usual_settings(options.kind)
                            : options.settings;
  base::Progress progress("index recall", std::ssize(settings), "settings");
  for (const std::int32_t setting : settings) {
    SearchTuning tuning;
    (options.kind == IndexKind::kIvfPq ? tuning.nprobe : tuning.ef_search) = setting;
    const Rows found = measurement.answers(options.kind, tuning);
    const std::vector<double> times = measurement.times_ms(options.kind, tuning);
    RecallPoint point;
    point.setting = setting;
    point.ms_p50 = percentile(times, 0.5);
    point.ms_p95 = percentile(times, 0.95);
    for (const std::int32_t k : options.ks) point.recall[k] = recall_at(found, truth, k);
    curve.points.push_back(std::move(point));
    progress.update(std::ssize(curve.points));
  }
  progress.finish();
  return curve;
}

std::string draw_recall_curve(const RecallCurve& curve, const std::string& title) {
  const Axes axes(curve);
  std::string svg =
      "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 640 410\" width=\"640\" "
      "height=\"410\" role=\"img\">\n";
  svg += "<title>" + escaped(title) + "</title>\n" + style() +
         "<rect class=\"ground\" width=\"640\" height=\"410\"/>\n";
  svg += text("<text class=\"title\" x=\"%g\" y=\"24\">", kLeft) + escaped(title) + "</text>\n";
  svg += axes.lines();
  svg += text(
      "<text x=\"%g\" y=\"%g\" text-anchor=\"middle\">milliseconds a query (median; exact "
      "search: %.3f ms)%s</text>\n",
      (kLeft + kRight) / 2, kBottom + 42, curve.exact_ms_p50,
      curve.knob.empty() ? "" : ("; numbers: " + curve.knob).c_str());
  svg += text(
      "<text transform=\"translate(18 %g) rotate(-90)\" text-anchor=\"middle\">share of the "
      "exact results</text>\n",
      (kTop + kBottom) / 2);
  int colour = 0;
  if (!curve.points.empty()) {
    for (const auto& [k, recall] : curve.points.front().recall) {
      svg += draw_line(curve, axes, k, colour++);
    }
  }
  // The settings stand once, above the highest point of each.
  for (const RecallPoint& point : curve.points) {
    if (curve.knob.empty()) break;
    double best = 0;
    for (const auto& [k, recall] : point.recall) best = std::max(best, recall);
    svg += text("<text class=\"tick\" x=\"%.1f\" y=\"%.1f\" text-anchor=\"middle\">%d</text>\n",
                axes.x(point.ms_p50), axes.y(best) - 9, point.setting);
  }
  return svg + "</svg>\n";
}

nlohmann::json to_json(const RecallCurve& curve) {
  nlohmann::json points = nlohmann::json::array();
  for (const RecallPoint& point : curve.points) {
    nlohmann::json recall = nlohmann::json::object();
    for (const auto& [k, share] : point.recall) recall[std::to_string(k)] = share;
    points.push_back({{"setting", point.setting},
                      {"recall", std::move(recall)},
                      {"ms_p50", point.ms_p50},
                      {"ms_p95", point.ms_p95}});
  }
  return {{"kind", curve.kind},
          {"knob", curve.knob},
          {"queries", curve.queries},
          {"exact_ms_p50", curve.exact_ms_p50},
          {"points", std::move(points)}};
}

}  // namespace rookery::launch
