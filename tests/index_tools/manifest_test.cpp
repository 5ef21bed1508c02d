#include "index_tools/manifest.hpp"

#include "base/error.hpp"
#include "index_tools/index_spec.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

#include <functional>

namespace rookery::index_tools {
namespace {

using ::testing::HasSubstr;
using Json = nlohmann::json;

Manifest sample() {
  Manifest manifest;
  manifest.generation = "7f3a00112233";
  manifest.build_key = std::string(64, 'b');
  manifest.corpus = "wiki \"summaries\" é";
  manifest.dimension = 4;
  manifest.sources = 2;
  manifest.passages = 3;
  manifest.next_id = 3;
  manifest.next_source = 2;
  manifest.content_key = std::string(64, 'd');
  manifest.encoder = {"minilm", std::string(64, 'e'), "", 4, "mean", true, 256};
  for (std::int32_t shard = 0; shard < 2; ++shard) {
    ShardEntry entry{shard, 2 - shard, {}};
    const std::string folder = "shard-" + std::to_string(shard) + "/";
    const std::string hash(64, 'c');
    entry.files.push_back({folder + "ids", entry.passages * 8, {0x9c1b02eeU}, hash});
    entry.files.push_back({folder + "passages", (1 << 20) + 5, {1U, 0xffffffffU}, hash});
    entry.files.push_back({folder + "vectors", entry.passages * 16, {0U}, hash});
    manifest.shards.push_back(entry);
  }
  return manifest;
}

std::string complaint(const std::string& text) {
  try {
    Manifest::from_json(text, "wiki/manifest.json");
  } catch (const base::UserError& error) {
    return error.what();
  }
  return "accepted";
}

TEST(Manifest, ComesBackAsItWasWritten) {
  const Manifest before = sample();
  const Manifest after = Manifest::from_json(before.to_json(), "m");
  EXPECT_EQ(after.to_json(), before.to_json());
  EXPECT_EQ(after.corpus, before.corpus);
  EXPECT_EQ(after.encoder.model_hash, before.encoder.model_hash);
  EXPECT_TRUE(after.encoder.normalised);
  ASSERT_EQ(after.shards.size(), 2u);
  EXPECT_EQ(after.shards[1].passages, 1);
  EXPECT_EQ(after.shards[0].files[1].crc32c, (std::vector<std::uint32_t>{1U, 0xffffffffU}));
  EXPECT_EQ(after.shards[0].files[1].bytes, (1 << 20) + 5);
}

TEST(Manifest, NoFlippedBitGoesUnseen) {
  const std::string text = sample().to_json();
  for (std::size_t byte = 0; byte < text.size(); ++byte) {
    for (int bit = 0; bit < 8; ++bit) {
      std::string flipped = text;
      flipped[byte] = static_cast<char>(flipped[byte] ^ (1 << bit));
      ASSERT_NE(complaint(flipped), "accepted") << "byte " << byte << " bit " << bit;
    }
  }
}

TEST(Manifest, NoTruncationGoesUnseen) {
  const std::string text = sample().to_json();
  for (std::size_t bytes = 0; bytes + 1 < text.size(); ++bytes) {
    ASSERT_THAT(complaint(text.substr(0, bytes)), HasSubstr("is not JSON")) << bytes;
  }
}

TEST(Manifest, RefusesOtherVersionsWithARemedy) {
  Json document = Json::parse(sample().to_json());
  for (const int version : {0, 3}) {
    document["schema"] = version;
    EXPECT_EQ(complaint(document.dump()),
              "wiki/manifest.json: schema: expected a version in [1, 2], got " +
                  std::to_string(version) +
                  "; build the snapshot again with this version of rookery");
  }
}

/// A manifest that is wrong and yet matches its own checksum, as a faulty writer would leave it.
std::string complaint_about(const std::function<void(Manifest&)>& change) {
  Manifest manifest = sample();
  change(manifest);
  return complaint(manifest.to_json());
}

TEST(Manifest, RefusesContentsThatContradictEachOther) {
  EXPECT_EQ(complaint_about([](Manifest&) {}), "accepted");
  EXPECT_THAT(complaint_about([](Manifest& m) { m.passages = 4; }),
              HasSubstr("passages: expected the shards' sum 3, got 4"));
  EXPECT_THAT(complaint_about([](Manifest& m) { m.dimension = 5; }),
              HasSubstr("dimension: expected the encoder's 4, got 5"));
  EXPECT_THAT(complaint_about([](Manifest& m) { m.shards[0].files[0].bytes = 17; }),
              HasSubstr("shards[0].files[0]: bytes: expected 16 for 2 passages, got 17"));
  EXPECT_THAT(complaint_about([](Manifest& m) { m.shards[0].files[2].bytes = 0; }),
              HasSubstr("shards[0].files[2]: crc32c: expected 0 block checksums"));
  EXPECT_THAT(complaint_about([](Manifest& m) { m.shards[1].files.pop_back(); }),
              HasSubstr("shards[1].files: expected an entry for 'vectors'"));
  EXPECT_THAT(complaint_about([](Manifest& m) { m.shards[1].shard = 0; }),
              HasSubstr("shards[1]: shard: expected an integer in [1, 1], got 0"));
  EXPECT_THAT(complaint_about([](Manifest& m) { m.shards.clear(); }),
              HasSubstr("shards: expected 1 to 1024 entries, got 0"));
  EXPECT_THAT(complaint_about([](Manifest& m) { m.metric = "dot"; }),
              HasSubstr("metric: expected 'inner_product', 'l2' or 'cosine', got \"dot\""));
  EXPECT_THAT(complaint_about([](Manifest& m) { m.generation = "../x"; }),
              HasSubstr("generation: expected lower-case hex digits"));
  EXPECT_THAT(complaint_about([](Manifest& m) { m.shards[0].files[0].sha256 = "00"; }),
              HasSubstr("sha256: expected 64 lower-case hex digits"));
}

TEST(Manifest, RefusesKindsThatContradictTheFiles) {
  const auto add_file = [](Manifest& m, const std::string& name, std::int64_t bytes) {
    for (ShardEntry& shard : m.shards) {
      shard.files.push_back(
          {"shard-" + std::to_string(shard.shard) + "/" + name, bytes, {0U}, std::string(64, 'c')});
    }
  };
  EXPECT_EQ(
      complaint_about([&](Manifest& m) {
        m.indexes = {to_string(parse_index_spec("int8")), to_string(parse_index_spec("bm25"))};
        add_file(m, "int8", 1000);
        add_file(m, "bm25", 1000);
      }),
      "accepted");
  EXPECT_THAT(complaint_about([](Manifest& m) { m.indexes = {"int8"}; }),
              HasSubstr("shards[0].files: expected an entry for 'int8', found none"));
  EXPECT_THAT(complaint_about([&](Manifest& m) { add_file(m, "hnsw", 1000); }),
              HasSubstr("expected no entry for 'hnsw', which the manifest does not announce"));
  EXPECT_THAT(complaint_about([&](Manifest& m) { add_file(m, "values", 8); }), HasSubstr("values"));
  EXPECT_THAT(complaint_about([&](Manifest& m) {
                m.values = true;
                add_file(m, "values", 8);
              }),
              HasSubstr("shards[1].files[3]: bytes: expected 4 for 1 passages, got 8"));
  EXPECT_THAT(complaint_about([&](Manifest& m) {
                m.indexes = {"int8"};
                add_file(m, "int8", 31);
              }),
              HasSubstr("bytes: expected at least 32 for 2 passages, got 31"));
  EXPECT_THAT(complaint_about([](Manifest& m) { m.vectors = VectorType::kFloat16; }),
              HasSubstr("bytes: expected 16 for 2 passages, got 32"));
  EXPECT_THAT(complaint_about([](Manifest& m) { m.vectors = VectorType::kNone; }),
              HasSubstr("dimension: expected an integer in [0, 0], got 4"));
  EXPECT_THAT(complaint_about([](Manifest& m) { m.indexes = {"int9"}; }),
              HasSubstr("indexes: expected specs of this version"));
  EXPECT_THAT(complaint_about([](Manifest& m) { m.indexes = {"bm25"}; }),
              HasSubstr("indexes: expected complete specs, each kind once"));
  EXPECT_THAT(complaint_about([](Manifest& m) {
                m.indexes = {to_string(parse_index_spec("bm25")), "int8"};
              }),
              HasSubstr("by rising kind"));
  EXPECT_THAT(complaint_about([](Manifest& m) { m.next_id = -1; }),
              HasSubstr("next_id: expected an integer in [0, "));
}

TEST(Manifest, RefusesPathsThatLeaveTheShardsFolder) {
  for (const char* path :
       {"../ids", "shard-0/../ids", "/etc/passwd", "shard-1/ids", "shard-0/", "shard-0/.."}) {
    EXPECT_THAT(complaint_about([&](Manifest& m) { m.shards[0].files[0].path = path; }),
                HasSubstr("path: expected a file name below shard-0/"))
        << path;
  }
}

TEST(CheckEncoderFits, TakesTheSameModelOrOneTrainedAgainstIt) {
  const Manifest manifest = sample();
  engine::EncoderIdentity encoder = manifest.encoder;
  encoder.name = "another name";
  EXPECT_NO_THROW(check_encoder_fits(manifest, encoder));
  encoder.model_hash = std::string(64, 'f');
  encoder.trained_against = manifest.encoder.model_hash;
  EXPECT_NO_THROW(check_encoder_fits(manifest, encoder));
}

TEST(CheckEncoderFits, RefusesOthersAndNamesBoth) {
  const Manifest manifest = sample();
  const auto refusal = [&](const std::function<void(engine::EncoderIdentity&)>& change) {
    engine::EncoderIdentity encoder = manifest.encoder;
    encoder.name = "other";
    change(encoder);
    try {
      check_encoder_fits(manifest, encoder);
    } catch (const base::UserError& error) {
      return std::string(error.what());
    }
    return std::string("accepted");
  };
  EXPECT_EQ(refusal([](auto& e) { e.model_hash = std::string(64, 'f'); }),
            "the encoder does not fit generation 7f3a00112233: expected minilm (model "
            "eeeeeeeeeeee, 4-d, mean pooling, normalised), or one trained against it, got other "
            "(model ffffffffffff, 4-d, mean pooling, normalised); use that encoder, or build a "
            "snapshot with this one");
  EXPECT_THAT(refusal([](auto& e) { e.dimension = 8; }), HasSubstr("8-d"));
  EXPECT_THAT(refusal([](auto& e) { e.pooling = "cls"; }), HasSubstr("cls pooling"));
  EXPECT_THAT(refusal([](auto& e) { e.normalised = false; }), HasSubstr("not normalised"));
}

}  // namespace
}  // namespace rookery::index_tools
