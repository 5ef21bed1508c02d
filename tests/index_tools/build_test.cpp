#include "index_tools/build.hpp"

#include "base/atomic_file.hpp"
#include "base/error.hpp"
#include "index_tools/snapshot.hpp"
#include "tests/index_tools/fake_encoder.hpp"
#include "tests/index_tools/files_below.hpp"
#include "tests/support/temp_folder.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <signal.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmath>
#include <filesystem>
#include <limits>
#include <map>
#include <string>

namespace rookery::index_tools {
namespace {

namespace fs = std::filesystem;
using rookery::testing::FakeEncoder;
using rookery::testing::files_below;
using ::testing::HasSubstr;

std::string corpus_text(int sources) {
  std::string text;
  for (int source = 0; source < sources; ++source) {
    text += "Title " + std::to_string(source) + "\t";
    for (int word = 0; word < 3 + source % 23; ++word) {
      text += "word" + std::to_string(source * 31 + word) + " ";
    }
    text += "\n";
  }
  return text;
}

class BuildTest : public ::testing::Test {
 protected:
  BuildTest() {
    base::write_file_atomically(folder_ / "corpus.tsv", corpus_text(90));
    options_.corpus = folder_ / "corpus.tsv";
    options_.shards = 2;
    options_.passage_words = 10;
    options_.chunk_passages = 16;
    options_.out = folder_ / "out";
  }

  std::string complaint() {
    try {
      build_snapshot(options_, encoder_);
    } catch (const base::UserError& error) {
      return error.what();
    }
    return "accepted";
  }

