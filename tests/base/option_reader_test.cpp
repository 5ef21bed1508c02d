#include "base/atomic_file.hpp"
#include "base/option_reader.hpp"
#include "tests/support/error_text.hpp"
#include "tests/support/temp_folder.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstdlib>
#include <limits>
#include <string>

namespace rookery::base {
namespace {

using ::testing::ElementsAre;
using testing::error_text;
using ::testing::HasSubstr;
using ::testing::StartsWith;
using testing::TempFolder;

OptionReader reader_of(const std::string& text) { return OptionReader::from_text(text, "c.yaml"); }

/// The complaint when `key` of `text` is read as a T with the further arguments of `read`.
template <typename T, typename... Bounds>
std::string complaint(const std::string& text, const std::string& key, Bounds... bounds) {
  return error_text([&] {
    T field{};
    reader_of(text).read(key, field, bounds...);
  });
}

TEST(OptionReaderTest, ReadsEveryType) {
  auto reader = reader_of(
      "flag: true\nname: wiki\npath: /a/b\nsmall: -3\nbig: 5000000000\nrate: 3.0e-5\n"
      "list: [a, 'b c']\nword: exact\nwait_ms: 250\nthreads: 2\n");
  bool flag = false;
  std::string name;
  std::filesystem::path path;
  std::int32_t small = 0;
  std::int64_t big = 0;
  double rate = 0;
  std::vector<std::string> list;
  std::string word;
  std::chrono::milliseconds wait{0};
  std::optional<std::int32_t> threads;
  std::optional<std::int32_t> absent;

  reader.read("flag", flag);
  reader.read("name", name);
  reader.read("path", path);
  reader.read("small", small, -10, 10);
  reader.read("big", big, 0, std::int64_t{1} << 40);
  reader.read("rate", rate, 0, 1);
  reader.read("list", list);
  reader.read("word", word, {"exact", "int8"});
  reader.read("wait_ms", wait, 1, 1000);
  reader.read("threads", threads, 1, 64);
  reader.read("absent", absent, 1, 64);
  reader.finish();

  EXPECT_TRUE(flag);
  EXPECT_EQ(name, "wiki");
  EXPECT_EQ(path, "/a/b");
  EXPECT_EQ(small, -3);
  EXPECT_EQ(big, 5'000'000'000);
  EXPECT_EQ(rate, 3.0e-5);
  EXPECT_THAT(list, ElementsAre("a", "b c"));
  EXPECT_EQ(word, "exact");
  EXPECT_EQ(wait, std::chrono::milliseconds(250));
  EXPECT_EQ(threads, 2);
  EXPECT_EQ(absent, std::nullopt);
}

TEST(OptionReaderTest, AMissingKeyLeavesTheFieldAsItIs) {
  std::int32_t field = 7;
  auto reader = reader_of("");
  reader.read("replicas", field, 1, 64);
  reader.section("pool").read("replicas", field, 1, 64);
  reader.finish();
  EXPECT_EQ(field, 7);
}

TEST(OptionReaderTest, NamesFileLineKeyRangeAndValue) {
  std::int32_t replicas = 1;
  auto reader = reader_of("# head\ncolony: wiki\npool:\n  shards: 2\n  replicas: two\n");
  EXPECT_EQ(error_text([&] { reader.section("pool").read("replicas", replicas, 1, 64); }),
            "c.yaml:5: pool.replicas: expected an integer in [1, 64], got 'two'");
  EXPECT_EQ(replicas, 1);
}

TEST(OptionReaderTest, RefusesAWrongValueOfEveryType) {
  using Text = std::string;
  EXPECT_EQ(complaint<bool>("a: yes", "a"), "c.yaml:1: a: expected true or false, got 'yes'");
  EXPECT_EQ(complaint<Text>("a: [x]", "a"), "c.yaml:1: a: expected text, got a list");
  EXPECT_EQ(complaint<Text>("a:", "a"), "c.yaml:1: a: expected text, got nothing");
  EXPECT_EQ(complaint<std::filesystem::path>("a: ''", "a"), "c.yaml:1: a: expected a path, got ''");
  EXPECT_EQ(complaint<std::int32_t>("a: 65", "a", 1, 64),
            "c.yaml:1: a: expected an integer in [1, 64], got '65'");
  EXPECT_EQ(complaint<std::int32_t>("a: 1.5", "a", 1, 64),
            "c.yaml:1: a: expected an integer in [1, 64], got '1.5'");
  EXPECT_EQ(complaint<std::int32_t>("a: 99999999999", "a", 1, 64),
            "c.yaml:1: a: expected an integer in [1, 64], got '99999999999'");
  EXPECT_EQ(complaint<std::int64_t>("a: -1", "a", 0, std::numeric_limits<std::int64_t>::max()),
            "c.yaml:1: a: expected an integer of at least 0, got '-1'");
  EXPECT_EQ(complaint<double>("a: .nan", "a", 0.0, 1.0),
            "c.yaml:1: a: expected a number in [0, 1], got '.nan'");
  EXPECT_EQ(complaint<double>("a: nan", "a", 0.0, 1.0),
            "c.yaml:1: a: expected a number in [0, 1], got 'nan'");
  EXPECT_EQ(complaint<double>("a: inf", "a", 0.0, std::numeric_limits<double>::infinity()),
            "c.yaml:1: a: expected a number of at least 0, got 'inf'");
  EXPECT_EQ(complaint<std::vector<Text>>("a: x", "a"),
            "c.yaml:1: a: expected a list of texts, got 'x'");
  EXPECT_EQ(complaint<std::vector<Text>>("a:\n  - x\n  - {b: 1}\n", "a"),
            "c.yaml:3: a[1]: expected text, got a map");
  EXPECT_EQ(complaint<Text>("a: hnws", "a", std::vector<Text>{"exact", "hnsw"}),
            "c.yaml:1: a: expected one of exact, hnsw, got 'hnws'");
  EXPECT_EQ(complaint<std::chrono::milliseconds>("a: 5s", "a", 1, 1000),
            "c.yaml:1: a: expected an integer in [1, 1000], got '5s'");
  EXPECT_EQ(complaint<std::optional<std::int32_t>>("a: auto", "a", 1, 8),
            "c.yaml:1: a: expected an integer in [1, 8], got 'auto'");
}

TEST(OptionReaderTest, NamesAnUnknownKeyAndTheKnownOnes) {
  std::int32_t field = 0;
  auto reader = reader_of("pool:\n  shards: 2\n  replcas: 2\n");
  auto pool = reader.section("pool");
  pool.read("shards", field, 1, 64);
  pool.read("replicas", field, 1, 64);
  EXPECT_EQ(error_text([&] { pool.finish(); }),
            "c.yaml:3: pool.replcas: expected one of the keys shards, replicas, got 'replcas'");
  EXPECT_EQ(error_text([&] { reader.finish(); }), error_text([&] { pool.finish(); }));
}

TEST(OptionReaderTest, AskingIsNotReading) {
  auto reader = reader_of("a: 1\nb: {c: 2}\n");
  EXPECT_TRUE(reader.has("a"));
  EXPECT_FALSE(reader.has("z"));
  EXPECT_TRUE(reader.has_section("b"));
  EXPECT_FALSE(reader.has_section("a"));
  EXPECT_EQ(error_text([&] { reader.finish(); }), "c.yaml:1: a: expected no keys here, got 'a'");
}

TEST(OptionReaderTest, RefusesAKeyThatComesTwice) {
  EXPECT_EQ(error_text([] { reader_of("a: 1\nb: 2\na: 3\n"); }),
            "c.yaml:3: a: expected each key once, got 'a' again after line 1");
}

TEST(OptionReaderTest, RefusesWhatIsNoMap) {
  EXPECT_EQ(error_text([] { reader_of("- a\n- b\n"); }),
            "c.yaml:1: expected a map of options, got a list");
  EXPECT_EQ(error_text([] { (void)reader_of("a: 1\npool: none\n").section("pool"); }),
            "c.yaml:2: pool: expected a map of options, got 'none'");
  EXPECT_EQ(error_text([] { reader_of("{[x]: 1}"); }),
            "c.yaml:1: expected a name as key, got a list");
}

TEST(OptionReaderTest, NamesTheLineOfASyntaxError) {
  EXPECT_THAT(error_text([] { reader_of("a: 1\nb: [1, 2\nc: 3\n"); }),
              ::testing::MatchesRegex("c.yaml:[23]: expected YAML, got a syntax error: .*"));
  EXPECT_EQ(error_text([] { reader_of("a: 1\n---\nb: 1\n"); }),
            "c.yaml:2: expected one YAML document, got another one");
}

TEST(OptionReaderTest, SurvivesDeepNestingAndAliasBombs) {
  EXPECT_THAT(error_text([] { reader_of("a: " + std::string(100'000, '[')); }),
              StartsWith("c.yaml:1: expected YAML, got a syntax error"));
  std::string bomb = "a0: &a0 [x, x, x, x, x, x, x, x, x, x]\n";
  for (int i = 1; i < 30; ++i) {
    const auto alias = "*a" + std::to_string(i - 1);
    bomb += "a" + std::to_string(i) + ": &a" + std::to_string(i) + " [" + alias + ", " + alias +
            ", " + alias + ", " + alias + "]\n";
  }
  std::vector<std::string> field;
  EXPECT_EQ(error_text([&] { reader_of(bomb).read("a29", field); }),
            "c.yaml:29: a29[0]: expected text, got a list");
  EXPECT_THAT(error_text([] { reader_of(std::string(2 << 20, '#')); }),
              HasSubstr("expected at most 1048576 bytes of options"));
}

TEST(OptionReaderTest, LetsOwnersComplainAboutAKey) {
  auto reader = reader_of("a: 1\npool:\n  shards: 2\n");
  auto pool = reader.section("pool");
  EXPECT_EQ(error_text([&] { pool.fail("shards", "as many as the snapshot has", "2"); }),
            "c.yaml:3: pool.shards: expected as many as the snapshot has, got '2'");
  EXPECT_EQ(error_text([&] { pool.fail("", "shards or replicas", "neither"); }),
            "c.yaml:2: pool: expected shards or replicas, got 'neither'");
}

TEST(OptionReaderTest, CutsALongValueInAMessage) {
  const auto text = complaint<bool>("a: " + std::string(79, 'x') + "äöü", "a");
  EXPECT_EQ(text, "c.yaml:1: a: expected true or false, got '" + std::string(79, 'x') + "…'");
}

TEST(OptionReaderTest, ReadsAFileAndNamesOneThatIsNotThere) {
  const TempFolder folder;
  write_file_atomically(folder / "c.yaml", "a: 1\n");
  std::int32_t field = 0;
  OptionReader::from_file(folder / "c.yaml").read("a", field, 0, 9);
  EXPECT_EQ(field, 1);
  EXPECT_EQ(error_text([] { OptionReader::from_file("nowhere.yaml"); }),
            "nowhere.yaml: cannot be read: No such file or directory");
}

TEST(ExpandPathTest, ExpandsHomeAndEnvironmentAtTheStartOnly) {
  ::setenv("ROOKERY_TEST_PLACE", "/place", 1);
  const std::string home = std::getenv("HOME") == nullptr ? "" : std::getenv("HOME");
  if (!home.empty()) {
    EXPECT_EQ(expand_path("~/x"), home + "/x");
  }
  EXPECT_EQ(expand_path("$ROOKERY_TEST_PLACE/x"), "/place/x");
  EXPECT_EQ(expand_path("$ROOKERY_TEST_PLACE"), "/place");
  EXPECT_EQ(expand_path("a/~/$b"), "a/~/$b");
  EXPECT_EQ(expand_path("~other/x"), "~other/x");
  EXPECT_EQ(error_text([] { (void)expand_path("$ROOKERY_TEST_UNSET/x"); }),
            "expected a path, got '$ROOKERY_TEST_UNSET/x', but the environment has no "
            "ROOKERY_TEST_UNSET");
}

}  // namespace
}  // namespace rookery::base
