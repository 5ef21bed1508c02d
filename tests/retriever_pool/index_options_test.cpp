#include "retriever_pool/index_options.hpp"

#include <gtest/gtest.h>

#include "base/atomic_file.hpp"
#include "base/error.hpp"
#include "retriever_pool/filter_file.hpp"
#include "tests/support/error_text.hpp"
#include "tests/support/temp_folder.hpp"

namespace rookery::retriever_pool {
namespace {

using index_tools::IndexKind;
using rookery::testing::error_text;

IndexOptions read(const std::string& yaml) {
  return IndexOptions::from_options(base::OptionReader::from_text(yaml, "wiki.yaml"));
}

std::string complaint(const std::string& yaml) {
  return error_text([&] { (void)read(yaml); });
}

TEST(IndexOptionsTest, NothingIsFilteredAndNoKindIsForcedByDefault) {
  const IndexOptions options = read("{path: /data/wiki}");
  EXPECT_EQ(options.path, "/data/wiki");
  EXPECT_FALSE(options.kind);
  EXPECT_EQ(options.tuning, SearchTuning{});
  EXPECT_TRUE(options.filter.empty());
}

TEST(IndexOptionsTest, ReadsEveryKey) {
  const IndexOptions options = read(
      "{kind: ivfpq, ef_search: 100, nprobe: 16, candidates: 500, filter: {allow_ids: [1, -2], "
      "deny_ids: [3], allow_titles: [A], deny_titles: ['B: c', D], allow_topics: [E], deny_topics: "
      "[F]}}");
  EXPECT_EQ(options.kind, IndexKind::kIvfPq);
  EXPECT_EQ(options.tuning, (SearchTuning{100, 16, 500}));
  PassageFilter expected;
  expected.allow_ids = {1, -2};
  expected.deny_ids = {3};
  expected.allow_titles = {"A"};
  expected.deny_titles = {"B: c", "D"};
  expected.allow_topics = {"E"};
  expected.deny_topics = {"F"};
  EXPECT_EQ(options.filter, expected);
  const EmbeddedPoolOptions embedded = options.embedded(3);
  EXPECT_EQ(embedded.kind, IndexKind::kIvfPq);
  EXPECT_EQ(embedded.threads, 3);
  EXPECT_EQ(embedded.filter, expected);
  EXPECT_EQ(embedded.tuning, options.tuning);
}

TEST(IndexOptionsTest, ListsMayStandInFilesWithOneEntryALine) {
  const rookery::testing::TempFolder folder;
  const auto titles = folder.path() / "titles.txt";
  base::write_file_atomically(titles, "Anarchism\r\n\nAutism, a study\n  spaced \nlast");
  const auto ids = folder.path() / "ids.txt";
  base::write_file_atomically(ids, "17\n-4\n");
  const IndexOptions options =
      read("{filter: {deny_titles: [First], deny_titles_file: " + titles.string() +
           ", allow_ids_file: " + ids.string() + "}}");
  EXPECT_EQ(
      options.filter.deny_titles,
      (std::vector<std::string>{"First", "Anarchism", "Autism, a study", "  spaced ", "last"}));
  EXPECT_EQ(options.filter.allow_ids, (std::vector<std::int64_t>{17, -4}));
}

struct Mistake {
  const char *yaml, *message;
};
class IndexOptionsMistakeTest : public ::testing::TestWithParam<Mistake> {};
TEST_P(IndexOptionsMistakeTest, IsNamedWithItsKey) {
  EXPECT_EQ(complaint(GetParam().yaml), GetParam().message);
}
INSTANTIATE_TEST_SUITE_P(
    Keys, IndexOptionsMistakeTest,
    ::testing::Values(
        Mistake{"kind: annoy",
                "wiki.yaml:1: kind: expected one of exact, int8, hnsw, ivfpq, bm25, got 'annoy'"},
        Mistake{"ef_search: -1",
                "wiki.yaml:1: ef_search: expected an integer in [0, 65536], got '-1'"},
        Mistake{"nprobe: many",
                "wiki.yaml:1: nprobe: expected an integer in [0, 1048576], got 'many'"},
        Mistake{"candidates: 2000000",
                "wiki.yaml:1: candidates: expected an integer in [0, 1048576], got '2000000'"},
        Mistake{"filter: 3", "wiki.yaml:1: filter: expected a map of options, got '3'"},
        Mistake{"filter: {allow_ids: [1, x]}",
                "wiki.yaml:1: filter.allow_ids: expected passage ids, got 'x'"},
        Mistake{"filter: {deny_ids: 7}",
                "wiki.yaml:1: filter.deny_ids: expected a list of texts, got '7'"},
        Mistake{"filter: {allow_titles: {a: b}}",
                "wiki.yaml:1: filter.allow_titles: expected a list of texts, got a map"},
        Mistake{"filter: {deny_titles_file: /no/such/file}",
                "wiki.yaml:1: filter.deny_titles_file: expected a file with one entry a line, got "
                "'/no/such/file'"},
        Mistake{"filter: {allow_topics: [a, [b]]}",
                "wiki.yaml:1: filter.allow_topics[1]: expected text, got a list"},
        Mistake{"filter: {deny_topic: [a]}",
                "wiki.yaml:1: filter.deny_topic: expected one of the keys allow_ids, "
                "allow_ids_file, deny_ids, deny_ids_file, allow_titles, allow_titles_file, "
                "deny_titles, deny_titles_file, allow_topics, allow_topics_file, deny_topics, "
                "deny_topics_file, got 'deny_topic'"}),
    [](const auto& test) { return "Mistake" + std::to_string(test.index); });

TEST(IndexOptionsTest, AFilterBeyondItsLimitsIsRefusedWhenItIsRead) {
  const rookery::testing::TempFolder folder;
  const auto titles = folder.path() / "titles.txt";
  base::write_file_atomically(titles, std::string((16 << 20) + 1, 'x'));
  EXPECT_EQ(
      complaint("{filter: {deny_titles_file: " + titles.string() + "}}"),
      "wiki.yaml:1: filter.deny_titles_file: expected at most 16777216 bytes, got '16777217'");
}

class FilterFileTest : public ::testing::Test {
 protected:
  std::string complaint_about(const std::string& text) {
    base::write_file_atomically(file, text);
    const std::string complaint = error_text([&] { (void)read_filter_file(file); });
    return complaint.starts_with(file.string() + ": ") ? complaint.substr(file.string().size() + 2)
                                                       : "without its name: " + complaint;
  }
  rookery::testing::TempFolder folder;
  std::filesystem::path file = folder.path() / "filter.json";
};

TEST_F(FilterFileTest, ComesBackAsItWas) {
  PassageFilter filter;
  filter.allow_ids = {1, -5, std::int64_t{1} << 62};
  filter.deny_titles = {"été \"quoted\"", ""};
  filter.allow_topics = {"Arts"};
  base::write_file_atomically(file, filter_to_json(filter));
  EXPECT_EQ(read_filter_file(file), filter);
}

TEST_F(FilterFileTest, MistakesAreNamed) {
  EXPECT_EQ(error_text([&] { (void)read_filter_file("/no/such.json"); }),
            "/no/such.json: expected a JSON file with a filter's lists, got none");
  EXPECT_EQ(complaint_about("{"), "expected a JSON object with a filter's lists");
  EXPECT_EQ(complaint_about("[]"), "expected a JSON object with a filter's lists");
  EXPECT_EQ(complaint_about("{\"allow_ids\": 3}"), "allow_ids: expected a list");
  EXPECT_EQ(complaint_about("{\"allow_ids\": [1.5]}"), "allow_ids: expected passage ids, got 1.5");
  EXPECT_EQ(complaint_about("{\"deny_topics\": [1]}"), "deny_topics: expected texts, got 1");
  EXPECT_EQ(complaint_about("{\"deny\": []}"),
            "expected the lists allow_ids, deny_ids, allow_titles, deny_titles, allow_topics and "
            "deny_topics, got 'deny'");
  EXPECT_EQ(complaint_about("{\"deny_titles\": [\"" + std::string(17 << 20, 'x') + "\"]}"),
            "filter: expected at most 16777216 bytes in all lists, got 17825796");
}

}  // namespace
}  // namespace rookery::retriever_pool
