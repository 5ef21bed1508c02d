// SmolLM2-135M from its wheel against what transformers computes (tests/parity/record_smollm2.py).

#include <gtest/gtest.h>

#include <cmath>
#include <nlohmann/json.hpp>

#include "base/atomic_file.hpp"
#include "engine/decoder.hpp"
#include "tests/support/temp_folder.hpp"

namespace rookery::engine {
namespace {

using nlohmann::json;
using text::TokenId;

json recorded() { return json::parse(base::read_file(testing::data_folder() / "smollm2.json")); }

TEST(SmolLm2, DequantisesToTheWeightsOfTransformers) {
  const auto checkpoint = load_checkpoint(resolve_model("smollm2-135m"));
  EXPECT_EQ(checkpoint.tensors.size(), 272u);
  const auto weights = recorded()["weights"];
  for (const auto& [name, expected] : weights.items()) {
    const auto shape = expected["shape"].get<std::vector<std::int64_t>>();
    const auto& values = checkpoint.tensor(name, shape).values;
    double sum = 0.0;
    for (const float value : values) sum += static_cast<double>(value);
    EXPECT_NEAR(sum, expected["sum"].get<double>(), 1e-6 * static_cast<double>(values.size()))
        << name;
    // The end of the second row (or of the vector) would be elsewhere with rows in another order.
    const auto row = expected["row1"].get<std::vector<float>>();
    const auto end = std::min(values.size(), 2 * static_cast<std::size_t>(shape.back()));
    EXPECT_EQ(std::vector<float>(values.begin() + static_cast<std::ptrdiff_t>(end - row.size()),
                                 values.begin() + static_cast<std::ptrdiff_t>(end)),
              row)
        << name;
  }
}

TEST(SmolLm2, GivesTheLogitsAndGreedyTokensOfTransformers) {
  const auto decoder = open_decoder(resolve_model("smollm2-135m"), {2});
  const auto record = recorded();
  const auto places = record["places"].get<std::vector<std::size_t>>();
  ASSERT_GE(record["prompts"].size(), 4u);
  for (const auto& prompt : record["prompts"]) {
    SCOPED_TRACE(prompt["label"].get<std::string>());
    auto cache = decoder->new_cache();
    auto next = prompt["ids"].get<std::vector<TokenId>>();
    std::vector<TokenId> greedy;
    for (int step = 0; step < 64; ++step) {
      const DecoderInput input{&cache, next, 1};
      const auto logits = decoder->forward(std::span(&input, 1));
      if (step == 0) {
        for (std::size_t i = 0; i < places.size(); ++i)
          EXPECT_NEAR(logits[places[i]], prompt["place_logits"][i].get<float>(), 1e-3F);
        for (std::size_t i = 0; i < 10; ++i) {
          const auto id = prompt["top_ids"][i].get<std::size_t>();
          EXPECT_NEAR(logits[id], prompt["top_logits"][i].get<float>(), 1e-3F);
        }
      }
      greedy.push_back(greedy_token(logits));
      next = {greedy.back()};
    }
    EXPECT_EQ(greedy, prompt["greedy"].get<std::vector<TokenId>>());
  }
}

}  // namespace
}  // namespace rookery::engine
