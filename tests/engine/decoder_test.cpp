#include "engine/decoder.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <limits>
#include <nlohmann/json.hpp>

#include "engine/detail/rope.hpp"
#include "tests/engine/tiny_llama.hpp"
#include "tests/support/error_text.hpp"

namespace rookery::engine {
namespace {

using ::testing::EndsWith;
using testing::error_text;
using ::testing::HasSubstr;
using text::TokenId;

using Vector = std::vector<double>;

/// Llama by its definition in double precision, one position after the other, nothing shared with
/// the code under test but the checkpoint.
class NaiveLlama {
 public:
  explicit NaiveLlama(const Checkpoint& checkpoint)
      : checkpoint_(checkpoint), config_(DecoderConfig::from_checkpoint(checkpoint)) {}

  /// The logits of the last token.
  Vector logits(const std::vector<TokenId>& tokens) {
    std::vector<std::vector<Vector>> keys(static_cast<std::size_t>(config_.layers)), values = keys;
    Vector state;
    for (std::size_t position = 0; position < tokens.size(); ++position) {
      state = row("model.embed_tokens.weight", tokens[position]);
      for (std::int32_t layer = 0; layer < config_.layers; ++layer) {
        prefix_ = "model.layers." + std::to_string(layer) + ".";
        attend(state, keys[layer], values[layer], static_cast<double>(position));
        feed_forward(state);
      }
    }
    return product(config_.tied_embeddings ? "model.embed_tokens.weight" : "lm_head.weight",
                   normed(state, "model.norm.weight"));
  }

 private:
  const Tensor& tensor(const std::string& name) { return checkpoint_.tensors.at(name); }

  Vector row(const std::string& name, std::int64_t index) {
    const auto columns = tensor(name).shape[1];
    const auto begin = tensor(name).values.begin() + index * columns;
    return {begin, begin + columns};
  }

  Vector product(const std::string& name, const Vector& x) {
    Vector y;
    for (std::int64_t r = 0; r < tensor(name).shape[0]; ++r) {
      const auto weights = row(name, r);
      double sum = 0.0;
      for (std::size_t k = 0; k < x.size(); ++k) sum += weights[k] * x[k];
      y.push_back(sum);
    }
    return y;
  }

  Vector normed(const Vector& x, const std::string& name) {
    double square = 0.0;
    for (const double value : x) square += value * value;
    const double scale = 1.0 / std::sqrt(square / static_cast<double>(x.size()) +
                                         static_cast<double>(config_.rms_norm_eps));
    Vector y;
    for (std::size_t i = 0; i < x.size(); ++i)
      y.push_back(x[i] * scale * static_cast<double>(tensor(name).values[i]));
    return y;
  }

  void rotate(Vector& heads, double position) const {
    const auto size = static_cast<std::size_t>(config_.head_size());
    for (std::size_t begin = 0; begin < heads.size(); begin += size) {
      for (std::size_t i = 0; i < size / 2; ++i) {
        const double angle =
            position * std::pow(static_cast<double>(config_.rope_theta),
                                -2.0 * static_cast<double>(i) / static_cast<double>(size));
        const double low = heads[begin + i];
        const double high = heads[begin + i + size / 2];
        heads[begin + i] = low * std::cos(angle) - high * std::sin(angle);
        heads[begin + i + size / 2] = high * std::cos(angle) + low * std::sin(angle);
      }
    }
  }

  void attend(Vector& state, std::vector<Vector>& keys, std::vector<Vector>& values,
              double position) {
    const auto x = normed(state, prefix_ + "input_layernorm.weight");
    auto query = product(prefix_ + "self_attn.q_proj.weight", x);
    keys.push_back(product(prefix_ + "self_attn.k_proj.weight", x));
    values.push_back(product(prefix_ + "self_attn.v_proj.weight", x));
    rotate(query, position);
    rotate(keys.back(), position);
    const auto size = static_cast<std::size_t>(config_.head_size());
    Vector mixed(query.size(), 0.0);
    for (std::size_t head = 0; head < static_cast<std::size_t>(config_.heads); ++head) {
      const auto shared = head / static_cast<std::size_t>(config_.heads / config_.kv_heads);
      Vector weights;
      double total = 0.0;
      for (const auto& key : keys) {
        double score = 0.0;
        for (std::size_t i = 0; i < size; ++i)
          score += query[head * size + i] * key[shared * size + i];
        weights.push_back(std::exp(score / std::sqrt(static_cast<double>(size))));
        total += weights.back();
      }
      for (std::size_t p = 0; p < keys.size(); ++p)
        for (std::size_t i = 0; i < size; ++i)
          mixed[head * size + i] += weights[p] / total * values[p][shared * size + i];
    }
    const auto out = product(prefix_ + "self_attn.o_proj.weight", mixed);
    for (std::size_t i = 0; i < state.size(); ++i) state[i] += out[i];
  }

