#include "index_tools/rewrite.hpp"

#include "base/atomic_file.hpp"
#include "base/error.hpp"
#include "index_tools/build.hpp"
#include "index_tools/index_files.hpp"
#include "index_tools/snapshot.hpp"
#include "tests/index_tools/fake_encoder.hpp"
#include "tests/index_tools/files_below.hpp"
#include "tests/support/error_text.hpp"
#include "tests/support/temp_folder.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <signal.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cstring>
#include <filesystem>
#include <functional>
#include <limits>
#include <map>
#include <string>
#include <vector>

namespace rookery::index_tools {
namespace {

namespace fs = std::filesystem;
using rookery::testing::error_text;
using rookery::testing::FakeEncoder;
using rookery::testing::files_below;
using ::testing::AllOf;
using ::testing::ElementsAre;
using ::testing::HasSubstr;

/// JSON lines with sources `begin` to `end`, each of one to three passages of ten words.
std::string corpus_text(int begin, int end) {
  std::string text;
  for (int source = begin; source < end; ++source) {
    text += R"({"id": "s)" + std::to_string(source) + R"(", "topic": "t)" +
            std::to_string(source % 3) + R"(", "title": "Title )" + std::to_string(source) +
            R"(", "text": ")";
    for (int word = 0; word < 3 + source % 23; ++word) {
      text += "word" + std::to_string(source * 31 + word) + " common ";
    }
    text += "\"}\n";
  }
  return text;
}

ino_t inode_of(const fs::path& path) {
  struct stat info {};
  EXPECT_EQ(::stat(path.c_str(), &info), 0);
  return info.st_ino;
}

class RewriteTest : public ::testing::Test {
 protected:
  RewriteTest() {
    base::write_file_atomically(folder_ / "a.jsonl", corpus_text(0, 60));
    base::write_file_atomically(folder_ / "b.jsonl", corpus_text(60, 90));
    base::write_file_atomically(folder_ / "ab.jsonl", corpus_text(0, 90));
  }

  BuildReport build(const std::string& corpus, const std::string& out, std::int32_t shards,
                    const std::vector<std::string>& indexes = {"int8", "bm25"}) {
    BuildOptions options;
    options.corpus = folder_ / corpus;
    options.out = folder_ / out;
    options.shards = shards;
    options.passage_words = 10;
    options.chunk_passages = 16;
    options.metric = metric_;
    options.vectors = vectors_;
    for (const std::string& spec : indexes) options.indexes.push_back(parse_index_spec(spec));
    return build_snapshot(options, encoder_);
  }
  [[nodiscard]] RewriteOptions of(const std::string& name) const { return {folder_ / name, 0, {}}; }
  RewriteReport append(const std::string& name, const std::string& corpus) {
    AppendOptions options;
    options.corpus = folder_ / corpus;
    options.chunk_passages = 8;
    return append_corpus(of(name), options, &encoder_);
  }
  /// Runs `action` in a child process and gives how it ended: 2 for a `UserError`.
  static int in_child(const std::function<void()>& action) {
    const pid_t child = ::fork();
    if (child == 0) {
      int code = 0;
      try {
        action();
      } catch (const base::UserError&) {
        code = 2;
      } catch (...) {
        code = 3;
      }
      ::_exit(code);
    }
    int status = 0;
    ::waitpid(child, &status, 0);
    return status;
  }
  /// Row files and index files of all shards, without the manifest.
  static std::map<std::string, std::string> data_below(const fs::path& folder) {
    auto files = files_below(folder);
    files.erase("manifest.json");
    return files;
  }
  void expect_sound(const std::string& name, const std::string& generation) {
    std::int64_t sound_blocks = 0;
    EXPECT_TRUE(verify_snapshot(folder_ / name, std::nullopt, sound_blocks).empty());
    EXPECT_EQ(load_manifest(folder_ / name).generation, generation);
    for (const auto& entry : fs::directory_iterator(folder_ / name)) {
      EXPECT_FALSE(entry.path().filename().string().starts_with(".building-")) << entry.path();
    }
  }

