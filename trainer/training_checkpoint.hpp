#pragma once

#include <cstdint>
#include <filesystem>
#include <string>
#include <vector>

#include "engine/weights.hpp"
#include "trainer/prompt.hpp"

namespace rookery::trainer {

/// Where a run stands. The random numbers of a step come from (seed, step, rank), so seed and step
/// are all of their state.
struct TrainingPosition {
  std::int64_t step = 0;         ///< done so far; the sampler goes on from here
  std::int64_t total_steps = 0;  ///< of the schedule
  std::int64_t seed = 0;
  std::int32_t ranks = 1, batch_size = 1;
  std::string method, index_generation;
  PromptOptions prompt;  ///< what the generator was trained to read
  double score_scale = 20;
  std::vector<double> losses;  ///< of every step so far

  [[nodiscard]] std::string to_json() const;
  /// Throws `UserError` naming `where` when a key is missing or of the wrong type.
  static TrainingPosition from_json(const std::string& text, const std::string& where);
};

/// What a checkpoint folder holds: `question_encoder/` and `generator/` in HF's layout, each usable
/// alone, `optimizer/`, and `state.json`.
struct TrainingCheckpoint {
  engine::Checkpoint question_encoder, generator, optimizer;
  TrainingPosition position;
};

/// Writes the folder beside and exchanges it with what is there in one step, so that a reader finds
/// the old or the new one whole. Throws `UserError` naming path and reason; then the old one stays.
void save_training_checkpoint(const TrainingCheckpoint& checkpoint,
                              const std::filesystem::path& folder);

/// Throws `UserError` with the remedy when the folder is no whole checkpoint.
TrainingCheckpoint load_training_checkpoint(const std::filesystem::path& folder);

/// Its `state.json` alone.
TrainingPosition load_position(const std::filesystem::path& folder);

/// The model to load for `name`: the `part` (`generator` or `question_encoder`) of a training
/// checkpoint's folder, else what `engine::resolve_model` says.
std::filesystem::path resolve_part(const std::string& name, const std::string& part);

/// What `rookery.json` beside an encoder says: the hash of the encoder whose vectors it searches;
/// empty when there is no such file.
std::string trained_against(const engine::Checkpoint& encoder);

/// True for the folder of a training checkpoint.
bool is_training_checkpoint(const std::filesystem::path& folder);

}  // namespace rookery::trainer
