#include "trainer/training_checkpoint.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/atomic_file.hpp"
#include "base/error.hpp"
#include "tests/support/temp_folder.hpp"
#include "tests/trainer/tiny_models.hpp"

namespace rookery::trainer {
namespace {

using testing::TempFolder;

TrainingCheckpoint checkpoint(std::int64_t step) {
  TrainingCheckpoint result{.question_encoder = testing::tiny_encoder(),
                            .generator = testing::tiny_generator(),
                            .optimizer = {},
                            .position = {.step = step,
                                         .total_steps = 9,
                                         .seed = 4,
                                         .ranks = 2,
                                         .batch_size = 3,
                                         .method = "rag_token",
                                         .index_generation = "abc",
                                         .prompt = {.passage_tokens = 33},
                                         .score_scale = 7.5,
                                         .losses = {0.1 + 0.2, 1e-17}}};
  result.optimizer.tensors["w.m"] = {{2}, {1, 2}};
  result.question_encoder.files["rookery.json"] = R"({"trained_against": "hash"})";
  return result;
}

std::size_t entries(const std::filesystem::path& folder) {
  return static_cast<std::size_t>(std::distance(std::filesystem::directory_iterator(folder), {}));
}

TEST(TrainingCheckpoint, ReadsBackWhatItWroteAndReplacesTheOldOne) {
  TempFolder folder;
  const auto path = folder / "run" / "last";
  save_training_checkpoint(checkpoint(1), path);
  save_training_checkpoint(checkpoint(2), path);
  const auto read = load_training_checkpoint(path);
  EXPECT_EQ(read.position.step, 2);
  EXPECT_EQ(read.position.losses, checkpoint(2).position.losses);
  EXPECT_EQ(read.position.method, "rag_token");
  EXPECT_EQ(read.position.prompt.passage_tokens, 33);
  EXPECT_EQ(read.position.score_scale, 7.5);
  EXPECT_EQ(read.generator.tensors.at("model.norm.weight").values,
            testing::tiny_generator().tensors.at("model.norm.weight").values);
  EXPECT_EQ(read.optimizer.tensors.at("w.m").values, (std::vector<float>{1, 2}));
  EXPECT_EQ(trained_against(read.question_encoder), "hash");
  EXPECT_EQ(resolve_part(path.string(), "generator"), path / "generator");
  EXPECT_EQ(entries(folder / "run"), 1u) << "nothing may lie beside it";
}

TEST(TrainingCheckpoint, KeepsTheOldOneWhenTheNewCannotBeWritten) {
  TempFolder folder;
  save_training_checkpoint(checkpoint(1), folder / "last");
  auto bad = checkpoint(2);
  bad.generator.files["a/b"] = "";
  bad.generator.files["a"] = "a file where a folder must be";
  EXPECT_ANY_THROW(save_training_checkpoint(bad, folder / "last"));
  EXPECT_EQ(load_training_checkpoint(folder / "last").position.step, 1);
  EXPECT_EQ(entries(folder.path()), 1u);
}

TEST(TrainingCheckpoint, NeverReplacesAFolderOfSomethingElse) {
  TempFolder folder;
  base::write_file_atomically(folder / "precious", "text");
  EXPECT_THAT([&] { save_training_checkpoint(checkpoint(1), folder.path()); },
              ::testing::ThrowsMessage<base::UserError>(
                  ::testing::HasSubstr("expected a checkpoint folder or none")));
  EXPECT_EQ(base::read_file(folder / "precious"), "text");
}

TEST(TrainingPosition, NamesADamagedState) {
  for (const char* text : {"{", "[]", R"({"schema": 1})", R"({"schema": 2})"}) {
    EXPECT_THAT([&] { (void)TrainingPosition::from_json(text, "x/state.json"); },
                ::testing::ThrowsMessage<base::UserError>(::testing::StartsWith("x/state.json: ")))
        << text;
  }
}

}  // namespace
}  // namespace rookery::trainer
