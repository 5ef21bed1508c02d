#include "serving/completions_api.hpp"

#include <gtest/gtest.h>

#include <atomic>
#include <condition_variable>
#include <functional>
#include <mutex>
#include <nlohmann/json.hpp>
#include <sstream>
#include <thread>

#include "tests/serving/toy_models.hpp"

namespace rookery::serving {
namespace {

using Json = nlohmann::json;
using testing::ToyWorld;

/// Holds the generator until it is opened, so that a test decides what is running and what waits.
class Gate {
 public:
  void open() {
    const std::lock_guard lock(mutex_);
    open_ = true;
    changed_.notify_all();
  }
  void pass() {
    std::unique_lock lock(mutex_);
    ++arrived_;
    changed_.notify_all();
    changed_.wait(lock, [&] { return open_; });
  }
  void wait_for_arrival() {
    std::unique_lock lock(mutex_);
    changed_.wait(lock, [&] { return arrived_ > 0; });
  }

 private:
  std::mutex mutex_;
  std::condition_variable changed_;
  bool open_ = false;
  int arrived_ = 0;
};

class FakeReply final : public base::HttpReply {
 public:
  void respond(int http_status, std::string_view type, std::string_view text) override {
    status = http_status;
    content_type = type;
    body = text;
  }
  void begin_stream(int http_status, std::string_view type) override {
    status = http_status;
    content_type = type;
  }
  void send(std::string_view bytes) override { body += bytes; }
  [[nodiscard]] bool client_gone() const override { return gone; }

  int status = 0;
  std::string content_type, body;
  std::atomic<bool> gone = false;
};

base::HttpRequest post(const std::string& path, const Json& body) {
  base::HttpRequest request;
  request.method = "POST";
  request.path = path;
  request.body = body.dump();
  return request;
}
base::HttpRequest get(const std::string& path) {
  base::HttpRequest request;
  request.method = "GET";
  request.path = path;
  return request;
}

/// The data of every event of a stream.
std::vector<std::string> events_of(const std::string& body) {
  std::vector<std::string> out;
  std::istringstream lines(body);
  for (std::string line; std::getline(lines, line);) {
    if (line.starts_with("data: ")) out.push_back(line.substr(6));
  }
  return out;
}

class CompletionsApiTest : public ::testing::Test {
 protected:
  CompletionsApiTest() {
    options.model = "tiny";
    options.queue_requests_max = 2;
    options.client_poll = std::chrono::milliseconds(2);
    answerer = std::make_unique<Answerer>(world.parts(), AnswererOptions{});
  }
  CompletionsApi& api() {
    if (api_ == nullptr) api_ = std::make_unique<CompletionsApi>(*answerer, options, metrics);
    return *api_;
  }
  Json expect(int status, const base::HttpRequest& request) {
    FakeReply reply;
    api().handle(request, reply);
    EXPECT_EQ(reply.status, status) << reply.body;
    EXPECT_EQ(reply.content_type, "application/json");
    return Json::parse(reply.body);
  }
  [[nodiscard]] static Json question(int tokens_max = 24) {
    return {{"model", "tiny"}, {"prompt", "why?"}, {"max_tokens", tokens_max}};
  }
  [[nodiscard]] Answer expected(int tokens_max = 24) {
    Question asked;
    asked.text = "why?";
    asked.max_new_tokens = tokens_max;
    return answerer->answer(asked, {});
  }

  ToyWorld world{testing::exact_rows(testing::random_documents(4, 12, 6)), 6, 2};
  base::Metrics metrics;
  CompletionsApiOptions options;
  std::unique_ptr<Answerer> answerer;

