#include "serving/serve_options.hpp"

namespace rookery::serving {
namespace {

Speculation read_speculation(base::OptionReader& reader) {
  Speculation speculation;
  const std::string key = "speculation";
  if (!reader.has(key)) return speculation;
  if (!reader.has_section(key)) {
    std::string word;
    reader.read(key, word);
    if (word == "off") {
      speculation.stride = 0;
    } else if (word != "auto") {
      reader.fail(key, "auto, off or a map {stride: 3, prefetch: 1}", "'" + word + "'");
    }
    return speculation;
  }
  base::OptionReader map = reader.section(key);
  map.read("stride", speculation.stride, 1, 64);
  map.read("prefetch", speculation.prefetch, 1, retriever_pool::kDocumentsMax);
  map.read("prefetch_always", speculation.prefetch_always);
  map.read("cache_passages_max", speculation.cache_passages_max, 1, 65'536);
  return speculation;
}

}  // namespace

ServeOptions ServeOptions::from_options(base::OptionReader reader) {
  ServeOptions options;
  reader.read("generator", options.generator);
  reader.read("encoder", options.encoder);
  reader.read("workload", options.workload, {"ralm", "none"});
  reader.read("stride_tokens", options.stride_tokens, 1, 256);
  reader.read("query_tokens", options.query_tokens, 1, 256);
  options.speculation = read_speculation(reader);
  reader.read("max_new_tokens", options.max_new_tokens, 1, 4096);
  reader.read("prompt_tokens_max", options.prompt_tokens_max, 1, 8192);
  reader.read("document_tokens_max", options.document_tokens_max, 1, 2048);
  reader.read("chat", options.chat);
  reader.read("listen", options.listen);
  reader.read("queue_requests_max", options.queue_requests_max, 1, 4096);
  reader.read("retrieval_deadline_ms", options.retrieval_deadline, 1, 600'000);
  reader.read("threads", options.threads, 0, 256);
  reader.finish();
  return options;
}

Workload ServeOptions::workload_kind() const {
  return workload == "none" ? Workload::kNone : Workload::kRalm;
}

}  // namespace rookery::serving
