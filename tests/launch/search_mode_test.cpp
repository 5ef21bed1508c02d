#include "launch/search_mode.hpp"

#include <gtest/gtest.h>

#include "base/atomic_file.hpp"
#include "tests/support/error_text.hpp"
#include "tests/support/temp_folder.hpp"

namespace rookery::launch {
namespace {

using index_tools::IndexKind;
using retriever_pool::RetrievalRequest;
using rookery::testing::error_text;

TEST(SearchModeTest, NamesOfKindsAndHybridAreRead) {
  EXPECT_EQ(search_mode("ivfpq").kind, IndexKind::kIvfPq);
  EXPECT_FALSE(search_mode("ivfpq").hybrid);
  EXPECT_TRUE(search_mode("hybrid").hybrid);
  EXPECT_FALSE(search_mode("").kind);
  EXPECT_EQ(error_text([] { (void)search_mode("dense"); }),
            "--kind: expected one of exact, int8, hnsw, ivfpq, bm25, hybrid, got 'dense'");
  const auto modes = search_modes("exact,hybrid,bm25");
  ASSERT_EQ(modes.size(), 3U);
  EXPECT_EQ(modes[1].name, "hybrid");
  EXPECT_EQ(modes[2].kind, IndexKind::kBm25);
  EXPECT_EQ(search_modes("").size(), 1U);
  EXPECT_EQ(error_text([] { (void)search_modes("exact,,bm"); }),
            "--kind: expected one of exact, int8, hnsw, ivfpq, bm25, hybrid, got 'bm'");
}

TEST(SearchModeTest, OnlyBm25NeedsNoVectors) {
  retriever_pool::IndexDescription index;
  EXPECT_TRUE(needs_vectors(search_mode(""), index));
  EXPECT_TRUE(needs_vectors(search_mode("hnsw"), index));
  EXPECT_TRUE(needs_vectors(search_mode("hybrid"), index));
  EXPECT_FALSE(needs_vectors(search_mode("bm25"), index));
  index.default_kind = IndexKind::kBm25;
  EXPECT_FALSE(needs_vectors(search_mode(""), index));
  EXPECT_TRUE(needs_vectors(search_mode("hybrid"), index));
}

TEST(SearchModeTest, FiltersJoinTheOptionsAndTheFiles) {
  const rookery::testing::TempFolder folder;
  const auto titles = folder.path() / "titles.txt";
  base::write_file_atomically(titles, "Super Bowl 50\n\nWarsaw\n");
  FilterArguments arguments;
  arguments.lists.deny_titles = {"Normans"};
  arguments.lists.allow_topics = {"Arts"};
  arguments.deny_titles_file = titles.string();
  const auto filter = read_filter(arguments);
  EXPECT_EQ(filter.deny_titles, (std::vector<std::string>{"Normans", "Super Bowl 50", "Warsaw"}));
  EXPECT_EQ(filter.allow_topics, (std::vector<std::string>{"Arts"}));
  arguments.deny_ids_file = titles.string();
  EXPECT_EQ(error_text([&] { (void)read_filter(arguments); }),
            "--deny-ids-file: expected passage ids, one a line, got 'Super Bowl 50'");
  arguments.deny_titles_file = "/no/such/file";
  EXPECT_EQ(error_text([&] { (void)read_filter(arguments); }),
            "--deny-titles-file: expected a file with one entry a line, got '/no/such/file'");
}

/// Keeps what it was asked.
class Recorder final : public retriever_pool::Retriever {
 public:
  retriever_pool::RetrievalAnswer retrieve(const RetrievalRequest& request) override {
    queries = request.queries.size();
    texts = request.texts.size();
    kind = request.kind;
    retriever_pool::RetrievalAnswer answer;
    answer.rows.resize(1);
    return answer;
  }
  retriever_pool::IndexDescription description() override { return {}; }

  std::size_t queries = 0, texts = 0;
  std::optional<IndexKind> kind;
};

TEST(SearchModeTest, EachKindIsAskedWithWhatItTakes) {
  Recorder pool;
  const std::vector<std::string> texts = {"actor"};
  const std::vector<float> vectors = {1, 2, 3};
  (void)ask(pool, search_mode("bm25"), {texts, vectors}, {});
  EXPECT_EQ(pool.texts, 1U);
  EXPECT_EQ(pool.queries, 0U);
  EXPECT_EQ(pool.kind, IndexKind::kBm25);
  (void)ask(pool, search_mode("hnsw"), {texts, vectors}, {});
  EXPECT_EQ(pool.texts, 0U);
  EXPECT_EQ(pool.queries, 3U);
  EXPECT_EQ(pool.kind, IndexKind::kHnsw);
  (void)ask(pool, search_mode(""), {texts, vectors}, {});
  EXPECT_EQ(pool.queries, 3U);
  EXPECT_FALSE(pool.kind);
}

}  // namespace
}  // namespace rookery::launch