  void feed_forward(Vector& state) {
    const auto x = normed(state, prefix_ + "post_attention_layernorm.weight");
    auto gate = product(prefix_ + "mlp.gate_proj.weight", x);
    const auto up = product(prefix_ + "mlp.up_proj.weight", x);
    for (std::size_t i = 0; i < gate.size(); ++i)
      gate[i] = gate[i] / (1.0 + std::exp(-gate[i])) * up[i];
    const auto out = product(prefix_ + "mlp.down_proj.weight", gate);
    for (std::size_t i = 0; i < state.size(); ++i) state[i] += out[i];
  }

  const Checkpoint& checkpoint_;
  DecoderConfig config_;
  std::string prefix_;
};

std::vector<TokenId> some_tokens(std::size_t count, TokenId vocabulary) {
  std::vector<TokenId> tokens;
  for (std::size_t i = 0; i < count; ++i)
    tokens.push_back(static_cast<TokenId>((i * i * 31 + 17 * i + 5) % vocabulary));
  return tokens;
}

std::vector<float> forward(Decoder& decoder, KvCache& cache, const std::vector<TokenId>& tokens,
                           std::int32_t logit_rows) {
  const DecoderInput input{&cache, tokens, logit_rows};
  return decoder.forward(std::span(&input, 1));
}

void expect_naive_logits(const testing::TinyLlama& tiny) {
  const auto checkpoint = tiny.checkpoint();
  const auto decoder = make_decoder(checkpoint, {2});
  for (const std::size_t count : {1, 2, 31, 70}) {
    const auto tokens = some_tokens(count, decoder->config().vocabulary);
    auto cache = decoder->new_cache();
    const auto logits = forward(*decoder, cache, tokens, 1);
    const auto expected = NaiveLlama(checkpoint).logits(tokens);
    ASSERT_EQ(logits.size(), expected.size());
    for (std::size_t id = 0; id < logits.size(); ++id) {
      // Logits of about 3 after a hundred float sums: 1e-4 is far from any error of meaning.
      ASSERT_NEAR(static_cast<double>(logits[id]), expected[id], 1e-4) << count << " " << id;
    }
  }
}

TEST(LlamaDecoder, ComputesWhatTheDefinitionSays) {
  expect_naive_logits({});
  testing::TinyLlama other;
  other.tied = false;
  other.hidden = 64;
  other.heads = 2;
  other.kv_heads = 1;
  other.intermediate = 33;
  expect_naive_logits(other);
}

TEST(LlamaDecoder, GivesOneRowOfLogitsForEveryWantedToken) {
  const auto decoder = make_decoder(testing::TinyLlama{}.checkpoint(), {1});
  const auto tokens = some_tokens(5, decoder->config().vocabulary);
  const auto vocabulary = static_cast<std::size_t>(decoder->config().vocabulary);
  auto cache = decoder->new_cache();
  EXPECT_TRUE(forward(*decoder, cache, tokens, 0).empty());
  EXPECT_EQ(cache.length(), 5);
  EXPECT_EQ(forward(*decoder, cache, tokens, 5).size(), 5 * vocabulary);
  EXPECT_EQ(cache.length(), 10);
  EXPECT_TRUE(decoder->forward({}).empty());
}

TEST(LlamaDecoder, WrongInputsAreRefusedBeforeAnyWork) {
  const auto decoder = make_decoder(testing::TinyLlama{}.checkpoint(), {1});
  auto cache = decoder->new_cache();
  const auto refusal = [&](std::vector<DecoderInput> inputs) -> std::string {
    try {
      decoder->forward(inputs);
    } catch (const std::invalid_argument& error) {
      return error.what();
    }
    return "(none)";
  };
  const std::vector<TokenId> good = {1, 2};
  const std::vector<TokenId> bad = {1, 289};
  const std::vector<TokenId> negative = {-1};
  const std::vector<TokenId> many(257, 3);
  EXPECT_EQ(refusal({{nullptr, good, 1}}), "forward: input 0: expected a cache, got none");
  EXPECT_EQ(refusal({{&cache, good, 1}, {&cache, good, 1}}),
            "forward: input 1: the cache of input 0 again");
  EXPECT_EQ(refusal({{&cache, bad, 1}}), "forward: input 0: expected ids in [0, 289), got 289");
  EXPECT_EQ(refusal({{&cache, negative, 1}}), "forward: input 0: expected ids in [0, 289), got -1");
  EXPECT_EQ(refusal({{&cache, many, 1}}),
            "forward: input 0: expected at most 256 positions, got 0 and 257 more");
  EXPECT_EQ(refusal({{&cache, good, 3}}), "forward: input 0: expected logit_rows in [0, 2], got 3");
  KvCache foreign(2, 24, 256);
  EXPECT_EQ(refusal({{&foreign, good, 1}}), "forward: input 0: the cache is of another model");
  EXPECT_EQ(cache.length(), 0);
  EXPECT_THROW(cache.truncate(1), std::invalid_argument);
  EXPECT_THROW(cache.truncate(-1), std::invalid_argument);
}

TEST(LlamaDecoder, MissingAndMisshapenTensorsAreNamed) {
  auto checkpoint = testing::TinyLlama{}.checkpoint();
  checkpoint.tensors.at("model.layers.1.self_attn.k_proj.weight").shape = {72, 24};
  EXPECT_EQ(error_text([&] { make_decoder(checkpoint, {1}); }),
            "tiny: tensor model.layers.1.self_attn.k_proj.weight: expected shape [24, 72], got "
            "[72, 24]");
  checkpoint = testing::TinyLlama{}.checkpoint();
  checkpoint.tensors.erase("model.norm.weight");
  EXPECT_EQ(error_text([&] { make_decoder(checkpoint, {1}); }),
            "tiny: tensor model.norm.weight: expected shape [72], but the file has no such tensor");
  checkpoint = testing::TinyLlama{}.checkpoint();
  auto config = nlohmann::json::parse(checkpoint.files["config.json"]);
  config["num_hidden_layers"] = 30'000'000;  // refused, not allocated
  checkpoint.files["config.json"] = config.dump();
  EXPECT_EQ(
      error_text([&] { make_decoder(checkpoint, {1}); }),
      "tiny: tensor model.layers.29999999.input_layernorm.weight: expected shape [72], but the "
      "file has no such tensor");
  checkpoint = testing::TinyLlama{}.checkpoint();
  checkpoint.files.erase("tokenizer.json");
  EXPECT_EQ(error_text([&] { make_decoder(checkpoint, {1}); }),
            "tiny/tokenizer.json: expected this file beside the weights, found none");
}

TEST(DecoderConfig, ModelsThatAreNoPlainLlamaAreRefusedByKey) {
  const auto with = [](const std::string& key, const nlohmann::json& value) {
    auto checkpoint = testing::TinyLlama{}.checkpoint();
    auto config = nlohmann::json::parse(checkpoint.files["config.json"]);
    config[key] = value;
    checkpoint.files["config.json"] = config.dump();
    return error_text([&] { DecoderConfig::from_checkpoint(checkpoint); });
  };
  EXPECT_EQ(with("model_type", "gpt2"),
            "tiny/config.json: model_type: expected \"llama\", got \"gpt2\"");
  EXPECT_EQ(with("hidden_size", "big"),
            "tiny/config.json: hidden_size: expected a positive integer, got \"big\"");
  EXPECT_EQ(with("num_hidden_layers", 0),
            "tiny/config.json: num_hidden_layers: expected a positive integer, got 0");
  EXPECT_EQ(with("num_attention_heads", 7),
            "tiny/config.json: num_attention_heads: expected heads of an even size in 72 columns, "
            "got 7");
  EXPECT_EQ(with("num_key_value_heads", 4),
            "tiny/config.json: num_key_value_heads: expected a divisor of 6, got 4");
  EXPECT_EQ(with("attention_bias", true),
            "tiny/config.json: attention_bias: expected false, got true");
  EXPECT_EQ(with("hidden_act", "gelu"),
            "tiny/config.json: hidden_act: expected \"silu\", got \"gelu\"");
  EXPECT_EQ(with("eos_token_id", 9999),
            "tiny/config.json: eos_token_id: expected an id below 289, got 9999");
  EXPECT_EQ(with("rms_norm_eps", -1.0),
            "tiny/config.json: rms_norm_eps: expected a positive number, got -1.0");
  EXPECT_THAT(with("rope_scaling", {{"rope_type", "llama3"}, {"factor", 8.0}}),
              HasSubstr("rope_scaling: expected the rope_type default, got \"llama3\""));
  EXPECT_EQ(with("eos_token_id", nlohmann::json::array({2, 0})), "(no error)");
  EXPECT_EQ(with("rope_scaling", nullptr), "(no error)");
}

TEST(GreedyToken, TakesTheLowestIdAmongEqualsAndRefusesNan) {
  EXPECT_EQ(greedy_token(std::vector<float>{-1.0F, 3.0F, 3.0F, 2.0F}), 1);
  EXPECT_EQ(greedy_token(std::vector<float>{-std::numeric_limits<float>::infinity(), -5.0F}), 1);
  EXPECT_EQ(greedy_token(std::vector<float>{0.0F, -0.0F}), 0);
  try {
    greedy_token(std::vector<float>{1.0F, 2.0F, std::numeric_limits<float>::quiet_NaN()});
    FAIL();
  } catch (const std::runtime_error& error) {
    EXPECT_THAT(error.what(), HasSubstr("the logit of token 2 is not a number"));
  }
  EXPECT_THROW(greedy_token({}), std::runtime_error);
}

TEST(GenerateGreedily, EqualsOneTokenAfterTheOtherAndStopsAtEos) {
  const auto checkpoint = testing::TinyLlama{}.checkpoint();
  const auto decoder = make_decoder(checkpoint, {1});
  const auto prompt = some_tokens(9, decoder->config().vocabulary);
  auto cache = decoder->new_cache();
  const auto generated = generate_greedily(*decoder, cache, prompt, 12);
  ASSERT_FALSE(generated.empty());
  auto sequence = prompt;
  for (const auto token : generated) {
    auto fresh = decoder->new_cache();
    EXPECT_EQ(greedy_token(forward(*decoder, fresh, sequence, 1)), token);
    sequence.push_back(token);
  }

  // The same model that calls its own third token the end.
  auto stopping = checkpoint;
  auto config = nlohmann::json::parse(stopping.files["config.json"]);
  ASSERT_GE(generated.size(), 3u);
  config["eos_token_id"] = generated[2];
  stopping.files["config.json"] = config.dump();
  const auto first = std::find(generated.begin(), generated.end(), generated[2]);
  const auto second = make_decoder(stopping, {1});
  auto other = second->new_cache();
  EXPECT_EQ(generate_greedily(*second, other, prompt, 12),
            (std::vector<TokenId>(generated.begin(), first)));
  EXPECT_TRUE(generate_greedily(*second, other, prompt, 0).empty());
  EXPECT_THROW(generate_greedily(*second, other, {}, 1), std::invalid_argument);
}

TEST(Rope, SineAndCosineAreExactToFloat) {
  double worst = 0.0;
  for (int i = 0; i < 200'000; ++i) {
    const double angle = (i % 2 == 0 ? 1.0 : -1.0) * i * 0.73;
    const auto got = detail::sine_cosine(angle);
    worst = std::max(
        {worst, std::abs(got.sine - std::sin(angle)), std::abs(got.cosine - std::cos(angle))});
  }
  EXPECT_LT(worst, 1e-9);
}

}  // namespace
}  // namespace rookery::engine