 private:
  std::unique_ptr<CompletionsApi> api_;
};

TEST_F(CompletionsApiTest, AnswersATextRequestAndNamesThePassages) {
  const Answer answer = expected();
  const Json json = expect(200, post("/v1/completions", question()));
  EXPECT_EQ(json["object"], "text_completion");
  EXPECT_EQ(json["model"], "tiny");
  EXPECT_EQ(json["choices"][0]["text"], answer.text);
  EXPECT_EQ(json["choices"][0]["finish_reason"], "length");
  EXPECT_EQ(json["usage"]["prompt_tokens"], 4);
  EXPECT_EQ(json["usage"]["completion_tokens"], 24);
  EXPECT_EQ(json["usage"]["total_tokens"], 28);
  ASSERT_EQ(json["passages"].size(), answer.passages().size());
  EXPECT_EQ(json["passages"][0]["id"], answer.passages()[0]->id);
  EXPECT_EQ(json["passages"][0]["source_id"], answer.passages()[0]->source_id);
  EXPECT_EQ(json["passages"][0]["title"], answer.passages()[0]->title);
}

TEST_F(CompletionsApiTest, AnswersAConversation) {
  world.generator.script = {'H', 'i'};
  const Json json = expect(
      200, post("/v1/chat/completions",
                {{"model", "tiny"}, {"messages", {{{"role", "user"}, {"content", "why?"}}}}}));
  EXPECT_EQ(json["object"], "chat.completion");
  EXPECT_EQ(json["choices"][0]["message"], Json({{"role", "assistant"}, {"content", "Hi"}}));
  EXPECT_EQ(json["choices"][0]["finish_reason"], "stop");
}

TEST_F(CompletionsApiTest, AStreamIsTheSameTextInPieces) {
  Json body = question();
  body["stream"] = true;
  body["stream_options"] = {{"include_usage", true}};
  FakeReply reply;
  api().handle(post("/v1/completions", body), reply);
  EXPECT_EQ(reply.status, 200);
  EXPECT_EQ(reply.content_type, "text/event-stream");
  const std::vector<std::string> events = events_of(reply.body);
  ASSERT_GE(events.size(), 4U);
  EXPECT_EQ(events.back(), "[DONE]");
  const Json usage = Json::parse(events[events.size() - 2]);
  EXPECT_TRUE(usage["choices"].empty());
  EXPECT_EQ(usage["usage"]["completion_tokens"], 24);
  const Json closing = Json::parse(events[events.size() - 3]);
  EXPECT_EQ(closing["choices"][0]["finish_reason"], "length");
  EXPECT_FALSE(closing["passages"].empty());
  std::string text;
  for (std::size_t i = 0; i + 3 < events.size(); ++i) {
    const Json piece = Json::parse(events[i]);
    EXPECT_TRUE(piece["choices"][0]["finish_reason"].is_null());
    text += piece["choices"][0]["text"];
  }
  EXPECT_EQ(text, expected().text);
}

TEST_F(CompletionsApiTest, AChatStreamOpensWithTheRole) {
  world.generator.script = {'H', 'i'};
  FakeReply reply;
  api().handle(
      post("/v1/chat/completions", {{"model", "tiny"},
                                    {"stream", true},
                                    {"messages", {{{"role", "user"}, {"content", "why?"}}}}}),
      reply);
  const std::vector<std::string> events = events_of(reply.body);
  ASSERT_EQ(events.size(), 4U);
  EXPECT_EQ(Json::parse(events[0])["choices"][0]["delta"]["role"], "assistant");
  EXPECT_EQ(Json::parse(events[1])["choices"][0]["delta"]["content"], "Hi");
  EXPECT_EQ(Json::parse(events[2])["choices"][0]["finish_reason"], "stop");
  EXPECT_EQ(events[3], "[DONE]");
}

TEST_F(CompletionsApiTest, ServesModelsHealthAndMetrics) {
  const Json models = expect(200, get("/v1/models"));
  ASSERT_EQ(models["data"].size(), 1U);
  EXPECT_EQ(models["data"][0]["id"], "tiny");
  EXPECT_EQ(expect(200, get("/healthz"))["status"], "ok");
  EXPECT_EQ(expect(200, get("/readyz"))["status"], "ok");
  (void)expect(200, post("/v1/completions", question()));
  FakeReply reply;
  api().handle(get("/metrics"), reply);
  EXPECT_EQ(reply.status, 200);
  EXPECT_NE(reply.body.find("rookery_serving_tokens_total 24"), std::string::npos) << reply.body;
  EXPECT_NE(reply.body.find("rookery_serving_requests_total{outcome=\"length\"} 1"),
            std::string::npos);
}

TEST_F(CompletionsApiTest, MistakesGetAClearRefusal) {
  Json error = expect(404, get("/v2/nothing"))["error"];
  EXPECT_EQ(error["type"], "invalid_request_error");
  error = expect(405, get("/v1/completions"))["error"];
  EXPECT_EQ(error["message"], "/v1/completions: expected POST, got GET");
  Json body = question();
  body["model"] = "gpt-4";
  error = expect(404, post("/v1/completions", body))["error"];
  EXPECT_EQ(error["code"], "model_not_found");
  EXPECT_EQ(error["param"], "model");
  body = question();
  body["prompt"] = std::string(600, 'x') + "?";
  error = expect(400, post("/v1/completions", body))["error"];
  EXPECT_EQ(error["param"], "prompt");
  EXPECT_EQ(error["message"],
            "prompt: expected at most 512 tokens, got 601: shorten it, or raise "
            "serve.prompt_tokens_max");
}

TEST_F(CompletionsApiTest, AFailingPoolIsA503NotAText) {
  world.retriever.fail_at = 3;
  const Json error = expect(503, post("/v1/completions", question(128)))["error"];
  EXPECT_EQ(error["message"], "retrieval failed: shard 1 has no ready replica");
}

TEST_F(CompletionsApiTest, AStreamThatFailsEndsWithAnErrorAndWithoutDone) {
  world.retriever.fail_at = 3;
  Json body = question(128);
  body["stream"] = true;
  FakeReply reply;
  api().handle(post("/v1/completions", body), reply);
  const std::vector<std::string> events = events_of(reply.body);
  ASSERT_GE(events.size(), 2U);
  EXPECT_EQ(Json::parse(events.back())["error"]["message"],
            "retrieval failed: shard 1 has no ready replica");
}

TEST_F(CompletionsApiTest, AFullQueueRefusesAtOnceAndTheOthersAreAnswered) {
  Gate gate;
  world.generator.before_each_call = [&] { gate.pass(); };
  std::vector<std::unique_ptr<FakeReply>> replies;
  std::vector<std::thread> clients;
  const auto start = [&] {
    replies.push_back(std::make_unique<FakeReply>());
    clients.emplace_back([this, reply = replies.back().get()] {
      api().handle(post("/v1/completions", question()), *reply);
    });
  };
  (void)api();
  start();
  gate.wait_for_arrival();  // one runs
  start();
  start();
  while (expect(200, get("/healthz"))["waiting"] != 2) std::this_thread::yield();
  const Json error = expect(503, post("/v1/completions", question()))["error"];
  EXPECT_EQ(error["message"], "the queue of 2 requests is full: try again later");
  EXPECT_GE(error["retry_after_s"], 1);
  gate.open();
  for (std::thread& client : clients) client.join();
  world.generator.before_each_call = nullptr;
  const std::string text = expected().text;
  for (const auto& reply : replies) {
    EXPECT_EQ(reply->status, 200);
    EXPECT_EQ(Json::parse(reply->body)["choices"][0]["text"], text);
  }
}

TEST_F(CompletionsApiTest, AClientThatLeavesFreesItsPlaceWaitingOrRunning) {
  Gate gate;
  world.generator.before_each_call = [&] { gate.pass(); };
  FakeReply running, waiting;
  (void)api();
  std::thread first([&] { api().handle(post("/v1/completions", question(4000)), running); });
  gate.wait_for_arrival();
  std::thread second([&] { api().handle(post("/v1/completions", question()), waiting); });
  while (expect(200, get("/healthz"))["waiting"] != 1) std::this_thread::yield();
  waiting.gone = true;
  second.join();
  EXPECT_EQ(expect(200, get("/healthz"))["waiting"], 0);
  running.gone = true;
  first.join();
  gate.open();
  EXPECT_EQ(running.status, 0);
  // The worker is free again, and the long answer was not written to its end.
  (void)expect(200, post("/v1/completions", question()));
  FakeReply reply;
  api().handle(get("/metrics"), reply);
  EXPECT_NE(reply.body.find("outcome=\"cancelled\"} 1"), std::string::npos) << reply.body;
  EXPECT_LT(world.generator.calls, 100);
}

TEST_F(CompletionsApiTest, AStoppingWorkerTellsThoseWhoWait) {
  Gate gate;
  world.generator.before_each_call = [&] { gate.pass(); };
  ServingMetrics counters(metrics);
  auto worker = std::make_unique<AnswerWorker>(*answerer, 4, counters);
  Question asked;
  asked.text = "why?";
  asked.max_new_tokens = 4000;
  const auto running = worker->submit(asked);
  gate.wait_for_arrival();
  const auto waiting = worker->submit(asked);
  std::thread stopping([&] { worker.reset(); });
  const auto event = waiting->next(std::chrono::seconds(30));
  EXPECT_EQ(event.kind, Ticket::Kind::kFailed);
  EXPECT_THROW(std::rethrow_exception(waiting->error()), WorkerStopping);
  gate.open();
  stopping.join();
  Ticket::Event last = running->next(std::chrono::seconds(30));
  while (last.kind == Ticket::Kind::kText) last = running->next(std::chrono::seconds(30));
  EXPECT_EQ(last.kind, Ticket::Kind::kDone);
  EXPECT_EQ(running->answer().finish, Finish::kCancelled);
}

// The same through real sockets.
TEST_F(CompletionsApiTest, WorksOverTheHttpServer) {
  const std::string text = expected().text;
  base::HttpServer server({}, [&](const base::HttpRequest& request, base::HttpReply& reply) {
    api().handle(request, reply);
  });
  (void)api();
  const auto answer = base::http_request(server.address(), post("/v1/completions", question()),
                                         std::chrono::seconds(30));
  EXPECT_EQ(answer.status, 200);
  EXPECT_EQ(Json::parse(answer.body)["choices"][0]["text"], text);
  Json body = question();
  body["stream"] = true;
  const auto stream =
      base::http_request(server.address(), post("/v1/completions", body), std::chrono::seconds(30));
  EXPECT_EQ(stream.content_type, "text/event-stream");
  EXPECT_EQ(events_of(stream.body).back(), "[DONE]");
  base::HttpRequest broken = post("/v1/completions", Json());
  broken.body = "{";
  EXPECT_EQ(base::http_request(server.address(), broken, std::chrono::seconds(30)).status, 400);
}

}  // namespace
}  // namespace rookery::serving
