#include "launch/blog_table.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <nlohmann/json.hpp>

#include "launch/blog_contest.hpp"
#include "launch/blog_systems.hpp"

namespace rookery::launch {
namespace {

using Json = nlohmann::json;
using ::testing::HasSubstr;
using ::testing::Not;

Json cell(const std::string& system, int trainers, int actors, double seconds,
          std::int64_t vectors = 50'000, int compute_ms = 0) {
  return {{"system", system},
          {"label", blog_system(system).label},
          {"trainers", trainers},
          {"actors", actors == 0 ? Json() : Json(actors)},
          {"compute_ms", compute_ms},
          {"vectors", vectors},
          {"threads", 2},
          {"rank0_p50_s", seconds},
          {"all_p50_s", seconds},
          {"all_p99_s", 2 * seconds},
          {"queries_per_s", 8 * trainers / seconds},
          {"pss_gb", 0.154},
          {"cpu_s_per_query", seconds / 8},
          {"recall", 1.0}};
}

Json results_of(std::vector<Json> cells) {
  return {{"options", {{"batch", 8}, {"dimension", 768}, {"seed", 1}}},
          {"bounds", {{{"vectors", 50'000}, {"gflops", 500.0}, {"pass_ms", 3.0}}}},
          {"cells", std::move(cells)}};
}

double got(const Json& marks, const std::string& name) {
  for (const Json& mark : marks) {
    if (mark["mark"] == name) return mark["got"].is_null() ? -1 : mark["got"].get<double>();
  }
  return -2;
}

TEST(BlogFigures, TakeRankZeroAndAllRanksApart) {
  BlogSteps steps;
  for (int i = 1; i <= 100; ++i) steps.seconds.push_back({i * 1.0, i * 10.0});
  steps.wall_s = 50;
  const Json figures = blog_figures(steps, 8);
  EXPECT_DOUBLE_EQ(figures["rank0_p50_s"], 50.5);
  EXPECT_DOUBLE_EQ(figures["all_p50_s"], 91.5);  // between the 100th and 101st of 200
  EXPECT_DOUBLE_EQ(figures["all_p99_s"], 980);   // the 198th of 200
  EXPECT_DOUBLE_EQ(figures["all_max_s"], 1000);
  EXPECT_DOUBLE_EQ(figures["queries_per_s"], 200 * 8 / 50.0);
}

TEST(BlogFigures, RoundsGiveTheirMedianAndMissingOnesCountNothing) {
  Json missing = cell("ray", 2, 1, 1);
  missing["all_p50_s"] = nullptr;
  missing["reason"] = "gone";
  const Json median =
      median_cell({cell("ray", 2, 1, 5), cell("ray", 2, 1, 1), missing, cell("ray", 2, 1, 2)});
  EXPECT_DOUBLE_EQ(median["all_p50_s"], 2);
  EXPECT_EQ(median["system"], "ray");
  EXPECT_TRUE(median_cell({missing})["all_p50_s"].is_null());
}

TEST(BlogMarks, CompareAtTheMostTrainersWithTheLeastFavourableCellOfAll) {
  const Json marks = blog_marks(results_of({
      cell("rank0", 2, 0, 0.040),
      cell("rank0", 4, 0, 0.090),
      cell("rank0-best", 2, 0, 0.018),
      cell("rank0-best", 4, 0, 0.030),
      cell("ray", 4, 1, 0.080),
      cell("ray", 4, 2, 0.070),
      cell("ray", 4, 1, 0.006, 100),
      cell("pool", 2, 1, 0.010),
      cell("pool", 4, 1, 0.020),
      cell("pool", 4, 2, 0.010),
      cell("pool", 4, 1, 0.0005, 100),
      cell("rank0", 2, 0, 0.012, 50'000, 50),
      cell("pool", 2, 1, 0.010, 50'000, 50),
  }));
  EXPECT_DOUBLE_EQ(got(marks, "rank 0 (C++) at its defaults ÷ pool, float"), 9);
  EXPECT_DOUBLE_EQ(got(marks, "Ray at its defaults ÷ pool, float"), 7);
  EXPECT_DOUBLE_EQ(got(marks, "rank 0 and Ray at their best ÷ pool, float"), 3);
  EXPECT_DOUBLE_EQ(got(marks, "Ray ÷ pool, small index: overhead only"), 12);
  // With compute time and 2 trainers rank 0 is nearest.
  EXPECT_NEAR(got(marks, "ahead of every rival with 2 trainers or more, exact float"), 1.2, 1e-9);
  EXPECT_EQ(got(marks, "rank 0 and Ray at their best ÷ pool, int8"), -1);
}

TEST(BlogTable, HasARowASystemAndItsActorsAndAColumnANumberOfTrainers) {
  Json missing = cell("torch", 2, 0, 1);
  for (const char* figure : {"rank0_p50_s", "all_p50_s", "all_p99_s"}) missing[figure] = nullptr;
  missing["reason"] = "not installed; run: launch/setup --peers";
  Json results = results_of({missing, cell("rank0", 2, 0, 0.0405), cell("rank0", 4, 0, 0.0905),
                             cell("pool", 2, 2, 0.00345), cell("pool", 4, 2, 0.0101)});
  results["failures"] = Json::array({{{"system", "ray-policy"},
                                      {"label", "Ray's policy"},
                                      {"signal", "SIGSTOP"},
                                      {"outcome", "hangs"},
                                      {"detail", "rank 0 | was silent"},
                                      {"slowest_step_s", nullptr}}});
  const std::string text = blog_markdown(results);
  EXPECT_THAT(text, HasSubstr("| 2 trainers | 4 trainers |"));
  EXPECT_THAT(text, HasSubstr("| 40.5 · 40.5 / 81.0 | 90.5 · 90.5 / 181 |"));
  EXPECT_THAT(text, HasSubstr("exact, 2 actors | 3.45 · 3.45 / 6.90 | 10.1 · 10.1 / 20.2 |"));
  EXPECT_THAT(text, HasSubstr("| – | – |"));
  EXPECT_THAT(text, HasSubstr("Not run: torch: not installed; run: launch/setup --peers"));
  // 16 queries of 2 trainers: 2 · 16 · 50,000 · 768 / 500e9 s.
  EXPECT_THAT(text, HasSubstr("(500 GFLOP/s) | 2.46 | 4.92 | 2.0× |"));
  EXPECT_THAT(text, HasSubstr("| SIGSTOP | Ray's policy | hangs (rank 0 / was silent) | – |"));
}

TEST(BlogPlot, NamesItsLinesInBothColourSchemes) {
  const std::string svg = blog_svg(
      results_of({cell("rank0", 1, 0, 0.02), cell("rank0", 4, 0, 0.09), cell("pool", 1, 1, 0.003),
                  cell("pool", 4, 1, 0.02), cell("pool", 4, 2, 0.01), cell("pool", 4, 1, 1, 100)}));
  EXPECT_THAT(svg, HasSubstr("prefers-color-scheme: dark"));
  EXPECT_THAT(svg, HasSubstr(">Rookery, exact 10<"));  // its best number of actors
  EXPECT_THAT(svg, HasSubstr(">rank 0 in C++ (faiss) 90<"));
  EXPECT_THAT(svg, HasSubstr("50000 × 768"));
  EXPECT_THAT(svg, Not(HasSubstr("nan")));
  EXPECT_THAT(blog_svg(results_of({})), Not(HasSubstr("nan")));
}

TEST(BlogSystems, SpreadThreadsEvenlyAndRefuseAnUnknownName) {
  BlogServiceOptions options;
  options.threads = 2;
  options.actors = 2;
  EXPECT_EQ(blog_threads(blog_system("pool"), options), 2);
  options.actors = 4;  // every process needs one
  EXPECT_EQ(blog_threads(blog_system("ray"), options), 4);
  EXPECT_EQ(blog_threads(blog_system("rank0"), options), 2);
  EXPECT_FALSE(blog_system("pool-shards").runs_with(1));
  EXPECT_ANY_THROW((void)blog_system("dask"));
}

}  // namespace
}  // namespace rookery::launch
