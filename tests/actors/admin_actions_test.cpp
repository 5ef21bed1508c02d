#include "actors/admin_actions.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/http_server.hpp"
#include "tests/support/temp_folder.hpp"

namespace rookery::actors {
namespace {

using ::testing::HasSubstr;

class AdminActionsTest : public ::testing::Test {
 protected:
  base::HttpAnswer post(const std::string& path, const std::string& body,
                        const std::string& authorization) const {
    base::HttpRequest request;
    request.method = "POST";
    request.path = path;
    request.body = body;
    request.authorization = authorization;
    return base::http_request(server.address(), request, std::chrono::seconds(5));
  }
  testing::TempFolder folder;
  AdminToken token = AdminToken::load_or_create(folder.path());
  std::vector<AdminRequest> asked;
  base::HttpServer server{{},
                          with_admin_actions(
                              [this](const AdminRequest& request) {
                                asked.push_back(request);
                                return AdminReply{202, "as you wish"};
                              },
                              token,
                              [](const base::HttpRequest&, base::HttpReply& reply) {
                                reply.respond(200, "text/plain", "a page");
                              })};
};

TEST_F(AdminActionsTest, TakesARequestWithTheTokenToTheDesk) {
  AdminRequest request;
  request.action = "scale";
  request.index = "news";
  request.replicas = 3;
  const auto answer = post("/v1/actions/scale", admin_body(request), token.authorization());
  EXPECT_EQ(answer.status, 202);
  EXPECT_EQ(answer.body, R"({"text":"as you wish"})");
  ASSERT_EQ(asked.size(), 1u);
  EXPECT_EQ(asked[0].action, "scale");
  EXPECT_EQ(asked[0].index, "news");
  EXPECT_EQ(asked[0].replicas, 3);
}

TEST_F(AdminActionsTest, WithoutTheTokenNothingHappens) {
  EXPECT_EQ(post("/v1/actions/restart", "{}", "").status, 401);
  EXPECT_EQ(post("/v1/actions/restart", "{}", "Bearer 0123").status, 401);
  EXPECT_TRUE(asked.empty());
}

TEST_F(AdminActionsTest, AfterTenWrongTokensAMinuteTheNextOnesWaitAndTheRightOneDoesNot) {
  for (std::size_t i = 0; i < AdminToken::kWrongMax; ++i) {
    ASSERT_EQ(post("/v1/actions/restart", "{}", "Bearer " + std::to_string(i)).status, 401);
  }

  const auto answer = post("/v1/actions/restart", "{}", "Bearer guess");

  EXPECT_EQ(answer.status, 429);
  EXPECT_THAT(answer.body, HasSubstr("wait a minute"));
  EXPECT_TRUE(asked.empty());
  EXPECT_EQ(post("/v1/actions/restart", "{}", token.authorization()).status, 202);
  EXPECT_EQ(asked.size(), 1u);
}

TEST_F(AdminActionsTest, RefusesABodyThatItDoesNotUnderstandAndSaysWhy) {
  const auto refused = [&](const std::string& body) {
    const auto answer = post("/v1/actions/scale", body, token.authorization());
    EXPECT_EQ(answer.status, 400) << body;
    return answer.body;
  };
  EXPECT_THAT(refused("[]"), HasSubstr("expected a JSON object"));
  EXPECT_THAT(refused("{"), HasSubstr("expected a JSON object"));
  EXPECT_THAT(refused(R"({"replicas": 0})"), HasSubstr("replicas: expected an integer in [1, 64]"));
  EXPECT_THAT(refused(R"({"replicas": "two"})"), HasSubstr("replicas: expected an integer"));
  EXPECT_THAT(refused(R"({"replica": 2})"), HasSubstr("unknown field 'replica'"));
  EXPECT_THAT(refused(R"({"node": 7})"), HasSubstr("node: expected a text"));
  EXPECT_THAT(refused(R"({"recall_min": 2})"),
              HasSubstr("recall_min: expected a number in [0, 1]"));
  EXPECT_TRUE(asked.empty());
}

TEST_F(AdminActionsTest, LeavesOtherPagesAlone) {
  EXPECT_EQ(post("/v1/status", "", "").body, "a page");
}

}  // namespace
}  // namespace rookery::actors
