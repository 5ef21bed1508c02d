#include "engine/bert_encoder.hpp"

#include "base/atomic_file.hpp"
#include "base/error.hpp"
#include "base/subprocess.hpp"
#include "engine/detail/instruction_set.hpp"
#include "engine/text_encoder.hpp"
#include "tests/support/temp_folder.hpp"
#include "tests/text/wiki_passages.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <cstdlib>
#include <cstring>
#include <functional>
#include <limits>
#include <map>
#include <string>
#include <string_view>
#include <vector>

namespace rookery::engine {
namespace {

using ::testing::EndsWith;
using ::testing::HasSubstr;

constexpr std::size_t kDimension = 384;

std::vector<float> row_of(const std::vector<float>& vectors, std::size_t row) {
  return {vectors.begin() + static_cast<std::ptrdiff_t>(row * kDimension),
          vectors.begin() + static_cast<std::ptrdiff_t>((row + 1) * kDimension)};
}

bool same_bits(const std::vector<float>& a, const std::vector<float>& b) {
  return a.size() == b.size() && std::memcmp(a.data(), b.data(), a.size() * sizeof(float)) == 0;
}

class MiniLm : public ::testing::Test {
 protected:
  static void SetUpTestSuite() {
    checkpoint = std::make_unique<Checkpoint>(load_checkpoint(resolve_model("minilm")));
  }
  static void TearDownTestSuite() { checkpoint.reset(); }

  static std::unique_ptr<TextEncoder> encoder(int threads) {
    return make_text_encoder(*checkpoint, {.threads = threads});
  }
  /// What making an encoder of a changed checkpoint complains about. The tensors are not copied.
  static std::string complaint(const std::function<void(Checkpoint&)>& change) {
    Checkpoint changed;
    changed.path = "model";
    changed.files = checkpoint->files;
    change(changed);
    try {
      (void)make_text_encoder(changed, {.threads = 1});
    } catch (const base::UserError& error) {
      return error.what();
    }
    return "nothing thrown";
  }

