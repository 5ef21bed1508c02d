#pragma once

#include <string>

#include "engine/detail/gguf.hpp"
#include "engine/weights.hpp"

namespace rookery::engine::detail {

/// Turns a Llama-type GGUF into what an HF folder of the same model would hold: float32 tensors
/// under HF's names with the rows of q and k in HF's order (GGUF interleaves the two halves of a
/// head), a `config.json`, and for a byte-level BPE vocabulary a `tokenizer.json` and
/// `tokenizer_config.json`. Scalar metadata is kept as text. `file` stands for the bytes in
/// messages. Throws `UserError` for other architectures and for features that would change the
/// result (scaled RoPE).
void read_gguf_llama(const GgufFile& gguf, const std::string& file, Checkpoint& checkpoint);

}  // namespace rookery::engine::detail
