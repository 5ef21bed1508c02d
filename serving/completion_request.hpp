#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "serving/answerer.hpp"

namespace rookery::serving {

enum class CompletionKind { kText, kChat };  ///< `/v1/completions`, `/v1/chat/completions`

/// A body in the format of OpenAI's API, checked.
struct CompletionRequest {
  CompletionKind kind = CompletionKind::kText;
  Question question;
  bool stream = false;        ///< as in `question`
  bool stream_usage = false;  ///< `stream_options.include_usage`
};

struct CompletionDefaults {
  std::string model;                  ///< the one name that is served
  std::int32_t max_new_tokens = 128;  ///< without `max_tokens`
  std::int32_t max_tokens_max = 4096;
};

/// Throws `ApiError` (400, or 404 for an unknown model) that names the field. Only greedy decoding
/// is offered: `temperature` must be 0 or absent, `n` 1. What we do not do (`stop`, `logprobs`,
/// `tools`, …) and fields we do not know are refused, so that nothing asked for is silently left
/// out; `seed`, `top_p`, `user`, `metadata` and `store` cannot change a greedy answer and are
/// accepted.
CompletionRequest parse_completion(CompletionKind kind, std::string_view body,
                                   const CompletionDefaults& defaults);

}  // namespace rookery::serving