  static inline std::unique_ptr<Checkpoint> checkpoint;
};

TEST_F(MiniLm, VectorsAreThoseOfSentenceTransformers) {
  const auto bytes = base::read_file(rookery::testing::data_folder() / "minilm_vectors.f32");
  std::vector<float> expected(bytes.size() / sizeof(float));
  std::memcpy(expected.data(), bytes.data(), bytes.size());
  ASSERT_EQ(expected.size(), 64 * kDimension);

  const auto vectors = encoder(2)->encode(rookery::testing::wiki_passages("en-us", 156, 64));

  ASSERT_EQ(vectors.size(), expected.size());
  for (std::size_t row = 0; row < 64; ++row) {
    double product = 0.0;
    double length = 0.0;
    double difference = 0.0;
    for (std::size_t i = row * kDimension; i < (row + 1) * kDimension; ++i) {
      const auto a = static_cast<double>(vectors[i]);
      const auto b = static_cast<double>(expected[i]);
      product += a * b;
      length += a * a;
      difference = std::max(difference, std::abs(a - b));
    }
    EXPECT_NEAR(product, 1.0, 1e-5) << "passage " << row;
    EXPECT_NEAR(length, 1.0, 1e-6);
    EXPECT_LT(difference, 2e-6) << "passage " << row;  // float32 sums in another order
  }
}

TEST_F(MiniLm, AVectorHasTheSameBytesAloneInAnyBatchAndWithAnyThreads) {
  auto texts = rookery::testing::wiki_passages("en-us", 700, 13);
  texts.insert(texts.begin() + 4, {"", "who proposed the actor model", "x", texts[0]});
  const auto one = encoder(1);
  const auto together = one->encode(texts);
  EXPECT_TRUE(same_bits(row_of(together, 0), row_of(together, 7)));
  for (std::size_t i = 0; i < texts.size(); ++i) {
    EXPECT_TRUE(same_bits(one->encode(std::span(texts).subspan(i, 1)), row_of(together, i)))
        << "alone: " << texts[i];
  }
  for (const int threads : {2, 3}) {
    const auto several = encoder(threads);
    EXPECT_TRUE(same_bits(several->encode(texts), together)) << threads << " threads";
    for (std::size_t count = 1; count <= 6; ++count) {
      const auto some = several->encode(std::span(texts).subspan(2, count));
      for (std::size_t i = 0; i < count; ++i) {
        EXPECT_TRUE(same_bits(row_of(some, i), row_of(together, i + 2)))
            << count << " texts, " << threads << " threads";
      }
    }
  }
}

/// Short, since the plain twin computes them too; 40 tokens, so that tiles, tails and panels occur.
std::vector<std::string> texts_for_every_set() {
  return {"who proposed the actor model, and in which year did they do so?",
          "An actor is a unit of computation: it answers a message by sending messages, by "
          "creating actors and by choosing its next behaviour."};
}

/// Writes vectors to the file that ROOKERY_VECTORS names; for the test behind it, which runs it in
/// processes of their own, since a process chooses its instruction set once.
TEST_F(MiniLm, DISABLED_WritesVectors) {
  const char* file = std::getenv("ROOKERY_VECTORS");
  ASSERT_NE(file, nullptr);
  const auto vectors = encoder(2)->encode(texts_for_every_set());
  base::write_file_atomically(
      file, std::string_view(reinterpret_cast<const char*>(vectors.data()), vectors.size() * 4));
}

TEST_F(MiniLm, VectorsHaveTheSameBytesInEveryInstructionSet) {
  const rookery::testing::TempFolder folder;
  std::map<std::string, std::string> vectors;
  for (const std::string set : {"plain", "avx2", "avx512"}) {
    const auto file = folder / set;
    base::Subprocess child(
        {.command = {"/proc/self/exe", "--gtest_filter=MiniLm.DISABLED_WritesVectors",
                     "--gtest_also_run_disabled_tests"},
         .environment = {{"ROOKERY_ISA", set}, {"ROOKERY_VECTORS", file.string()}},
         .log = folder / "log"});
    ASSERT_EQ(child.wait(), 0) << base::read_file(folder / "log");
    vectors[set] = base::read_file(file);
  }
  ASSERT_EQ(vectors["plain"].size(), 2 * kDimension * sizeof(float));
  EXPECT_TRUE(vectors["avx2"] == vectors["plain"]);
  EXPECT_TRUE(vectors["avx512"] == vectors["plain"]);
}

TEST_F(MiniLm, LongTextsAreCutAtTheModelsLimit) {
  const auto minilm = encoder(2);
  std::string text = "one";
  for (int i = 0; i < 253; ++i) text += " two";  // 254 words and the frame: 256 tokens
  const std::vector<std::string> texts = {text, text + " three four"};
  const auto vectors = minilm->encode(texts);
  EXPECT_TRUE(same_bits(row_of(vectors, 0), row_of(vectors, 1)));
  EXPECT_EQ(minilm->identity().tokens_max, 256);
}

TEST_F(MiniLm, NoTextsGiveNoVectors) { EXPECT_TRUE(encoder(1)->encode({}).empty()); }

TEST_F(MiniLm, IdentityNamesTheModel) {
  auto trained = *checkpoint;
  trained.files["rookery.json"] = R"({"trained_against": "abc123"})";
  const auto changed = make_text_encoder(trained, {.threads = 1});
  EXPECT_EQ(changed->identity().trained_against, "abc123");
  const auto original = encoder(1);
  const auto& identity = original->identity();
  EXPECT_EQ(identity.model_hash, checkpoint->sha256);
  EXPECT_EQ(identity.model_hash.size(), 64u);
  EXPECT_EQ(identity.trained_against, "");
  EXPECT_EQ(identity.dimension, 384);
  EXPECT_EQ(identity.pooling, "mean");
  EXPECT_TRUE(identity.normalised);
  EXPECT_THAT(identity.name, HasSubstr("minilm"));
}

TEST_F(MiniLm, ComplaintsNameFileKeyAndTensor) {
  const auto replace = [](const std::string& from, const std::string& to) {
    return [=](Checkpoint& model) {
      auto& text = model.files.at("config.json");
      const auto at = text.find(from);
      ASSERT_NE(at, std::string::npos);
      text.replace(at, from.size(), to);
    };
  };
  EXPECT_EQ(complaint(replace("\"hidden_size\"", "\"hidden\"")),
            "model: config.json: hidden_size: expected an integer of at least 1, got nothing");
  EXPECT_EQ(complaint(replace("\"num_attention_heads\": 12", "\"num_attention_heads\": 7")),
            "model: config.json: num_attention_heads: expected a divisor of hidden_size (384), "
            "got 7");
  EXPECT_EQ(complaint(replace("\"gelu\"", "\"relu\"")),
            "model: config.json: hidden_act: expected 'gelu', the one kind this encoder computes, "
            "got \"relu\"");
  EXPECT_EQ(complaint(replace("}", "")), "model: config.json: expected JSON, it cannot be parsed");
  EXPECT_THAT(complaint([](Checkpoint& model) { model.files.erase("config.json"); }),
              HasSubstr("there is no config.json beside its weights"));
  EXPECT_EQ(complaint([](Checkpoint& model) {
              model.files.erase("tokenizer.json");
              model.files.erase("vocab.txt");
            }),
            "model: expected tokenizer.json or vocab.txt beside the weights, found neither");
  EXPECT_THAT(complaint([](Checkpoint& model) {
                model.files["sentence_bert_config.json"] = R"({"max_seq_length": 1000})";
              }),
              EndsWith("max_seq_length: expected at most max_position_embeddings (512), got 1000"));
  EXPECT_THAT(complaint([](Checkpoint& model) {
                model.files["1_Pooling/config.json"] = R"({"pooling_mode_max_tokens": true})";
              }),
              HasSubstr("expected exactly one of pooling_mode_mean_tokens"));
  EXPECT_THAT(complaint([](Checkpoint&) {}),
              HasSubstr("tensor embeddings.word_embeddings.weight: expected shape"));
}

TEST_F(MiniLm, WeightsOfAnotherShapeOrNotFiniteAreRefused) {
  auto changed = *checkpoint;
  changed.tensors.at("encoder.layer.3.output.dense.bias").shape = {383};
  try {
    (void)make_text_encoder(changed, {.threads = 1});
    FAIL() << "took a bias of another shape";
  } catch (const base::UserError& error) {
    EXPECT_THAT(error.what(), HasSubstr("encoder.layer.3.output.dense.bias: expected shape"));
  }
  changed = *checkpoint;
  changed.tensors.at("encoder.layer.3.output.dense.bias").values[17] =
      std::numeric_limits<float>::quiet_NaN();
  try {
    (void)make_text_encoder(changed, {.threads = 1});
    FAIL() << "took a NaN";
  } catch (const base::UserError& error) {
    EXPECT_THAT(error.what(),
                HasSubstr("encoder.layer.3.output.dense.bias: expected finite numbers, got nan at "
                          "element 17"));
  }
}

TEST_F(MiniLm, ClsPoolingTakesTheFirstRow) {
  auto changed = *checkpoint;
  changed.files["1_Pooling/config.json"] =
      R"({"pooling_mode_cls_token": true, "pooling_mode_mean_tokens": false})";
  changed.files["modules.json"] = R"([{"type": "sentence_transformers.models.Transformer"}])";
  const auto encoder = make_text_encoder(changed, {.threads = 2});
  EXPECT_EQ(encoder->identity().pooling, "cls");
  EXPECT_FALSE(encoder->identity().normalised);
  const std::vector<std::string> texts = {"a first text", "and a second, longer one"};
  const auto vectors = encoder->encode(texts);
  double length = 0.0;
  for (const float value : row_of(vectors, 0)) {
    length += static_cast<double>(value) * static_cast<double>(value);
  }
  EXPECT_GT(std::abs(std::sqrt(length) - 1.0), 0.1);
  EXPECT_FALSE(same_bits(row_of(vectors, 0), row_of(vectors, 1)));
}

TEST(PassageText, JoinsTitleAndTextOnlyWhereThereIsATitle) {
  EXPECT_EQ(passage_text("Actor model", "A model."), "Actor model. A model.");
  EXPECT_EQ(passage_text("", "A model."), "A model.");
}

}  // namespace
}  // namespace rookery::engine
