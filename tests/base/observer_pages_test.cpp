#include "base/observer_pages.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <atomic>

namespace rookery::base {
namespace {

using ::testing::HasSubstr;

class ObserverPagesTest : public ::testing::Test {
 protected:
  HttpAnswer get(const std::string& path, const std::string& method = "GET") {
    HttpRequest request;
    request.method = method;
    request.path = path;
    return http_request(server.address(), request, std::chrono::seconds(5));
  }

  Metrics metrics;
  std::atomic<bool> ready = false;
  HttpServer server{{}, make_observer_pages(metrics, "node", [this] {
                      return Readiness{ready, ready ? "shard 0 is served" : "loading"};
                    })};
};

TEST_F(ObserverPagesTest, IsHealthyFromTheStartButReadyOnlyWhenItServes) {
  EXPECT_EQ(get("/healthz").status, 200);
  EXPECT_EQ(get("/readyz").status, 503);
  EXPECT_EQ(get("/readyz").body, "loading\n");
  ready = true;
  EXPECT_EQ(get("/readyz").status, 200);
  ready = false;  // as when it drains
  EXPECT_EQ(get("/readyz").status, 503);
}

TEST_F(ObserverPagesTest, ShowsMetricsWithThoseOfTheProcess) {
  const auto page = get("/metrics");
  EXPECT_EQ(page.status, 200);
  EXPECT_THAT(page.content_type, HasSubstr("version=0.0.4"));
  EXPECT_THAT(page.body, HasSubstr("\nprocess_threads "));
}

TEST_F(ObserverPagesTest, IsReadOnlyAndNamesItsPages) {
  EXPECT_EQ(get("/metrics", "POST").status, 405);
  EXPECT_EQ(get("/elsewhere").status, 404);
  EXPECT_THAT(get("/elsewhere").body, HasSubstr("/readyz"));
}

}  // namespace
}  // namespace rookery::base