  rookery::testing::TempFolder folder_;
  FakeEncoder encoder_;
  std::string metric_ = "inner_product";
  VectorType vectors_ = VectorType::kFloat32;
};

TEST_F(RewriteTest, ReshardingGivesTheBytesOfADirectBuildAndWayBackTheOldGeneration) {
  for (const VectorType vectors : {VectorType::kFloat32, VectorType::kFloat16}) {
    vectors_ = vectors;
    metric_ = vectors == VectorType::kFloat16 ? "cosine" : "inner_product";
    const std::string name = "n" + to_string(vectors), other = "m" + to_string(vectors);
    const BuildReport three = build("a.jsonl", name, 3);
    const BuildReport two = build("a.jsonl", other, 2);
    const int calls = encoder_.calls;

    const RewriteReport resharded = reshard_snapshot(of(name), 2);
    EXPECT_FALSE(resharded.reused);
    EXPECT_EQ(encoder_.calls, calls);
    EXPECT_EQ(files_below(resharded.folder), files_below(two.folder));
    expect_sound(name, two.manifest.generation);

    fs::remove_all(three.folder);  // so that it is written, not found
    const RewriteReport back = reshard_snapshot(of(name), 3);
    EXPECT_FALSE(back.reused);
    EXPECT_EQ(back.manifest.to_json(), three.manifest.to_json());
    expect_sound(name, three.manifest.generation);
    EXPECT_TRUE(reshard_snapshot(of(name), 2).reused);
    expect_sound(name, two.manifest.generation);
  }
}

TEST_F(RewriteTest, ReshardingRefusesNumbersThatCannotBe) {
  const BuildReport built = build("a.jsonl", "n", 2);
  EXPECT_THAT(error_text([&] { reshard_snapshot(of("n"), 0); }),
              HasSubstr("shards: expected a number in [1, " +
                        std::to_string(built.manifest.passages) + "]"));
  EXPECT_THAT(error_text([&] { reshard_snapshot(of("n"), 1025); }), HasSubstr("got 1025"));
  EXPECT_THAT(error_text([&] { reshard_snapshot(of("none"), 1); }), HasSubstr("no such snapshot"));
  expect_sound("n", built.manifest.generation);
}

TEST_F(RewriteTest, AppendingGivesTheRowsAndIndexesOfABuildOfBoth) {
  for (const std::string metric : {"inner_product", "cosine"}) {
    metric_ = metric;
    build("a.jsonl", "n" + metric, 2);
    const BuildReport both = build("ab.jsonl", "direct" + metric, 2);
    const std::int64_t encoded = encoder_.texts_encoded;
    const RewriteReport report = append("n" + metric, "b.jsonl");
    EXPECT_EQ(encoder_.texts_encoded - encoded, report.passages_added);
    EXPECT_EQ(report.passages_encoded, report.passages_added);
    EXPECT_EQ(report.manifest.passages, both.manifest.passages);
    EXPECT_EQ(report.manifest.sources, both.manifest.sources);
    EXPECT_EQ(report.manifest.next_id, both.manifest.next_id);
    EXPECT_EQ(report.manifest.next_source, both.manifest.next_source);
    EXPECT_EQ(report.manifest.corpus, "a.jsonl + b.jsonl");
    EXPECT_EQ(report.manifest.indexes, both.manifest.indexes);
    EXPECT_EQ(data_below(report.folder), data_below(both.folder));
    expect_sound("n" + metric, report.manifest.generation);
  }
}

TEST_F(RewriteTest, SourcesWithoutIdsAreNumberedOn) {
  base::write_file_atomically(folder_ / "one.tsv", "A\tfirst text\nB\t \nC\tthird text\n");
  base::write_file_atomically(folder_ / "two.tsv", "D\tfourth text\n");
  build("one.tsv", "n", 1);
  append("n", "two.tsv");
  const auto shard = open_shard(folder_ / "n", 0);
  ASSERT_EQ(shard->count(), 3);
  EXPECT_EQ(shard->passage(1).source_id, "2");
  EXPECT_EQ(shard->passage(2).source_id, "3");
  EXPECT_EQ(shard->passage(2).id, 2);
}

TEST_F(RewriteTest, AppendingRefusesSourcesThatAreThereByName) {
  const BuildReport built = build("a.jsonl", "n", 2);
  base::write_file_atomically(folder_ / "again.jsonl", corpus_text(59, 63));
  const int calls = encoder_.calls;
  EXPECT_THAT(error_text([&] { append("n", "again.jsonl"); }),
              AllOf(HasSubstr("again.jsonl: expected new sources, got id 's59', which generation " +
                              built.manifest.generation + " has too")));
  EXPECT_EQ(encoder_.calls, calls);
  base::write_file_atomically(folder_ / "twice.jsonl", corpus_text(70, 72) + corpus_text(71, 72));
  EXPECT_THAT(error_text([&] { append("n", "twice.jsonl"); }),
              HasSubstr("twice.jsonl:3: id: expected every id once, got 's71'"));
  expect_sound("n", built.manifest.generation);
}

TEST_F(RewriteTest, AppendingRefusesAnotherEncoder) {
  build("a.jsonl", "n", 1);
  encoder_.identity().model_hash = std::string(64, 'b');
  EXPECT_THAT(
      error_text([&] { append("n", "b.jsonl"); }),
      AllOf(HasSubstr("expected the encoder that made its vectors, fake (model aaaaaaaaaaaa"),
            HasSubstr("got fake (model bbbbbbbbbbbb")));
  encoder_.identity().model_hash = std::string(64, 'a');
  encoder_.identity().tokens_max = 17;
  EXPECT_THAT(error_text([&] { append("n", "b.jsonl"); }), HasSubstr("at most 17 tokens"));
  AppendOptions options;
  options.corpus = folder_ / "b.jsonl";
  EXPECT_THAT(error_text([&] { append_corpus(of("n"), options, nullptr); }),
              HasSubstr("expected its encoder fake"));
}

TEST_F(RewriteTest, DeletingLeavesTheOthersAsTheyWereAndNeverGivesAnIdAgain) {
  const BuildReport built = build("a.jsonl", "n", 2);
  const std::int64_t last = built.manifest.passages - 1;
  const RewriteReport report = delete_passages(of("n"), {{last, 4, 4, 0}, false});
  EXPECT_EQ(report.passages_removed, 3);
  EXPECT_EQ(report.manifest.passages, built.manifest.passages - 3);
  EXPECT_EQ(report.manifest.next_id, last + 1);
  expect_sound("n", report.manifest.generation);
  for (std::int32_t number = 0; number < 2; ++number) {
    const auto before = open_shard(built.folder, number), after = open_shard(folder_ / "n", number);
    std::int64_t row = 0;
    for (std::int64_t old = 0; old < before->count(); ++old) {
      const std::int64_t id = before->ids()[static_cast<std::size_t>(old)];
      if (id == 0 || id == 4 || id == last) {
        EXPECT_EQ(after->row_of(id), std::nullopt);
        continue;
      }
      ASSERT_EQ(after->row_of(id), row);
      EXPECT_EQ(after->passage(row).text, before->passage(old).text);
      EXPECT_EQ(after->passage(row).topic, before->passage(old).topic);
      EXPECT_EQ(std::memcmp(after->vectors().data() + row * 12, before->vectors().data() + old * 12,
                            12 * sizeof(float)),
                0);
      ++row;
    }
    EXPECT_EQ(row, after->count());
  }
  // The highest was deleted, and its number is not used again.
  append("n", "b.jsonl");
  bool found = false;
  for (std::int32_t number = 0; number < 2; ++number) {
    const auto shard = open_shard(folder_ / "n", number);
    EXPECT_EQ(shard->row_of(last), std::nullopt);
    if (const auto row = shard->row_of(last + 1)) {
      found = true;
      EXPECT_EQ(shard->passage(*row).source_id, "s60");
    }
  }
  EXPECT_TRUE(found);
}

TEST_F(RewriteTest, DeletingRefusesIdsThatAreNotThere) {
  const BuildReport built = build("a.jsonl", "n", 2);
  EXPECT_THAT(error_text([&] {
                delete_passages(of("n"), {{1, 70'000, 80'000}, false});
              }),
              AllOf(HasSubstr("got 70000, which is not there"), HasSubstr("--ignore-missing")));
  EXPECT_THAT(error_text([&] { delete_passages(of("n"), {{-1}, false}); }), HasSubstr("got -1"));
  expect_sound("n", built.manifest.generation);
  const RewriteReport some = delete_passages(of("n"), {{1, 70'000, -1}, true});
  EXPECT_EQ(some.passages_removed, 1);
  EXPECT_EQ(some.ids_missing, 2);
  const RewriteReport none = delete_passages(of("n"), {{1, 70'000}, true});
  EXPECT_TRUE(none.reused);
  EXPECT_EQ(none.manifest.generation, some.manifest.generation);
  std::vector<std::int64_t> all;
  for (std::int64_t id = 0; id < built.manifest.passages; ++id) all.push_back(id);
  EXPECT_THAT(error_text([&] {
                delete_passages(of("n"), {all, true});
              }),
              HasSubstr("expected to leave passages, got all"));
  // Without every second id a shard would be empty.
  std::vector<std::int64_t> even;
  for (std::int64_t id = 0; id < built.manifest.passages; id += 2) even.push_back(id);
  EXPECT_THAT(error_text([&] {
                delete_passages(of("n"), {even, true});
              }),
              HasSubstr("got none for shard 0 (passage id % shards); use fewer shards"));
  expect_sound("n", some.manifest.generation);
}

TEST_F(RewriteTest, DeletingCountsSourcesThatGoWhole) {
  base::write_file_atomically(folder_ / "c.jsonl",
                              R"({"id": "x", "text": "1 2 3 4 5 6 7 8 9 10 11 12"})"
                              "\n"
                              R"({"id": "y", "text": "one"})"
                              "\n"
                              R"({"id": "z", "text": "two"})"
                              "\n");
  build("c.jsonl", "n", 1);
  EXPECT_EQ(delete_passages(of("n"), {{1}, false}).manifest.sources, 3);
  EXPECT_EQ(delete_passages(of("n"), {{0, 3}, false}).manifest.sources, 1);
}

TEST_F(RewriteTest, AddingAnIndexLinksWhatStaysAndEqualsADirectBuild) {
  const BuildReport built = build("a.jsonl", "n", 2, {"bm25"});
  const RewriteReport report = add_indexes(of("n"), {parse_index_spec("int8")});
  EXPECT_EQ(report.files_linked, 8);  // ids, passages, vectors and bm25 of two shards
  EXPECT_EQ(report.files_copied, 0);
  EXPECT_EQ(inode_of(report.folder / "shard-1/vectors"),
            inode_of(built.folder / "shard-1/vectors"));
  EXPECT_EQ(inode_of(report.folder / "shard-0/bm25"), inode_of(built.folder / "shard-0/bm25"));
  const BuildReport direct = build("a.jsonl", "direct", 2, {"int8", "bm25"});
  EXPECT_EQ(files_below(report.folder), files_below(direct.folder));
  expect_sound("n", direct.manifest.generation);
  EXPECT_FALSE(open_shard(folder_ / "n", 0)->file("int8").empty());
  EXPECT_TRUE(add_indexes(of("n"), {parse_index_spec("int8")}).reused);

  const RewriteReport replaced = add_indexes(of("n"), {parse_index_spec("bm25:k1=1.5")});
  EXPECT_THAT(replaced.manifest.indexes, ElementsAre(HasSubstr("int8"), HasSubstr("k1=1.5")));
  EXPECT_NE(inode_of(replaced.folder / "shard-0/bm25"), inode_of(built.folder / "shard-0/bm25"));
  EXPECT_EQ(inode_of(replaced.folder / "shard-0/int8"), inode_of(report.folder / "shard-0/int8"));
  expect_sound("n", replaced.manifest.generation);
}

TEST_F(RewriteTest, AnInt8GraphBringsItsCodesAlong) {
  const auto specs = resolve_index_specs({parse_index_spec("hnsw:storage=int8")});
  ASSERT_EQ(specs.size(), 2u);
  EXPECT_EQ(specs[0].kind, IndexKind::kInt8);
  EXPECT_EQ(specs[1].kind, IndexKind::kHnsw);
  EXPECT_THAT(error_text([] {
                resolve_index_specs({parse_index_spec("bm25"), parse_index_spec("bm25:b=0.5")});
              }),
              HasSubstr("index: expected each kind once, got bm25"));
}

TEST_F(RewriteTest, TextsAloneAreBuiltAppendedAndResharded) {
  BuildOptions options;
  options.corpus = folder_ / "a.jsonl";
  options.out = folder_ / "n";
  const BuildReport built = build_snapshot(options, nullptr);
  EXPECT_EQ(built.manifest.dimension, 0);
  EXPECT_THAT(built.manifest.indexes, ElementsAre(HasSubstr("bm25")));
  EXPECT_THAT(error_text([&] { append("n", "b.jsonl"); }),
              HasSubstr("has no vectors; append to it without an encoder"));
  EXPECT_THAT(error_text([&] { add_indexes(of("n"), {parse_index_spec("int8")}); }),
              HasSubstr("index: int8 needs vectors, and this snapshot has none"));
  AppendOptions more;
  more.corpus = folder_ / "b.jsonl";
  append_corpus(of("n"), more, nullptr);
  options.corpus = folder_ / "ab.jsonl";
  options.out = folder_ / "direct";
  options.shards = 3;
  const BuildReport direct = build_snapshot(options, nullptr);
  EXPECT_EQ(data_below(reshard_snapshot(of("n"), 3).folder), data_below(direct.folder));
}

TEST_F(RewriteTest, ADamagedGenerationIsRefusedBeforeAnythingIsWritten) {
  const BuildReport built = build("a.jsonl", "n", 2);
  for (const std::string file :
       {"shard-0/ids", "shard-1/passages", "shard-0/vectors", "shard-1/int8", "shard-0/bm25"}) {
    const std::string whole = base::read_file(built.folder / file);
    std::string bytes = whole;
    bytes[bytes.size() / 2] ^= 8;
    base::write_file_atomically(built.folder / file, bytes);
    const auto expect_refused = [&](const std::function<void()>& action) {
      EXPECT_THAT(error_text(action), HasSubstr(file + ": block 0"));
    };
    expect_refused([&] { reshard_snapshot(of("n"), 1); });
    expect_refused([&] { append("n", "b.jsonl"); });
    expect_refused([&] { delete_passages(of("n"), {{0}, false}); });
    expect_refused([&] { add_indexes(of("n"), {parse_index_spec("bm25:b=0.1")}); });
    EXPECT_EQ(load_manifest(folder_ / "n").generation, built.manifest.generation);
    base::write_file_atomically(built.folder / file, whole);
  }
}

TEST_F(RewriteTest, AFullDiskLeavesTheOldGenerationAndTheSameCommandGoesOn) {
  const BuildReport built = build("a.jsonl", "n", 2);
  const auto expected = files_below(built.folder);
  const std::vector<std::function<void()>> actions{
      [&] { reshard_snapshot(of("n"), 3); },
      [&] { append("n", "b.jsonl"); },
      [&] {
        delete_passages(of("n"), {{3}, false});
      },
      [&] { add_indexes(of("n"), {parse_index_spec("bm25:b=0.1")}); },
  };
  for (const auto& action : actions) {
    for (const rlim_t bytes : {rlim_t{0}, rlim_t{200}, rlim_t{3000}}) {
      const int status = in_child([&] {
        ::signal(SIGXFSZ, SIG_IGN);
        const rlimit limit{bytes, bytes};
        ::setrlimit(RLIMIT_FSIZE, &limit);
        action();
      });
      ASSERT_TRUE(WIFEXITED(status));
      EXPECT_EQ(WEXITSTATUS(status), 2);
      EXPECT_EQ(load_manifest(folder_ / "n").generation, built.manifest.generation);
      EXPECT_EQ(files_below(built.folder), expected);
    }
    action();
    EXPECT_NE(load_manifest(folder_ / "n").generation, built.manifest.generation);
    expect_sound("n", load_manifest(folder_ / "n").generation);
    base::write_file_atomically(folder_ / "n/CURRENT", built.manifest.generation + "\n");
  }
}

TEST_F(RewriteTest, AKilledAppendGoesOnBehindItsLastChunk) {
  const BuildReport built = build("a.jsonl", "n", 2);
  build("a.jsonl", "undisturbed", 2);
  const RewriteReport expected = append("undisturbed", "b.jsonl");
  const int status = in_child([&] {
    encoder_.calls = 0;
    encoder_.before_encode = [](int call) {
      if (call == 3) ::kill(::getpid(), SIGKILL);
    };
    append("n", "b.jsonl");
  });
  ASSERT_TRUE(WIFSIGNALED(status));
  EXPECT_EQ(load_manifest(folder_ / "n").generation, built.manifest.generation);
  const RewriteReport report = append("n", "b.jsonl");
  EXPECT_EQ(report.passages_resumed, 3 * 8);
  EXPECT_EQ(files_below(report.folder), files_below(expected.folder));
  expect_sound("n", expected.manifest.generation);
}

TEST_F(RewriteTest, TwoProcessesDoNotChangeOneSnapshotAtOnce) {
  const BuildReport built = build("a.jsonl", "n", 2);
  encoder_.before_encode = [&](int) {
    EXPECT_THAT(error_text([&] { reshard_snapshot(of("n"), 1); }),
                HasSubstr("another process builds the same snapshot right now"));
    encoder_.before_encode = {};
    // Somebody else moves CURRENT: what is appended here would be lost, or theirs.
    base::write_file_atomically(folder_ / "n/CURRENT", "abcdef\n");
  };
  EXPECT_THAT(error_text([&] { append("n", "b.jsonl"); }),
              HasSubstr("CURRENT: was moved by another process meanwhile; run the command again"));
  EXPECT_EQ(base::read_file(folder_ / "n/CURRENT"), "abcdef\n");
  EXPECT_EQ(encoder_.before_encode, nullptr);
}

TEST_F(RewriteTest, BeginsFromTheGenerationThatIsNamed) {
  const BuildReport first = build("a.jsonl", "n", 2);
  build("ab.jsonl", "n", 2);
  const RewriteReport report =
      reshard_snapshot({first.folder / "", 0, {}}, 1);  // with a slash at the end
  EXPECT_EQ(report.before.generation, first.manifest.generation);
  EXPECT_EQ(report.manifest.passages, first.manifest.passages);
  expect_sound("n", report.manifest.generation);
}

TEST(ReadIdList, TakesOneIdALineAndNamesWhatIsNone) {
  const rookery::testing::TempFolder folder;
  base::write_file_atomically(folder / "ids", "4\n\n17\r\n4\n");
  EXPECT_THAT(read_id_list(folder / "ids"), ElementsAre(4, 17, 4));
  for (const std::string bad : {"x", "4 5", "-1", "1.5", "99999999999999999999"}) {
    base::write_file_atomically(folder / "ids", "1\n" + bad + "\n");
    EXPECT_THAT(error_text([&] { read_id_list(folder / "ids"); }),
                HasSubstr("ids:2: expected a passage id from 0, got '" + bad + "'"));
  }
  base::write_file_atomically(folder / "ids", "\n");
  EXPECT_THAT(error_text([&] { read_id_list(folder / "ids"); }), HasSubstr("found none"));
}

}  // namespace
}  // namespace rookery::index_tools
