#include "launch/open_retriever.hpp"

#include <gtest/gtest.h>

#include "tests/support/error_text.hpp"
#include "tests/support/temp_folder.hpp"

namespace rookery::launch {
namespace {

using rookery::testing::error_text;

TEST(OpenRetrieverTest, KOutsideItsRangeIsRefused) {
  EXPECT_EQ(error_text([] { checked_k(0); }),
            "-k: expected a number of documents in [1, 1024], got 0");
  EXPECT_EQ(error_text([] { checked_k(10000); }),
            "-k: expected a number of documents in [1, 1024], got 10000");
  EXPECT_EQ(checked_k(1024), 1024);
}

TEST(OpenRetrieverTest, AnEmptyTargetIsRefused) {
  EXPECT_EQ(
      error_text([] { (void)open_retriever(""); }),
      "expected a colony's name, its YAML file, a snapshot's folder or tcp://HOST:PORT, got ''");
}

TEST(OpenRetrieverTest, AFolderThatIsNoSnapshotIsNamed) {
  const rookery::testing::TempFolder folder;
  const std::string text = error_text([&] { (void)open_retriever(folder.path().string()); });
  EXPECT_NE(text.find(folder.path().string()), std::string::npos) << text;
}

TEST(OpenRetrieverTest, AnEncoderThatDoesNotFitTheIndexIsRefused) {
  retriever_pool::IndexDescription index;
  index.generation = "7f3a";
  index.encoder_hash = std::string(64, 'a');
  index.encoder_name = "minilm";
  index.pooling = "mean";
  index.normalised = true;
  index.dimension = 384;
  engine::EncoderIdentity encoder;
  encoder.name = "other";
  encoder.model_hash = std::string(64, 'a');
  encoder.dimension = 384;
  encoder.pooling = "mean";
  encoder.normalised = true;
  EXPECT_EQ(error_text([&] { check_encoder_fits(index, encoder); }), "(no error)");
  encoder.model_hash = std::string(64, 'b');
  EXPECT_NE(error_text([&] { check_encoder_fits(index, encoder); }), "(no error)");
  encoder.trained_against = index.encoder_hash;  // a question encoder fine-tuned for this index
  EXPECT_EQ(error_text([&] { check_encoder_fits(index, encoder); }), "(no error)");
  encoder.dimension = 768;
  EXPECT_NE(error_text([&] { check_encoder_fits(index, encoder); }), "(no error)");
  encoder.dimension = 384;
  encoder.pooling = "cls";
  EXPECT_NE(error_text([&] { check_encoder_fits(index, encoder); }), "(no error)");
}

}  // namespace
}  // namespace rookery::launch
