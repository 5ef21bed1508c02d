#include <CLI/CLI.hpp>
#include <chrono>
#include <cstdio>
#include <memory>
#include <string>

#include "actors/colony_security.hpp"
#include "base/http_server.hpp"
#include "base/metrics.hpp"
#include "base/process_metrics.hpp"
#include "base/stop_signal.hpp"
#include "launch/commands.hpp"
#include "launch/commands/keys_flag.hpp"
#include "launch/commands/serving_target.hpp"
#include "launch/commands/trace_flag.hpp"
#include "serving/completions_api.hpp"
#include "serving/serving_models.hpp"

namespace rookery::launch {
namespace {

struct Serve {
  std::string target, listen;
  bool insecure = false;
  TraceFlag trace;
};

void run(Serve& serve) {
  const base::StopSignal stop;
  base::Metrics metrics;
  retriever_pool::PoolClientOptions client;
  client.metrics = &metrics;
  client.trace = serve.trace.open("rookery serve");
  ServingTarget target = open_serving_target(serve.target, client);
  if (!serve.listen.empty()) target.options.listen = serve.listen;
  const auto security = actors::ColonySecurity::find({}, "");
  const auto host = target.options.listen.substr(0, target.options.listen.rfind(':'));
  if (host != "localhost" && host != "[::1]") {
    actors::check_listen("serve.listen", host, security, serve.insecure);
  }
  serving::ServingModels models(target.options);
  const auto answerer = models.make_answerer(target.retriever.get());

  serving::CompletionsApiOptions options;
  options.model = target.options.generator;
  options.max_new_tokens = target.options.max_new_tokens;
  options.queue_requests_max = target.options.queue_requests_max;
  base::ProcessMetrics process(metrics, "serve");
  serving::CompletionsApi api(*answerer, options, metrics);

  base::HttpServerOptions http;
  http.listen = target.options.listen;
  http.tls = security.tls;
  // Room for those who wait, and for health checks and refusals beside them.
  http.connections_max = target.options.queue_requests_max + 48;
  const base::HttpServer server(http,
                                [&](const base::HttpRequest& request, base::HttpReply& reply) {
                                  if (request.path == "/metrics") process.update();
                                  api.handle(request, reply);
                                });
  std::printf(
      "serving %s over %s\n%s://%s/v1/chat/completions · /v1/completions · /v1/models · "
      "/healthz · /readyz · /metrics\nstop with Ctrl-C\n",
      options.model.c_str(), target.pool.c_str(), security.empty() ? "http" : "https",
      server.address().c_str());
  std::fflush(stdout);
  while (!stop.wait(std::chrono::hours(1))) {
  }
}

}  // namespace

void add_serve_command(CLI::App& app) {
  auto serve = std::make_shared<Serve>();
  auto* command = app.add_subcommand(
      "serve", "Serves completions over HTTP, in the format that OpenAI's clients speak");
  command
      ->add_option("TARGET", serve->target,
                   "A colony's YAML file or name, or a snapshot's folder (searched in process)")
      ->required();
  command->add_option("--listen", serve->listen, "HOST:PORT instead of serve.listen");
  command->add_flag("--insecure", serve->insecure, "allow --listen beyond loopback, without keys");
  serve->trace.add_to(*command);
  add_keys_flag(*command);
  command->footer(
      "Example: rookery serve configs/wiki.yaml\n"
      "  curl http://127.0.0.1:8080/v1/chat/completions -d '{\"model\": \"smollm2-135m\", "
      "\"messages\": [{\"role\": \"user\", \"content\": \"What is a glacier?\"}]}'");
  command->callback([serve] { run(*serve); });
}

}  // namespace rookery::launch
