#pragma once

#include <functional>
#include <memory>
#include <vector>

#include "base/trace.hpp"
#include "index_tools/question_file.hpp"
#include "retriever_pool/retriever.hpp"
#include "trainer/optimizer.hpp"
#include "trainer/pinned_retriever.hpp"
#include "trainer/process_group.hpp"
#include "trainer/rag_model.hpp"
#include "trainer/sampler.hpp"
#include "trainer/train_options.hpp"
#include "trainer/train_report.hpp"
#include "trainer/training_checkpoint.hpp"

namespace rookery::trainer {

/// One rank's share of a fine-tuning run. Same seed, ranks and threads: same losses, bit for bit,
/// also across a resume (law 6).
class TrainingRun {
 public:
  struct Parts {
    TrainOptions options;
    ProcessGroup* group = nullptr;                   ///< outlives the run
    retriever_pool::Retriever* retriever = nullptr;  ///< outlives the run
    std::vector<index_tools::Question> questions;    ///< for training
    base::Trace* trace = nullptr;                    ///< may be null, else outlives the run
  };
  /// Leases the live generation, the same on all ranks: a swap by the colony while the run lasts
  /// changes nothing for it. Throws `UserError` when the ranks do not see the same generation.
  TrainingRun(Parts parts, const engine::Checkpoint& question_encoder,
              const engine::Checkpoint& generator);
  /// Takes over optimizer state and position. Throws `UserError` when the run was another one
  /// (seed, ranks, batch size, method, index).
  void resume(const TrainingCheckpoint& checkpoint);

  /// Steps until done or `stop` says so, saving as the options say. `after_step` is called on every
  /// rank. Throws `UserError` for a loss that is not finite, naming the step, before the optimizer
  /// moves; `RankLost` and `RetrievalError` pass through.
  TrainReport run(const std::function<void(const StepFigures&)>& after_step,
                  const std::function<bool()>& stop);
  [[nodiscard]] std::int64_t total_steps() const { return total_steps_; }
  [[nodiscard]] RagModel& model() { return model_; }

 private:
  StepFigures step();
  void check_generation(const std::string& generation);
  void save();

  Parts parts_;
  PinnedRetriever retriever_;
  RagModel model_;
  Sampler sampler_;
  AdamW optimizer_;
  std::int64_t total_steps_;
  std::string trained_against_;
  TrainingPosition position_;
};

}  // namespace rookery::trainer
