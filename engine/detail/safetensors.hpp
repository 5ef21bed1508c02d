#pragma once

#include <cstddef>
#include <filesystem>
#include <span>
#include <string>

#include "engine/weights.hpp"

namespace rookery::engine::detail {

/// Adds the tensors and the `__metadata__` of one safetensors file to `checkpoint`. F64, F32, F16
/// and BF16 become float32; integer buffers (`position_ids`) are left out. `file` stands for the
/// bytes in messages. Throws `UserError` naming file and tensor when the header is damaged or the
/// tensors do not cover the data exactly once. Format: the safetensors README; specs/hf-rag.md 9.1.
void read_safetensors(std::span<const std::byte> bytes, const std::string& file,
                      Checkpoint& checkpoint);

/// Writes all tensors of `checkpoint` as float32, names rising, data 8-byte aligned, in one atomic
/// step.
void write_safetensors(const Checkpoint& checkpoint, const std::filesystem::path& path);

}  // namespace rookery::engine::detail