  /// Runs a build in a child process that `sabotage` ends, and gives how it ended.
  template <typename Sabotage>
  int build_in_child(Sabotage sabotage) {
    const pid_t child = ::fork();
    if (child == 0) {
      FakeEncoder encoder;
      sabotage(encoder);
      int code = 0;
      try {
        build_snapshot(options_, encoder);
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

  rookery::testing::TempFolder folder_;
  BuildOptions options_;
  FakeEncoder encoder_;
};

TEST_F(BuildTest, KeepsEveryPassageWithItsSourceAndTheEncodersVector) {
  const BuildReport report = build_snapshot(options_, encoder_);
  EXPECT_EQ(report.manifest.sources, 90);
  EXPECT_EQ(report.passages_encoded, report.manifest.passages);
  std::int64_t seen = 0;
  FakeEncoder fresh;
  for (std::int32_t number = 0; number < 2; ++number) {
    const auto shard = open_shard(options_.out, number);
    for (std::int64_t row = 0; row < shard->count(); ++row, ++seen) {
      const PassageView passage = shard->passage(row);
      EXPECT_EQ(passage.id % 2, number);
      EXPECT_EQ(passage.title, "Title " + std::string(passage.source_id));
      const std::vector<std::string> text{engine::passage_text(passage.title, passage.text)};
      const std::vector<float> expected = fresh.encode(text);
      const auto found = shard->vectors().subspan(static_cast<std::size_t>(row) * 12, 12);
      ASSERT_TRUE(std::equal(found.begin(), found.end(), expected.begin()));
    }
  }
  EXPECT_EQ(seen, report.manifest.passages);
}

TEST_F(BuildTest, UsesASoundGenerationAgain) {
  const BuildReport first = build_snapshot(options_, encoder_);
  FakeEncoder idle;
  const BuildReport second = build_snapshot(options_, idle);
  EXPECT_TRUE(second.reused);
  EXPECT_EQ(idle.calls, 0);
  EXPECT_EQ(second.manifest.to_json(), first.manifest.to_json());
  EXPECT_EQ(second.folder, first.folder);
}

TEST_F(BuildTest, RebuildsADamagedGeneration) {
  const BuildReport first = build_snapshot(options_, encoder_);
  const fs::path file = first.folder / "shard-1/vectors";
  std::string bytes = base::read_file(file);
  bytes[100] ^= 16;
  base::write_file_atomically(file, bytes);
  const BuildReport second = build_snapshot(options_, encoder_);
  EXPECT_FALSE(second.reused);
  EXPECT_EQ(second.folder, first.folder);
  std::int64_t sound_blocks = 0;
  EXPECT_TRUE(verify_snapshot(options_.out, std::nullopt, sound_blocks).empty());
}

TEST_F(BuildTest, AnotherOptionOrEncoderMakesAnotherGenerationAndKeepsTheOld) {
  const std::string first = build_snapshot(options_, encoder_).manifest.generation;
  options_.shards = 3;
  const std::string second = build_snapshot(options_, encoder_).manifest.generation;
  FakeEncoder other;
  other.identity().model_hash = std::string(64, 'b');
  const std::string third = build_snapshot(options_, other).manifest.generation;
  EXPECT_NE(first, second);
  EXPECT_NE(second, third);
  EXPECT_EQ(load_manifest(options_.out).generation, third);
  EXPECT_NO_THROW(open_shard(options_.out / first, 0));
}

TEST_F(BuildTest, TheBytesDoNotDependOnTheChunks) {
  const BuildReport first = build_snapshot(options_, encoder_);
  BuildOptions other = options_;
  other.out = folder_ / "other";
  other.chunk_passages = 7;
  EXPECT_EQ(files_below(build_snapshot(other, encoder_).folder), files_below(first.folder));
}

TEST_F(BuildTest, ABuildKilledAnywhereGoesOnAndGivesTheSameBytes) {
  BuildOptions undisturbed = options_;
  undisturbed.out = folder_ / "undisturbed";
  const auto expected = files_below(build_snapshot(undisturbed, encoder_).folder);
  const int chunks = encoder_.calls;
  ASSERT_GT(chunks, 8);

  for (const int killed_at : {0, 1, chunks / 2, chunks - 1}) {
    options_.out = folder_ / ("killed-" + std::to_string(killed_at));
    const int status = build_in_child([&](FakeEncoder& encoder) {
      encoder.before_encode = [&](int call) {
        if (call == killed_at) ::kill(::getpid(), SIGKILL);
      };
    });
    ASSERT_TRUE(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL);
    // Nothing is visible yet.
    EXPECT_THROW(resolve_generation(options_.out), base::UserError);

    FakeEncoder fresh;
    const BuildReport report = build_snapshot(options_, fresh);
    EXPECT_EQ(fresh.calls, chunks - killed_at);
    EXPECT_EQ(report.passages_resumed, killed_at * options_.chunk_passages);
    EXPECT_EQ(report.passages_encoded + report.passages_resumed, report.manifest.passages);
    EXPECT_EQ(files_below(report.folder), expected);
    for (const auto& entry : fs::directory_iterator(options_.out)) {
      EXPECT_FALSE(entry.path().filename().string().starts_with(".building-"));
    }
  }
}

TEST_F(BuildTest, DamagedChunksOfAnInterruptedBuildAreEncodedAgain) {
  build_in_child([](FakeEncoder& encoder) {
    encoder.before_encode = [](int call) {
      if (call == 4) ::kill(::getpid(), SIGKILL);
    };
  });
  int damaged = 0;
  for (const auto& entry : fs::recursive_directory_iterator(options_.out)) {
    const std::string file = entry.path().filename().string();
    if (file != "chunk-000000000016" && file != "chunk-000000000032") continue;
    std::string bytes = base::read_file(entry.path());
    if (file.ends_with("16")) bytes[bytes.size() / 2] ^= 1;
    if (file.ends_with("32")) bytes.pop_back();
    base::write_file_atomically(entry.path(), bytes);
    ++damaged;
  }
  ASSERT_EQ(damaged, 2);
  const BuildReport report = build_snapshot(options_, encoder_);
  EXPECT_EQ(report.passages_resumed, 2 * 16);
  BuildOptions undisturbed = options_;
  undisturbed.out = folder_ / "undisturbed";
  EXPECT_EQ(files_below(report.folder), files_below(build_snapshot(undisturbed, encoder_).folder));
}

TEST_F(BuildTest, AChangedCorpusTakesNothingFromAnInterruptedBuild) {
  build_in_child([](FakeEncoder& encoder) {
    encoder.before_encode = [](int call) {
      if (call == 4) ::kill(::getpid(), SIGKILL);
    };
  });
  base::write_file_atomically(options_.corpus, corpus_text(91));
  EXPECT_EQ(build_snapshot(options_, encoder_).passages_resumed, 0);
}

TEST_F(BuildTest, AFullDiskIsOneSentenceAndTheBuildCanGoOn) {
  const int status = build_in_child([](FakeEncoder& encoder) {
    encoder.before_encode = [](int call) {
      if (call != 3) return;
      // No file may grow beyond 100 bytes from here on: writes fail as on a full disk.
      ::signal(SIGXFSZ, SIG_IGN);
      const rlimit limit{100, 100};
      ::setrlimit(RLIMIT_FSIZE, &limit);
    };
  });
  ASSERT_TRUE(WIFEXITED(status));
  EXPECT_EQ(WEXITSTATUS(status), 2);
  EXPECT_THROW(resolve_generation(options_.out), base::UserError);
  EXPECT_EQ(build_snapshot(options_, encoder_).passages_resumed, 3 * 16);
}

TEST_F(BuildTest, RefusesToBuildTheSameThingTwiceAtOnce) {
  encoder_.before_encode = [&](int call) {
    if (call > 0) return;
    FakeEncoder other;
    try {
      build_snapshot(options_, other);
      ADD_FAILURE() << "a second build of the same thing was let in";
    } catch (const base::UserError& error) {
      EXPECT_THAT(error.what(), HasSubstr("another process builds the same snapshot right now"));
    }
  };
  build_snapshot(options_, encoder_);
}

TEST_F(BuildTest, RefusesVectorsThatAreNotFiniteAndKeepsThemOutOfTheResume) {
  base::write_file_atomically(options_.corpus, "a\tfine\nb\tPOISON here\n");
  options_.shards = 1;
  encoder_.poison = std::numeric_limits<float>::quiet_NaN();
  EXPECT_THAT(complaint(), HasSubstr("row 1 (passage 1, source 1): element 11 of its vector: "
                                     "expected a finite number, got NaN"));
  EXPECT_THROW(resolve_generation(options_.out), base::UserError);
  encoder_.poison = 0;
  EXPECT_EQ(complaint(), "accepted");
}

TEST_F(BuildTest, ReadsTheWholeCorpusBeforeItEncodes) {
  base::write_file_atomically(options_.corpus, corpus_text(90) + "a line without a tab\n");
  EXPECT_THAT(complaint(), HasSubstr("corpus.tsv:91: expected 2 columns"));
  EXPECT_EQ(encoder_.calls, 0);
}

TEST_F(BuildTest, LimitsTheSourcesAndKeepsWholeTexts) {
  options_.sources_max = 30;
  options_.passage_words = 0;
  const BuildReport report = build_snapshot(options_, encoder_);
  EXPECT_EQ(report.manifest.sources, 30);
  EXPECT_EQ(report.manifest.passages, 30);
}

TEST_F(BuildTest, RefusesOptionsOutOfRange) {
  options_.shards = 0;
  EXPECT_EQ(complaint(), "shards: expected a number in [1, 1024], got 0");
  options_.shards = 1000;
  EXPECT_THAT(complaint(), HasSubstr("shards: expected at most one for each of the "));
  options_.shards = 1;
  options_.passage_words = -1;
  EXPECT_EQ(complaint(), "passage_words: expected a number in [0, 100000], got -1");
  options_.passage_words = 1;
  options_.sources_max = -1;
  EXPECT_EQ(complaint(), "limit: expected a number of sources, or 0 for all, got -1");
  options_.sources_max = 0;
  options_.corpus = folder_ / "none.tsv";
  EXPECT_THAT(complaint(), HasSubstr("none.tsv: no such corpus"));
  base::write_file_atomically(folder_ / "empty.tsv", "t\t \n");
  options_.corpus = folder_ / "empty.tsv";
  EXPECT_THAT(complaint(), HasSubstr("expected at least one source with a text, found none"));
}

TEST_F(BuildTest, ScalesAndRoundsWhatTheEncoderGives) {
  options_.metric = "cosine";
  options_.vectors = VectorType::kFloat16;
  options_.indexes = {parse_index_spec("int8"), parse_index_spec("bm25")};
  const BuildReport report = build_snapshot(options_, encoder_);
  EXPECT_EQ(report.manifest.metric, "cosine");
  FakeEncoder fresh;
  const auto shard = open_shard(options_.out, 1);
  for (std::int64_t row = 0; row < shard->count(); ++row) {
    const PassageView passage = shard->passage(row);
    const std::vector<std::string> text{engine::passage_text(passage.title, passage.text)};
    const std::vector<float> raw = fresh.encode(text);
    double squares = 0;
    for (const float x : raw) squares += static_cast<double>(x) * static_cast<double>(x);
    std::vector<float> found(12);
    copy_vector(*shard, row, found);
    for (std::size_t element = 0; element < 12; ++element) {
      const auto scaled =
          static_cast<float>(static_cast<double>(raw[element]) / std::sqrt(squares));
      ASSERT_EQ(found[element], from_half(to_half(scaled)));
    }
  }
  FakeEncoder idle;
  EXPECT_TRUE(build_snapshot(options_, idle).reused);
  options_.vectors = VectorType::kFloat32;
  EXPECT_NE(build_snapshot(options_, idle).manifest.generation, report.manifest.generation);
}

TEST_F(BuildTest, KeepsTopicsAndRefusesIndexesThatCannotBeBeforeItReads) {
  base::write_file_atomically(folder_ / "c.jsonl", R"({"text": "one two", "topic": "History"})"
                                                   "\n"
                                                   R"({"text": "three"})"
                                                   "\n");
  options_.corpus = folder_ / "c.jsonl";
  options_.shards = 1;
  options_.indexes = {parse_index_spec("ivfpq:pq_bytes=5")};
  EXPECT_THAT(complaint(), HasSubstr("expected a divisor of the dimension 12, got 5"));
  options_.indexes = {};
  options_.metric = "dot";
  EXPECT_EQ(complaint(), "metric: expected inner_product, l2 or cosine, got 'dot'");
  options_.metric = "l2";
  EXPECT_EQ(encoder_.calls, 0);
  build_snapshot(options_, encoder_);
  const auto shard = open_shard(options_.out, 0);
  EXPECT_EQ(shard->passage(0).topic, "History");
  EXPECT_EQ(shard->passage(1).topic, "");
}

TEST_F(BuildTest, TellsItsProgress) {
  std::int64_t last = -1, total = 0;
  bool wrote = false;
  build_snapshot(options_, encoder_, [&](const BuildProgress& state) {
    if (state.stage == BuildProgress::Stage::kReading) return;
    EXPECT_GE(state.passages_done, last);
    last = state.passages_done;
    total = state.passages_total;
    wrote = state.stage == BuildProgress::Stage::kWriting;
  });
  EXPECT_TRUE(wrote);
  EXPECT_EQ(last, total);
}

}  // namespace
}  // namespace rookery::index_tools
