#include "engine/detail/gguf.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstring>
#include <fstream>
#include <nlohmann/json.hpp>
#include <random>

#include "base/atomic_file.hpp"
#include "engine/decoder.hpp"
#include "engine/detail/dequantise.hpp"
#include "engine/weights.hpp"
#include "tests/engine/gguf_builder.hpp"
#include "tests/engine/tiny_llama.hpp"
#include "tests/support/error_text.hpp"
#include "tests/support/seed.hpp"
#include "tests/support/temp_folder.hpp"

namespace rookery::engine {
namespace {

using ::testing::AllOf;
using ::testing::EndsWith;
using testing::error_text;
using testing::GgufBuilder;
using ::testing::HasSubstr;
using ::testing::StartsWith;

/// HF's rows of a rotated matrix in the order in which a GGUF stores them.
std::vector<float> interleave_heads(const Tensor& tensor, std::int64_t heads) {
  const auto columns = tensor.shape[1];
  const auto size = tensor.shape[0] / heads;
  std::vector<float> result(tensor.values.size());
  for (std::int64_t head = 0; head < heads; ++head) {
    for (std::int64_t pair = 0; pair < size / 2; ++pair) {
      for (std::int64_t side = 0; side < 2; ++side) {
        const auto from = head * size + side * (size / 2) + pair;
        const auto to = head * size + 2 * pair + side;
        std::copy_n(tensor.values.begin() + from * columns, columns, result.begin() + to * columns);
      }
    }
  }
  return result;
}

/// The tiny model as a GGUF.
GgufBuilder tiny_gguf() {
  const testing::TinyLlama tiny;
  const auto checkpoint = tiny.checkpoint();
  GgufBuilder gguf;
  gguf.add_text("general.architecture", "llama");
  gguf.add_integer("llama.block_count", static_cast<std::uint32_t>(tiny.layers));
  gguf.add_integer("llama.context_length", static_cast<std::uint32_t>(tiny.positions));
  gguf.add_integer("llama.embedding_length", static_cast<std::uint32_t>(tiny.hidden));
  gguf.add_integer("llama.feed_forward_length", static_cast<std::uint32_t>(tiny.intermediate));
  gguf.add_integer("llama.attention.head_count", static_cast<std::uint32_t>(tiny.heads));
  gguf.add_integer("llama.attention.head_count_kv", static_cast<std::uint32_t>(tiny.kv_heads));
  gguf.add_float("llama.rope.freq_base", 10'000.0F);
  gguf.add_float("llama.attention.layer_norm_rms_epsilon", 1e-5F);
  gguf.add_text("tokenizer.ggml.model", "gpt2");
  gguf.add_text("tokenizer.ggml.pre", "smollm");
  const auto tokenizer = nlohmann::json::parse(checkpoint.files.at("tokenizer.json"));
  std::vector<std::string> tokens(tokenizer["model"]["vocab"].size());
  for (const auto& [token, id] : tokenizer["model"]["vocab"].items())
    tokens[id.get<std::size_t>()] = token;
  std::vector<std::int32_t> types(tokens.size(), 1);
  std::fill_n(types.begin(), 3, 3);
  gguf.add_texts("tokenizer.ggml.tokens", tokens);
  gguf.add_integers("tokenizer.ggml.token_type", types);
  gguf.add_texts("tokenizer.ggml.merges", tokenizer["model"]["merges"]);
  gguf.add_integer("tokenizer.ggml.bos_token_id", 1);
  gguf.add_integer("tokenizer.ggml.eos_token_id", 2);

  const std::vector<std::pair<std::string, std::string>> inner = {
      {"input_layernorm", "attn_norm"}, {"post_attention_layernorm", "ffn_norm"},
      {"self_attn.q_proj", "attn_q"},   {"self_attn.k_proj", "attn_k"},
      {"self_attn.v_proj", "attn_v"},   {"self_attn.o_proj", "attn_output"},
      {"mlp.gate_proj", "ffn_gate"},    {"mlp.up_proj", "ffn_up"},
      {"mlp.down_proj", "ffn_down"}};
  const auto add = [&](const std::string& hf, const std::string& name, std::int64_t heads) {
    const auto& tensor = checkpoint.tensors.at(hf);
    gguf.add_floats(name, {tensor.shape.rbegin(), tensor.shape.rend()},
                    heads == 0 ? tensor.values : interleave_heads(tensor, heads));
  };
  add("model.embed_tokens.weight", "token_embd.weight", 0);
  add("model.norm.weight", "output_norm.weight", 0);
  for (int layer = 0; layer < tiny.layers; ++layer) {
    for (const auto& [hf, name] : inner) {
      const auto heads = name == "attn_q" ? tiny.heads : name == "attn_k" ? tiny.kv_heads : 0;
      add("model.layers." + std::to_string(layer) + "." + hf + ".weight",
          "blk." + std::to_string(layer) + "." + name + ".weight", heads);
    }
  }
  return gguf;
}

class GgufFileTest : public ::testing::Test {
 protected:
  std::filesystem::path write(const GgufBuilder& gguf) { return write(gguf.bytes()); }
  std::filesystem::path write(const std::string& bytes) {
    const auto path = folder / "model.gguf";
    std::ofstream(path, std::ios::binary) << bytes;
    return path;
  }
  std::string load_error(const GgufBuilder& gguf) {
    const auto path = write(gguf);
    return error_text([&] { load_checkpoint(path); });
  }
  testing::TempFolder folder;
};

TEST(Dequantise, GivesTheNumbersOfGgufPyBitForBit) {
  const auto blocks =
      nlohmann::json::parse(base::read_file(testing::data_folder() / "quants.json"));
  ASSERT_EQ(blocks.size(), 7u);
  for (const auto& block : blocks) {
    const auto bytes = block["bytes"].get<std::vector<std::uint8_t>>();
    const auto expected = block["values"].get<std::vector<float>>();
    std::vector<float> values(expected.size());
    detail::dequantise(block["type"].get<detail::QuantType>(), std::as_bytes(std::span(bytes)),
                       values);
    EXPECT_EQ(std::memcmp(values.data(), expected.data(), values.size() * sizeof(float)), 0)
        << block["name"];
  }
}

TEST(Dequantise, HalfPrecisionKeepsSubnormalsInfinityAndSigns) {
  EXPECT_EQ(detail::float_from_half(0x0001), 0x1p-24F);
  EXPECT_EQ(detail::float_from_half(0x83FF), -1023.0F * 0x1p-24F);
  EXPECT_EQ(detail::float_from_half(0x0400), 0x1p-14F);
  EXPECT_EQ(detail::float_from_half(0x7BFF), 65504.0F);
  EXPECT_EQ(detail::float_from_half(0xFC00), -std::numeric_limits<float>::infinity());
  EXPECT_TRUE(std::signbit(detail::float_from_half(0x8000)));
}

TEST_F(GgufFileTest, LoadsAsTheSameModelAsTheHfFolder) {
  const auto expected = testing::TinyLlama{}.checkpoint();

  const auto loaded = load_checkpoint(write(tiny_gguf()));

  ASSERT_EQ(loaded.tensors.size(), expected.tensors.size());
  for (const auto& [name, tensor] : expected.tensors)
    EXPECT_EQ(loaded.tensor(name, tensor.shape).values, tensor.values) << name;
  const auto config = DecoderConfig::from_checkpoint(loaded);
  EXPECT_EQ(config.kv_heads, 2);
  EXPECT_EQ(config.eos, 2);
  EXPECT_TRUE(config.tied_embeddings);
  EXPECT_EQ(loaded.sha256.size(), 64u);
  EXPECT_EQ(loaded.metadata.at("tokenizer.ggml.pre"), "smollm");
}

TEST_F(GgufFileTest, SavedAsAnHfFolderItLoadsAgainWithTheSameTokenizer) {
  const auto loaded = load_checkpoint(write(tiny_gguf()));

  save_checkpoint(loaded, folder / "saved");
  const auto again = load_checkpoint(folder / "saved");

  ASSERT_EQ(again.tensors.size(), loaded.tensors.size());
  for (const auto& [name, tensor] : loaded.tensors)
    EXPECT_EQ(again.tensor(name, tensor.shape).values, tensor.values) << name;
  EXPECT_EQ(again.files, loaded.files);
  const auto decoder = make_decoder(again, {1});
  const auto ids = decoder->tokenizer().encode("feed 42 beads");
  EXPECT_EQ(decoder->tokenizer().decode(ids), "feed 42 beads");
  EXPECT_EQ(ids.size(), 10u);  // fe e d Ġ 4 2 Ġ be a d s: minus one for the pair "ds"
}

TEST_F(GgufFileTest, EveryTruncationIsRefusedNamingTheFile) {
  const auto bytes = tiny_gguf().bytes();
  const std::string file = "cut.gguf";
  // All cuts through the directory, then some through the data.
  for (std::size_t size = 0; size < bytes.size(); size += size < 20'000 ? 7 : 4'999) {
    const auto cut = std::as_bytes(std::span(bytes)).first(size);
    const auto message = error_text([&] { detail::parse_gguf(cut, file); });
    ASSERT_THAT(message, StartsWith("cut.gguf: ")) << size;
  }
  const auto path = write(bytes.substr(0, bytes.size() - 1));
  EXPECT_THAT(error_text([&] { load_checkpoint(path); }),
              AllOf(HasSubstr("model.gguf: tensor blk.2.ffn_down.weight: lies outside of the file"),
                    EndsWith("(truncated?)")));
}

TEST_F(GgufFileTest, DamagedBytesGiveAModelOrAUserErrorNothingElse) {
  const auto bytes = tiny_gguf().bytes();
  std::mt19937_64 random(testing::seed());
  int refused = 0;
  for (int round = 0; round < 400; ++round) {
    auto damaged = bytes;
    for (int flips = 0; flips < 3; ++flips) damaged[random() % 9'000] = static_cast<char>(random());
    const auto path = write(damaged);
    try {
      load_checkpoint(path);
    } catch (const base::UserError&) {
      ++refused;
    }
  }
  EXPECT_GT(refused, 100);
}

TEST_F(GgufFileTest, WrongMagicAndVersionAreNamed) {
  auto gguf = tiny_gguf();
  gguf.magic = "GGML";
  EXPECT_THAT(load_error(gguf),
              EndsWith("model.gguf: not a GGUF file: it does not begin with 'GGUF'"));
  gguf.magic = "GGUF";
  gguf.version = 1;
  EXPECT_THAT(load_error(gguf), EndsWith("expected GGUF version 2 or 3, got 1"));
}

TEST_F(GgufFileTest, HugeClaimsAreRefusedBeforeAnythingIsAllocated) {
  auto gguf = tiny_gguf();
  gguf.tensors_more = std::int64_t{1} << 60;
  EXPECT_THAT(load_error(gguf), HasSubstr("truncated or damaged: it claims 11529215"));
  gguf = tiny_gguf();
  gguf.add("huge", 9,
           GgufBuilder::raw<std::uint32_t>(4) + GgufBuilder::raw(std::uint64_t{1} << 62));
  EXPECT_THAT(load_error(gguf),
              HasSubstr("metadata huge: truncated or damaged: a list of 4611686"));
  gguf = tiny_gguf();
  gguf.tensors[3].sizes = {std::uint64_t{1} << 40, std::uint64_t{1} << 40};
  EXPECT_THAT(load_error(gguf), HasSubstr("truncated or damaged: shape [1099511627776, 10995116"));
}

TEST_F(GgufFileTest, MisplacedTensorsAreNamed) {
  auto gguf = tiny_gguf();
  gguf.tensors.back().offset_shift = 1 << 20;
  EXPECT_THAT(load_error(gguf),
              HasSubstr("tensor blk.2.ffn_down.weight: lies outside of the file: 28800 bytes at"));
  gguf = tiny_gguf();
  gguf.tensors[1].offset_shift = -32;
  EXPECT_THAT(load_error(gguf), HasSubstr("tensor output_norm.weight: overlaps the tensor before"));
  gguf = tiny_gguf();
  gguf.tensors[1].offset_shift = 4;
  EXPECT_THAT(load_error(gguf), HasSubstr("expected an offset that is a multiple of 32, got"));
}

TEST_F(GgufFileTest, UnknownTypesNamesAndArchitecturesAreNamed) {
  auto gguf = tiny_gguf();
  gguf.tensors[0].type = 10;
  EXPECT_THAT(load_error(gguf),
              HasSubstr("tensor token_embd.weight: unknown quantisation: expected F32, F16, BF16, "
                        "Q4_0, Q4_1, Q8_0, Q4_K or Q6_K, got Q2_K"));
  gguf.tensors[0].type = 77;
  EXPECT_THAT(load_error(gguf), HasSubstr("got type 77"));
  gguf = tiny_gguf();
  gguf.tensors[0].type = 8;  // Q8_0, rows of 72
  EXPECT_THAT(load_error(gguf), HasSubstr("rows of 72 values are no whole blocks of Q8_0"));
  gguf = tiny_gguf();
  gguf.tensors[1].name = "rope_freqs.weight";
  EXPECT_THAT(load_error(gguf),
              HasSubstr("tensor rope_freqs.weight: is not part of a plain Llama model"));
  gguf = tiny_gguf();
  gguf.tensors[1].name = gguf.tensors[2].name;
  EXPECT_THAT(load_error(gguf), HasSubstr("is there twice"));
  gguf = tiny_gguf();
  gguf.remove("general.architecture");
  gguf.add_text("general.architecture", "qwen2");
  EXPECT_THAT(load_error(gguf),
              HasSubstr("metadata general.architecture: expected llama, got qwen2"));
}

TEST_F(GgufFileTest, FeaturesThatWouldChangeTheResultAreRefused) {
  auto gguf = tiny_gguf();
  gguf.add_text("llama.rope.scaling.type", "yarn");
  EXPECT_THAT(load_error(gguf), HasSubstr("llama.rope.scaling.type: expected none, got yarn"));
  gguf = tiny_gguf();
  gguf.remove("tokenizer.ggml.pre");
  gguf.add_text("tokenizer.ggml.pre", "qwen2");
  EXPECT_THAT(load_error(gguf),
              HasSubstr("tokenizer.ggml.pre: expected gpt-2 or smollm, got qwen2"));
  gguf = tiny_gguf();
  gguf.remove("llama.attention.head_count_kv");
  gguf.add_integer("llama.attention.head_count_kv", 0);
  EXPECT_THAT(load_error(gguf), HasSubstr("expected a positive 32-bit integer, got 0"));
}

}  // namespace
}  // namespace rookery::engine
