#include "actors/admin_pages.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <nlohmann/json.hpp>
#include <regex>

namespace rookery::actors {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;

class AdminPagesTest : public ::testing::Test {
 protected:
  base::HttpAnswer get(const std::string& path, const std::string& query = "") {
    base::HttpRequest request;
    request.method = "GET";
    request.path = path + (query.empty() ? "" : "?" + query);
    return base::http_request(server.address(), request, std::chrono::seconds(5));
  }

  std::shared_ptr<StatusBoard> board = std::make_shared<StatusBoard>();
  std::shared_ptr<ColonyObserver> observer = std::make_shared<ColonyObserver>();
  base::Metrics metrics;
  base::HttpServer server{{}, make_admin_pages(board, observer, metrics)};
};

TEST_F(AdminPagesTest, TheDashboardLoadsOnlyFilesThatAreThere) {
  const auto page = get("/");
  ASSERT_EQ(page.status, 200);
  EXPECT_THAT(page.content_type, HasSubstr("text/html"));
  const std::regex link("(?:src|href)=\"(/dashboard/[^\"]+)\"|from '\\./([^']+)'");
  int files = 0;
  std::string text = page.body + get("/dashboard/page.js").body;
  for (std::sregex_iterator it(text.begin(), text.end(), link), end; it != end; ++it) {
    const auto path = (*it)[1].matched ? (*it)[1].str() : "/dashboard/" + (*it)[2].str();
    EXPECT_EQ(get(path).status, 200) << path;
    ++files;
  }
  EXPECT_GE(files, 6);
  EXPECT_EQ(get("/dashboard/").status, 404);
  EXPECT_EQ(get("/dashboard/../head.json").status, 404);
}

TEST_F(AdminPagesTest, TheDashboardHasNoScriptInItsTextAndReadsNothingAsHtml) {
  const auto page = get("/").body;
  EXPECT_FALSE(std::regex_search(page, std::regex("<script(?![^>]*src=)")));
  EXPECT_FALSE(std::regex_search(page, std::regex("\\son[a-z]+=|style=|javascript:|https?://")));
  for (const char* file : {"page.js", "dom.js", "charts.js", "actions.js", "wellness.js"}) {
    const auto script = get(std::string("/dashboard/") + file).body;
    EXPECT_FALSE(std::regex_search(
        script, std::regex("innerHTML|outerHTML|insertAdjacent|document\\.write|eval\\(|"
                           "localStorage")))
        << file;
  }
}

TEST_F(AdminPagesTest, HistoryAndEventsTakeTheirNumbersFromTheQuery) {
  observer->events().add({EventLevel::kInfo, "first"}, 1);
  observer->events().add({EventLevel::kInfo, "second"}, 2);
  EXPECT_THAT(get("/v1/events").body, HasSubstr("first"));
  EXPECT_THAT(get("/v1/events", "after=1").body, Not(HasSubstr("first")));
  // What is no number counts as absent.
  EXPECT_THAT(get("/v1/events", "after=-1&x&after=9x").body, HasSubstr("first"));
  EXPECT_EQ(nlohmann::json::parse(get("/v1/history", "seconds=60&after=0").body).at("step_ms"),
            2000);
}

TEST_F(AdminPagesTest, MetricsHaveTheColonyAndTheProcess) {
  const auto text = get("/metrics").body;
  EXPECT_THAT(text, HasSubstr("rookery_replicas"));
  EXPECT_THAT(text, HasSubstr("role=\"head\""));
  EXPECT_THAT(text, HasSubstr("process_resident_memory_bytes"));
}

}  // namespace
}  // namespace rookery::actors
