#include "trainer/patient_retriever.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/error.hpp"
#include "tests/trainer/tiny_models.hpp"
#include "trainer/pinned_retriever.hpp"

namespace rookery::trainer {
namespace {

using retriever_pool::RetrievalError;
using retriever_pool::RetrievalFault;
using std::chrono::milliseconds;
using testing::TinyPool;

class PatientRetrieverTest : public ::testing::Test {
 protected:
  PatientRetrieverTest()
      : pool_(new TinyPool),
        patient_(std::unique_ptr<retriever_pool::Retriever>(pool_),
                 {.wait = milliseconds(1000),
                  .first_pause = milliseconds(50),
                  .pause = [this](milliseconds time) { pauses_.push_back(time.count()); }}) {}
  retriever_pool::RetrievalAnswer ask() { return patient_.retrieve({.queries = query_, .k = 2}); }

  TinyPool* pool_;  // owned by patient_
  std::vector<std::int64_t> pauses_;
  PatientRetriever patient_;
  std::vector<float> query_ = std::vector<float>(16, 0.25F);
};

TEST_F(PatientRetrieverTest, OutlivesAPoolThatIsAwayForAWhile) {
  pool_->failures = 3;
  EXPECT_EQ(ask().rows.at(0).size(), 2u);
  EXPECT_EQ(pauses_, (std::vector<std::int64_t>{50, 100, 200}));
}

TEST_F(PatientRetrieverTest, GivesUpWhenItsWaitIsUsedUp) {
  pool_->failures = 1000;
  EXPECT_THAT([&] { (void)ask(); }, ::testing::ThrowsMessage<RetrievalError>(::testing::HasSubstr(
                                        "no replica answers (gave up after waiting")));
  EXPECT_LE(pool_->calls, 6);
}

TEST_F(PatientRetrieverTest, PassesOnAtOnceWhatWaitingCannotCure) {
  pool_->failures = 1;
  pool_->fault = RetrievalFault::kInvalid;
  EXPECT_THROW((void)ask(), RetrievalError);
  EXPECT_EQ(pool_->calls, 1);
  EXPECT_TRUE(pauses_.empty());
}

TEST_F(PatientRetrieverTest, PassesALeaseOnAndHoldsItForAPinnedRetriever) {
  {
    PinnedRetriever pinned(patient_, patient_.lease());
    pool_->swap_to("def456");
    EXPECT_EQ(pinned.generation(), "abc123");
    const auto answer = pinned.retrieve({.queries = query_, .k = 2, .generation = "other"});
    EXPECT_EQ(answer.generation, "abc123");
    EXPECT_EQ(pool_->last_priority, retriever_pool::Priority::kTraining);
    EXPECT_EQ(pinned.description().generation, "def456");
    EXPECT_EQ(pool_->leases("abc123"), 1);
  }
  EXPECT_EQ(pool_->leases("abc123"), 0);
}

TEST(CheckEncoderFits, TakesTheIndexesEncoderOrOneTrainedAgainstIt) {
  const auto index = TinyPool().description();
  engine::EncoderIdentity encoder{.name = "e",
                                  .model_hash = "tiny-encoder-hash",
                                  .trained_against = "",
                                  .dimension = 16,
                                  .pooling = "mean",
                                  .normalised = true};
  EXPECT_NO_THROW(check_encoder_fits(index, encoder));
  encoder.model_hash = "another-hash";
  EXPECT_THAT([&] { check_encoder_fits(index, encoder); },
              ::testing::ThrowsMessage<base::UserError>(::testing::HasSubstr(
                  "expected one that fits the index (tiny-encoder, tiny-encoder, 16-d, mean "
                  "pooling, normalised), got another-hash")));
  encoder.trained_against = "tiny-encoder-hash";
  EXPECT_NO_THROW(check_encoder_fits(index, encoder));
  encoder.dimension = 17;
  EXPECT_THROW(check_encoder_fits(index, encoder), base::UserError);
}

TEST(OpenRetriever, RefusesAnUnknownKindOfPool) {
  EXPECT_THAT([] { (void)open_retriever("somewhere", {}); },
              ::testing::ThrowsMessage<base::UserError>(
                  "pool: expected embedded or the head's endpoint tcp://HOST:PORT, got "
                  "'somewhere'"));
}

}  // namespace
}  // namespace rookery::trainer
