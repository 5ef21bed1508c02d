#include "trainer/training_run.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstring>
#include <fstream>
#include <limits>
#include <map>
#include <nlohmann/json.hpp>
#include <thread>

#include "base/error.hpp"
#include "base/free_port.hpp"
#include "tests/support/temp_folder.hpp"
#include "tests/trainer/tiny_models.hpp"
#include "trainer/patient_retriever.hpp"

namespace rookery::trainer {
namespace {

using rookery::testing::TempFolder;
using rookery::testing::tiny_encoder;
using rookery::testing::tiny_generator;
using rookery::testing::tiny_questions;
using rookery::testing::TinyPool;

TrainOptions tiny_options(const TempFolder& folder) {
  TrainOptions options;
  options.documents = 3;
  options.batch_size = 2;
  options.learning_rate = 0.01;
  options.encoder_learning_rate = 0.01;
  options.warmup_steps = 1;
  options.steps = 6;
  options.score_scale = 4;
  options.prompt = {.passage_tokens = 16, .question_tokens = 12, .answer_tokens = 4};
  options.checkpoint = folder / "checkpoint";
  return options;
}

struct RankResult {
  std::vector<double> losses;
  engine::Checkpoint encoder, generator;
  std::string error;
  int pool_calls = 0;
  std::string generation;
};

/// One rank from start to end; `stop_after` ends it early, as SIGTERM would.
RankResult run_one(const TrainOptions& options, const RankOptions& rank, int stop_after = 1000,
                   bool resume = false, const std::string& swap_after_lease = "",
                   const std::string& live = "") {
  RankResult result;
  at::set_num_threads(1);
  try {
    ProcessGroup group(rank);
    TinyPool pool;
    if (!live.empty()) pool.swap_to(live);
    pool.swap_after_lease = swap_after_lease;
    engine::Checkpoint encoder = tiny_encoder(), generator = tiny_generator();
    std::optional<TrainingCheckpoint> checkpoint;
    if (resume) {
      checkpoint = load_training_checkpoint(options.checkpoint);
      encoder = checkpoint->question_encoder;
      generator = checkpoint->generator;
    }
    TrainingRun run(
        {.options = options, .group = &group, .retriever = &pool, .questions = tiny_questions(11)},
        encoder, generator);
    if (checkpoint) run.resume(*checkpoint);
    int steps = 0;
    const TrainReport report =
        run.run([&](const StepFigures&) { ++steps; }, [&] { return steps >= stop_after; });
    result.losses = report.losses;
    result.generation = report.index_generation;
    result.encoder = run.model().encoder_checkpoint("tiny-encoder-hash");
    result.generator = run.model().generator_checkpoint();
    result.pool_calls = pool.calls;
  } catch (const std::exception& error) {
    result.error = error.what();
  }
  return result;
}

/// Ranks as threads of this process: the sockets between them are real.
std::vector<RankResult> run_ranks(const TrainOptions& options, std::int32_t ranks) {
  const std::uint16_t port = base::free_port();
  std::vector<RankResult> results(static_cast<std::size_t>(ranks));
  std::vector<std::thread> threads;
  for (std::int32_t rank = 0; rank < ranks; ++rank) {
    threads.emplace_back([&, rank] {
      results[static_cast<std::size_t>(rank)] =
          run_one(options, {.rank = rank,
                            .ranks = ranks,
                            .master_address = "127.0.0.1",
                            .master_port = port,
                            .timeout = std::chrono::seconds(20)});
    });
  }
  for (auto& thread : threads) thread.join();
  return results;
}

float largest_difference(const engine::Checkpoint& a, const engine::Checkpoint& b) {
  float largest = 0;
  for (const auto& [name, tensor] : a.tensors) {
    const auto& other = b.tensors.at(name).values;
    for (std::size_t i = 0; i < other.size(); ++i) {
      largest = std::max(largest, std::abs(tensor.values[i] - other[i]));
    }
  }
  return largest;
}

TEST(TrainingRun, LearnsAndRepeatsBitForBit) {
  TempFolder one, two;
  const RankResult first = run_one(tiny_options(one), {});
  const RankResult second = run_one(tiny_options(two), {});
  ASSERT_EQ(first.error, "");
  ASSERT_EQ(first.losses.size(), 6u);
  EXPECT_LT(first.losses.back(), first.losses.front());
  EXPECT_EQ(first.losses, second.losses);
  EXPECT_EQ(largest_difference(first.generator, second.generator), 0);
  EXPECT_EQ(first.pool_calls, 6);
  // Both parts moved.
  EXPECT_GT(largest_difference(first.encoder, tiny_encoder()), 1e-3F);
  EXPECT_GT(largest_difference(first.generator, tiny_generator()), 1e-3F);
}

TEST(TrainingRun, ResumesWithTheLossBitsOfAnUninterruptedRun) {
  TempFolder whole, parts;
  TrainOptions options = tiny_options(whole);
  options.dropout = 0.1;  // random numbers must resume too
  const RankResult uninterrupted = run_one(options, {});
  options.checkpoint = parts / "checkpoint";
  const RankResult first = run_one(options, {}, 3);
  ASSERT_EQ(first.losses.size(), 3u);
  const RankResult resumed = run_one(options, {}, 1000, true);
  ASSERT_EQ(resumed.error, "");
  ASSERT_EQ(resumed.losses.size(), 6u);
  for (std::size_t i = 0; i < 6; ++i) {
    EXPECT_EQ(std::memcmp(&resumed.losses[i], &uninterrupted.losses[i], sizeof(double)), 0) << i;
  }
  EXPECT_EQ(largest_difference(resumed.generator, uninterrupted.generator), 0);
  EXPECT_EQ(largest_difference(resumed.encoder, uninterrupted.encoder), 0);
}

TEST(TrainingRun, GoesOnWithItsLeasedGenerationWhenTheColonySwaps) {
  TempFolder folder, swapped;
  const RankResult quiet = run_one(tiny_options(folder), {});
  const TrainOptions options = tiny_options(swapped);
  ProcessGroup group({});
  TinyPool pool;
  {
    TrainingRun run(
        {.options = options, .group = &group, .retriever = &pool, .questions = tiny_questions(11)},
        tiny_encoder(), tiny_generator());
    EXPECT_EQ(pool.leases("abc123"), 1);
    const TrainReport report = run.run(
        [&](const StepFigures& figures) {
          if (figures.step == 2) pool.swap_to("def456");
        },
        [] { return false; });
    EXPECT_EQ(report.losses, quiet.losses);
    EXPECT_EQ(report.index_generation, "abc123");
  }
  EXPECT_EQ(load_position(options.checkpoint).index_generation, "abc123");
  EXPECT_EQ(pool.last_priority, retriever_pool::Priority::kTraining);
  EXPECT_EQ(pool.leases("abc123"), 0);
}

TEST(TrainingRun, LeasesOneGenerationForAllRanksOrSaysThatItCannot) {
  // Either a swap falls between the leases of rank 0 and rank 1, or their pools stay apart.
  const std::uint16_t ports[] = {base::free_port(), base::free_port()};
  for (const bool agree : {true, false}) {
    TempFolder folder;
    TrainOptions options = tiny_options(folder);
    options.steps = 1;
    std::vector<RankResult> results(2);
    std::vector<std::thread> threads;
    for (std::int32_t rank = 0; rank < 2; ++rank) {
      threads.emplace_back([&, rank] {
        results[static_cast<std::size_t>(rank)] = run_one(
            options,
            {.rank = rank,
             .ranks = 2,
             .master_port = ports[agree ? 0 : 1],
             .timeout = std::chrono::seconds(20)},
            1000, false, agree && rank == 0 ? "def456" : "", agree == (rank == 1) ? "def456" : "");
      });
    }
    for (auto& thread : threads) thread.join();
    for (const RankResult& result : results) {
      if (agree) {
        EXPECT_EQ(result.error, "");
        EXPECT_EQ(result.generation, "def456");
      } else {
        EXPECT_THAT(result.error,
                    ::testing::HasSubstr("expected all ranks to see the same generation"));
      }
    }
  }
}

TEST(TrainingRun, RefusesToResumeAnotherRun) {
  TempFolder folder;
  TrainOptions options = tiny_options(folder);
  ASSERT_EQ(run_one(options, {}, 2).error, "");
  options.seed = 2;
  EXPECT_THAT(run_one(options, {}, 1000, true).error,
              ::testing::HasSubstr("resume: seed: expected 1 as in the checkpoint, got 2"));
  options.checkpoint = folder / "nowhere";
  EXPECT_THAT(run_one(options, {}, 1000, true).error,
              ::testing::HasSubstr("expected a checkpoint of a training run, found none"));
}

TEST(TrainingRun, ATraceHasEveryStepAndItsPhases) {
  TempFolder folder;
  TrainOptions options = tiny_options(folder);
  options.steps = 3;
  ProcessGroup group({});
  TinyPool pool;
  {
    base::Trace trace(folder / "rank-0.json", "rank-0");
    TrainingRun run({.options = options,
                     .group = &group,
                     .retriever = &pool,
                     .questions = tiny_questions(11),
                     .trace = &trace},
                    tiny_encoder(), tiny_generator());
    (void)run.run([](const StepFigures&) {}, [] { return false; });
  }
  std::ifstream file(folder / "rank-0.json");
  std::map<std::string, int> spans;
  for (const auto& event : nlohmann::json::parse(file)) {
    if (event.at("ph") == "X") ++spans[event.at("name")];
  }
  const std::map<std::string, int> expected{{"step", 3},
                                            {"encode, retrieve, forward", 3},
                                            {"backward", 3},
                                            {"update", 3},
                                            {"checkpoint", 1}};
  EXPECT_EQ(spans, expected);
}

TEST(TrainingRun, TwoRanksEqualOneRankWithTheDoubledBatch) {
  for (const std::string method : {"rag_sequence", "rag_token"}) {
    TempFolder one, two;
    TrainOptions options = tiny_options(one);
    options.method = method;
    options.learning_rate = options.encoder_learning_rate = 1e-3;
    options.steps = 4;
    options.batch_size = 4;
    const RankResult single = run_one(options, {});
    options.batch_size = 2;
    options.checkpoint = two / "checkpoint";
    const auto ranks = run_ranks(options, 2);
    ASSERT_EQ(ranks[0].error + ranks[1].error, "");
    EXPECT_EQ(ranks[0].losses, ranks[1].losses);
    for (std::size_t i = 0; i < 4; ++i) EXPECT_NEAR(ranks[0].losses[i], single.losses[i], 1e-4);
    EXPECT_EQ(largest_difference(ranks[0].generator, ranks[1].generator), 0);
    // Adam's first moves are ±rate whatever the gradient's size, so rounding near zero shows.
    EXPECT_LT(largest_difference(ranks[0].generator, single.generator), 5e-4F);
    EXPECT_LT(largest_difference(ranks[0].encoder, single.encoder), 5e-4F);
  }
}

TEST(TrainingRun, TrainsPartsOnlyWithTwoRanks) {
  TempFolder folder;
  TrainOptions options = tiny_options(folder);
  options.generator_layers = 1;
  options.train_encoder = false;
  options.steps = 2;
  const auto ranks = run_ranks(options, 2);
  ASSERT_EQ(ranks[0].error + ranks[1].error, "");
  EXPECT_EQ(largest_difference(ranks[0].encoder, tiny_encoder()), 0);
  const auto before = tiny_generator();
  EXPECT_EQ(ranks[0].generator.tensors.at("model.layers.0.mlp.up_proj.weight").values,
            before.tensors.at("model.layers.0.mlp.up_proj.weight").values);
  EXPECT_NE(ranks[0].generator.tensors.at("model.layers.2.mlp.up_proj.weight").values,
            before.tensors.at("model.layers.2.mlp.up_proj.weight").values);
}

TEST(TrainingRun, StopsBeforeTheWeightsMoveWhenTheLossIsNotFinite) {
  TempFolder folder;
  TrainOptions options = tiny_options(folder);
  ProcessGroup group({});
  TinyPool pool;
  engine::Checkpoint broken = tiny_generator();
  broken.tensors["model.norm.weight"].values[0] = std::numeric_limits<float>::quiet_NaN();
  TrainingRun run(
      {.options = options, .group = &group, .retriever = &pool, .questions = tiny_questions(11)},
      tiny_encoder(), broken);
  EXPECT_THAT([&] { (void)run.run([](const StepFigures&) {}, [] { return false; }); },
              ::testing::ThrowsMessage<base::UserError>(
                  ::testing::HasSubstr("step 1: the loss is not finite (nan); stopped before the "
                                       "weights moved; try a lower learning_rate")));
  EXPECT_EQ(largest_difference(run.model().encoder_checkpoint(""), tiny_encoder()), 0);
  EXPECT_FALSE(std::filesystem::exists(options.checkpoint));
}

TEST(TrainingRun, SaysWhenTheIndexHasTooFewDocuments) {
  TempFolder folder;
  TrainOptions options = tiny_options(folder);
  options.documents = 13;
  EXPECT_THAT(run_one(options, {}).error,
              ::testing::HasSubstr("train.documents: expected at most as many as the index has "
                                   "(12), got 13"));
}

TEST(ProcessGroup, TellsTheOthersWhenARankDies) {
  const std::uint16_t port = base::free_port();
  std::string error;
  std::thread survivor([&] {
    try {
      ProcessGroup group({.rank = 0,
                          .ranks = 2,
                          .master_address = "127.0.0.1",
                          .master_port = port,
                          .timeout = std::chrono::seconds(5)});
      std::vector<double> values{1};
      group.sum(values);
      group.sum(values);
    } catch (const RankLost& lost) {
      error = lost.what();
    }
  });
  {
    ProcessGroup group({.rank = 1,
                        .ranks = 2,
                        .master_address = "127.0.0.1",
                        .master_port = port,
                        .timeout = std::chrono::seconds(5)});
    std::vector<double> values{2};
    group.sum(values);
    EXPECT_EQ(values[0], 3);
  }
  survivor.join();
  EXPECT_THAT(error, ::testing::HasSubstr("rank 0: lost another rank during a sum"));
}

TEST(RankOptions, ReadsWhatTorchrunSets) {
  ::setenv("RANK", "1", 1);
  ::setenv("WORLD_SIZE", "2", 1);
  ::setenv("MASTER_ADDR", "10.0.0.7", 1);
  ::setenv("MASTER_PORT", "29501", 1);
  const auto options = RankOptions::from_environment(std::chrono::seconds(9));
  EXPECT_EQ(options.rank, 1);
  EXPECT_EQ(options.ranks, 2);
  EXPECT_EQ(options.master_address, "10.0.0.7");
  EXPECT_EQ(options.master_port, 29501);
  ::setenv("RANK", "two", 1);
  EXPECT_THAT([] { (void)RankOptions::from_environment(std::chrono::seconds(9)); },
              ::testing::ThrowsMessage<base::UserError>(
                  ::testing::StrEq("RANK: expected an integer in [0, 1], got 'two'")));
  for (const char* name : {"RANK", "WORLD_SIZE", "MASTER_ADDR", "MASTER_PORT"}) ::unsetenv(name);
  EXPECT_EQ(RankOptions::from_environment(std::chrono::seconds(9)).ranks, 1);
}

}  // namespace
}  // namespace rookery::trainer
