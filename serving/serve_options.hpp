#pragma once

#include <chrono>
#include <cstdint>
#include <string>

#include "base/option_reader.hpp"
#include "serving/prompt.hpp"
#include "serving/ralm_request.hpp"

namespace rookery::serving {

/// The section `serve` of a colony's file. The defaults suit one machine.
struct ServeOptions {
  std::string generator = "smollm2-135m";  ///< a name that `launch/setup` fetched, or a path
  std::string encoder = "minilm";          ///< of the queries; must fit the snapshot
  std::string workload = "ralm";           ///< ralm | none
  std::int32_t stride_tokens = 4;          ///< new tokens between two retrievals, [1, 256]
  std::int32_t query_tokens = 32;          ///< of question and answer, for a query, [1, 256]
  /// YAML: `auto` (the defaults of `Speculation`), `off`, or a map with `stride`, `prefetch`,
  /// `prefetch_always`, `cache_passages_max`.
  Speculation speculation;
  std::int32_t max_new_tokens = 128;       ///< without a limit of the request's own, [1, 4096]
  std::int32_t prompt_tokens_max = 512;    ///< longer prompts are refused, [1, 8192]
  std::int32_t document_tokens_max = 256;  ///< longer documents are cut, [1, 2048]
  bool chat = true;                        ///< questions go through the chat template
  std::string listen = "127.0.0.1:8080";   ///< host:port, port 0 takes a free one
  std::int32_t queue_requests_max = 16;    ///< waiting; further ones are refused, [1, 4096]
  std::chrono::milliseconds retrieval_deadline{2000};  ///< YAML key `retrieval_deadline_ms`
  std::int32_t threads = 0;  ///< of encoder and generator, 0: all usable cores, [0, 256]

  /// Throws `UserError` with file, line and key.
  static ServeOptions from_options(base::OptionReader reader);
  [[nodiscard]] Workload workload_kind() const;
  [[nodiscard]] PromptLimits limits() const { return {prompt_tokens_max, document_tokens_max}; }
};

}  // namespace rookery::serving
