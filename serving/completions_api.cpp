#include "serving/completions_api.hpp"

#include <nlohmann/json.hpp>
#include <utility>

#include "retriever_pool/retriever.hpp"
#include "serving/completion_format.hpp"

namespace rookery::serving {
namespace {

constexpr const char* kJson = "application/json";

std::int64_t unix_seconds() {
  return std::chrono::duration_cast<std::chrono::seconds>(
             std::chrono::system_clock::now().time_since_epoch())
      .count();
}

ApiError server_error(int status, const std::string& message) {
  return {status, "server_error", "", message};
}

ApiError from_retrieval(const retriever_pool::RetrievalError& error) {
  const std::string message = std::string("retrieval failed: ") + error.what();
  switch (error.fault()) {
    case retriever_pool::RetrievalFault::kUnavailable:
    case retriever_pool::RetrievalFault::kOverloaded: {
      ApiError busy = server_error(503, message);
      busy.retry_after_s = 1;
      return busy;
    }
    case retriever_pool::RetrievalFault::kDeadline:
      return server_error(504, message);
    case retriever_pool::RetrievalFault::kInvalid:
    case retriever_pool::RetrievalFault::kInternal:
      break;
  }
  return server_error(500, message);
}

/// What a client is told of an answer that failed.
ApiError explain(const std::exception_ptr& error) {
  try {
    std::rethrow_exception(error);
  } catch (const QuestionError& e) {
    return invalid_request(e.field, e.field + ": " + e.what());
  } catch (const retriever_pool::RetrievalError& e) {
    return from_retrieval(e);
  } catch (const GenerationChanged& e) {
    ApiError changed = server_error(503, e.what());
    changed.retry_after_s = 1;
    return changed;
  } catch (const WorkerStopping& e) {
    return server_error(503, e.what());
  } catch (const std::exception& e) {
    return server_error(500, e.what());
  }
}

}  // namespace

CompletionsApi::CompletionsApi(Answerer& answerer, CompletionsApiOptions options,
                               base::Metrics& metrics)
    : answerer_(answerer),
      options_(std::move(options)),
      metrics_(metrics),
      started_(unix_seconds()),
      counters_(metrics),
      worker_(answerer, options_.queue_requests_max, counters_) {}

void CompletionsApi::refuse(const ApiError& error, base::HttpReply& reply) {
  if (error.status >= 400 && error.status < 500) counters_.rejected();
  reply.respond(error.status, kJson, error.to_json());
}

void CompletionsApi::handle(const base::HttpRequest& request, base::HttpReply& reply) {
  const bool text = request.path == "/v1/completions";
  const bool chat = request.path == "/v1/chat/completions";
  const bool known = text || chat || request.path == "/v1/models" || request.path == "/healthz" ||
                     request.path == "/readyz" || request.path == "/metrics";
  try {
    if (!known) {
      throw ApiError(404, "invalid_request_error", "",
                     "no such path: " + request.path +
                         "; there are /v1/completions, /v1/chat/completions, /v1/models, /healthz, "
                         "/readyz and /metrics");
    }
    const std::string wanted = text || chat ? "POST" : "GET";
    if (request.method != wanted) {
      throw ApiError(405, "invalid_request_error", "",
                     request.path + ": expected " + wanted + ", got " + request.method);
    }
    if (text || chat) {
      complete(text ? CompletionKind::kText : CompletionKind::kChat, request, reply);
    } else if (request.path == "/metrics") {
      reply.respond(200, "text/plain; version=0.0.4", metrics_.text());
    } else if (request.path == "/healthz" || request.path == "/readyz") {
      // The models are loaded before the port is opened: who is asked is ready.
      reply.respond(200, kJson,
                    nlohmann::json{{"status", "ok"}, {"waiting", worker_.waiting()}}.dump());
    } else {
      const nlohmann::json model = {{"id", options_.model},
                                    {"object", "model"},
                                    {"created", started_},
                                    {"owned_by", "rookery"}};
      reply.respond(200, kJson, nlohmann::json{{"object", "list"}, {"data", {model}}}.dump());
    }
  } catch (const ApiError& error) {
    refuse(error, reply);
  }
}

void CompletionsApi::complete(CompletionKind kind, const base::HttpRequest& request,
                              base::HttpReply& reply) {
  const CompletionRequest parsed =
      parse_completion(kind, request.body, {options_.model, options_.max_new_tokens});
  try {
    answerer_.check(parsed.question);
  } catch (const QuestionError&) {
    throw explain(std::current_exception());
  }
  const std::shared_ptr<Ticket> ticket = worker_.submit(parsed.question);
  if (ticket == nullptr) {
    ApiError full(503, "overloaded", "",
                  "the queue of " + std::to_string(options_.queue_requests_max) +
                      " requests is full: try again later");
    full.retry_after_s = worker_.retry_after_s();
    throw full;
  }
  deliver(parsed, ticket, reply);
}

void CompletionsApi::deliver(const CompletionRequest& request,
                             const std::shared_ptr<Ticket>& ticket, base::HttpReply& reply) {
  const bool chat = request.kind == CompletionKind::kChat;
  const CompletionFormat format(
      request.kind,
      (chat ? "chatcmpl-" : "cmpl-") + std::to_string(started_) + "-" + std::to_string(++served_),
      options_.model, unix_seconds());
  bool streaming = false;
  const auto begin = [&] {
    if (streaming) return;
    streaming = true;
    reply.begin_stream(200, "text/event-stream");
    const std::string opening = format.opening();
    if (!opening.empty()) reply.send(opening);
  };
  while (true) {
    const Ticket::Event event = ticket->next(options_.client_poll);
    if (reply.client_gone()) {
      worker_.cancel(ticket);
      return;
    }
    switch (event.kind) {
      case Ticket::Kind::kNothing:
        break;
      case Ticket::Kind::kText:
        if (request.stream) {
          begin();
          reply.send(format.piece(event.text));
        }
        break;
      case Ticket::Kind::kDone:
        // Only a stopping server cancels an answer whose client is still there.
        if (ticket->answer().finish == Finish::kCancelled) {
          const ApiError stopping = explain(std::make_exception_ptr(WorkerStopping()));
          if (!streaming) throw stopping;
          reply.send(server_sent_event(stopping.to_json()));
          return;
        }
        if (!request.stream) {
          reply.respond(200, kJson, format.whole(ticket->answer()));
          return;
        }
        begin();
        reply.send(format.closing(ticket->answer()));
        if (request.stream_usage) reply.send(format.usage(ticket->answer()));
        reply.send(server_sent_event("[DONE]"));
        return;
      case Ticket::Kind::kFailed: {
        const ApiError error = explain(ticket->error());
        if (!streaming) throw error;
        // The status has gone out: the error is an event, and no [DONE] follows it.
        reply.send(server_sent_event(error.to_json()));
        return;
      }
    }
  }
}

}  // namespace rookery::serving
