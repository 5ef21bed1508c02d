#include "trainer/training_run.hpp"

#include <chrono>
#include <cmath>
#include <cstddef>
#include <span>
#include <string_view>
#include <utility>

#include "base/checksum.hpp"
#include "base/error.hpp"

namespace rookery::trainer {
namespace {

using Clock = std::chrono::steady_clock;

constexpr std::string_view kTraced = "train";

double ms_since(Clock::time_point begin) {
  return std::chrono::duration<double, std::milli>(Clock::now() - begin).count();
}

std::vector<ParameterGroup> groups_of(RagModel& model, const TrainOptions& options) {
  return {{model.encoder().parameters().trained(), options.encoder_learning_rate},
          {model.generator().parameters().trained(), options.learning_rate}};
}

std::vector<models::NamedParameter> all_of(RagModel& model) {
  std::vector<models::NamedParameter> all = model.encoder().parameters().trained();
  for (const auto& parameter : model.generator().parameters().trained()) all.push_back(parameter);
  return all;
}

/// Random numbers of a step depend on nothing that came before it: that is what makes them resume.
void seed_step(std::int64_t seed, std::int64_t step, std::int32_t rank) {
  const auto mixed = (static_cast<std::uint64_t>(seed) * 0x9e3779b97f4a7c15ULL) ^
                     (static_cast<std::uint64_t>(step) << 20) ^ static_cast<std::uint64_t>(rank);
  torch::manual_seed(mixed);
}

/// A lease on one generation for all ranks. They ask a moment apart, and a swap may fall between:
/// then all ask again.
std::unique_ptr<retriever_pool::GenerationLease> lease_together(
    retriever_pool::Retriever& retriever, ProcessGroup& group) {
  constexpr int kTries = 5;
  for (int tried = 0; tried < kTries; ++tried) {
    auto lease = retriever.lease();
    const std::string& name = lease->generation();
    const auto mine =
        static_cast<std::int64_t>(base::crc32c(std::as_bytes(std::span(name.data(), name.size()))));
    std::vector<std::int64_t> first{mine};
    group.broadcast(first);
    std::vector<double> others{first[0] == mine ? 0.0 : 1.0};
    group.sum(others);
    if (others[0] == 0) return lease;
  }
  throw base::UserError(
      "train: expected all ranks to see the same generation of the index, got different ones; "
      "start again when the swap is over");
}

template <typename T>
void must_agree(const std::string& what, const T& expected, const T& got) {
  if (expected == got) return;
  std::string left, right;
  if constexpr (std::is_same_v<T, std::string>) {
    left = expected;
    right = got;
  } else {
    left = std::to_string(expected);
    right = std::to_string(got);
  }
  throw base::UserError("resume: " + what + ": expected " + left + " as in the checkpoint, got " +
                        right + "; a resumed run must repeat the uninterrupted one");
}

}  // namespace

TrainingRun::TrainingRun(Parts parts, const engine::Checkpoint& question_encoder,
                         const engine::Checkpoint& generator)
    : parts_(std::move(parts)),
      retriever_(*parts_.retriever, lease_together(*parts_.retriever, *parts_.group)),
      model_(question_encoder, generator, parts_.options),
      sampler_({.questions = static_cast<std::int64_t>(parts_.questions.size()),
                .batch_size = parts_.options.batch_size,
                .ranks = parts_.group->ranks(),
                .seed = parts_.options.seed}),
      optimizer_(groups_of(model_, parts_.options), {.weight_decay = parts_.options.weight_decay,
                                                     .clip_norm = parts_.options.clip_norm}),
      total_steps_(parts_.options.steps > 0 ? parts_.options.steps
                                            : sampler_.steps_per_epoch() * parts_.options.epochs) {
  trained_against_ = parts_.retriever->description().encoder_hash;
  position_ = {.step = 0,
               .total_steps = total_steps_,
               .seed = parts_.options.seed,
               .ranks = parts_.group->ranks(),
               .batch_size = parts_.options.batch_size,
               .method = parts_.options.method,
               .index_generation = retriever_.generation(),
               .prompt = parts_.options.prompt,
               .score_scale = parts_.options.score_scale,
               .losses = {}};
  parts_.group->reduce_gradients_of(all_of(model_));
}

void TrainingRun::resume(const TrainingCheckpoint& checkpoint) {
  const TrainingPosition& old = checkpoint.position;
  must_agree("seed", old.seed, position_.seed);
  must_agree("number of ranks", old.ranks, position_.ranks);
  must_agree("batch_size", old.batch_size, position_.batch_size);
  must_agree("steps", old.total_steps, position_.total_steps);
  must_agree("method", old.method, position_.method);
  must_agree("index generation", old.index_generation, position_.index_generation);
  optimizer_.load_state(checkpoint.optimizer);
  position_ = old;
}

void TrainingRun::check_generation(const std::string& generation) {
  if (generation == position_.index_generation) return;
  throw base::UserError("step " + std::to_string(position_.step + 1) +
                        ": the index changed from generation " + position_.index_generation +
                        " to " + generation +
                        " while training; go back to the former, or start a new run");
}

StepFigures TrainingRun::step() {
  const TrainOptions& options = parts_.options;
  ProcessGroup& group = *parts_.group;
  const base::TraceSpan span(parts_.trace, kTraced, "step");
  std::vector<index_tools::Question> questions;
  for (const std::int64_t i : sampler_.batch(position_.step, group.rank())) {
    questions.push_back(parts_.questions[static_cast<std::size_t>(i)]);
  }
  seed_step(options.seed, position_.step, group.rank());
  optimizer_.zero_gradients();
  BatchFigures batch;
  const torch::Tensor loss = [&] {
    const base::TraceSpan forward(parts_.trace, kTraced, "encode, retrieve, forward");
    return model_.loss(questions, retriever_, batch);
  }();
  check_generation(batch.generation);

  auto begin = Clock::now();
  // Before anything moves: all ranks learn whether one of them has a loss that is no number.
  std::vector<double> sums{loss.item<double>()};
  group.sum(sums);
  const double mean_loss = sums[0] / group.ranks();
  const std::string where = "step " + std::to_string(position_.step + 1);
  if (!std::isfinite(mean_loss)) {
    throw base::UserError(where + ": the loss is not finite (" +
                          (std::isnan(mean_loss) ? "nan" : "infinite") +
                          "); stopped before the weights moved; try a lower learning_rate");
  }
  {
    const base::TraceSpan backward(parts_.trace, kTraced, "backward");
    group.backward(loss);
  }
  const double backward_ms = ms_since(begin);

  begin = Clock::now();
  const base::TraceSpan update(parts_.trace, kTraced, "update");
  const double norm = optimizer_.gradient_norm();
  if (!std::isfinite(norm)) {
    throw base::UserError(where +
                          ": the gradient is not finite; stopped before the weights moved; "
                          "try a lower learning_rate");
  }
  const double schedule = linear_schedule(position_.step, options.warmup_steps, total_steps_);
  optimizer_.step(schedule, norm);
  optimizer_.zero_gradients();
  ++position_.step;
  position_.losses.push_back(mean_loss);
  return {.step = position_.step,
          .loss = mean_loss,
          .gradient_norm = norm,
          .learning_rate = schedule * options.learning_rate,
          .encode_ms = batch.encode_ms,
          .retrieval_ms = batch.retrieval_ms,
          .forward_ms = batch.forward_ms,
          .backward_ms = backward_ms,
          .update_ms = ms_since(begin),
          .tokens = batch.tokens};
}

void TrainingRun::save() {
  const base::TraceSpan span(parts_.trace, kTraced, "checkpoint");
  // All ranks hold the same weights; nobody goes on (or ends) before they are on disk.
  if (parts_.group->rank() == 0) {
    save_training_checkpoint({.question_encoder = model_.encoder_checkpoint(trained_against_),
                              .generator = model_.generator_checkpoint(),
                              .optimizer = optimizer_.state(),
                              .position = position_},
                             parts_.options.checkpoint);
  }
  parts_.group->barrier();
}

TrainReport TrainingRun::run(const std::function<void(const StepFigures&)>& after_step,
                             const std::function<bool()>& stop) {
  const auto begin = Clock::now();
  TrainReport report;
  report.first_step = position_.step;
  const std::int32_t interval = parts_.options.checkpoint_every_steps;
  std::int64_t saved = -1;
  const auto save_now = [&] {
    const auto start = Clock::now();
    save();
    saved = position_.step;
    report.checkpoint_seconds += ms_since(start) / 1e3;
  };
  while (position_.step < total_steps_) {
    // One rank's wish to stop is everybody's.
    std::vector<double> wishes{stop() ? 1.0 : 0.0};
    parts_.group->sum(wishes);
    if (wishes[0] > 0) break;
    report.steps.push_back(step());
    after_step(report.steps.back());
    if (interval > 0 && position_.step % interval == 0) save_now();
  }
  if (saved != position_.step) save_now();
  report.train_seconds = ms_since(begin) / 1e3;
  report.ranks = parts_.group->ranks();
  report.losses = position_.losses;
  report.index_generation = position_.index_generation;
  report.checkpoint = parts_.options.checkpoint.string();
  return report;
}

}  // namespace rookery::trainer
