#include "launch/commands/bench_scale.hpp"

#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include <CLI/CLI.hpp>
#include <algorithm>
#include <chrono>
#include <cmath>
#include <cstdio>
#include <filesystem>
#include <fstream>
#include <functional>
#include <memory>
#include <nlohmann/json.hpp>
#include <random>
#include <string>
#include <vector>

#include "base/atomic_file.hpp"
#include "base/error.hpp"
#include "base/option_reader.hpp"
#include "base/progress.hpp"
#include "index_tools/snapshot.hpp"
#include "index_tools/snapshot_writer.hpp"
#include "launch/percentile.hpp"
#include "launch/rival.hpp"
#include "launch/scratch_folder.hpp"
#include "retriever_pool/retriever.hpp"

namespace rookery::launch {
namespace {

namespace fs = std::filesystem;
using Clock = std::chrono::steady_clock;
using Json = nlohmann::json;
using index_tools::IndexKind;

struct ScaleArguments {
  std::vector<std::int64_t> rows = {10'000, 50'000, 200'000, 1'000'000};
  std::vector<std::string> indexes = {"int8", "hnsw", "ivfpq:pq_bytes=32", "bm25"};
  std::int32_t dimension = 128;
  int threads = 2, repeat = 15;
  std::string folder, json;
};

double seconds_since(Clock::time_point begin) {
  return std::chrono::duration<double>(Clock::now() - begin).count();
}

/// Clustered rows and short texts of words whose frequencies fall as in a language; row i is the
/// same whatever the number of rows.
class SyntheticCorpus {
 public:
  explicit SyntheticCorpus(std::int32_t dimension) : dimension_(dimension) {
    std::mt19937_64 random(7);
    std::normal_distribution<float> normal;
    centres_.resize(static_cast<std::size_t>(kCentres) * static_cast<std::size_t>(dimension));
    for (float& x : centres_) x = normal(random);
  }

  [[nodiscard]] std::vector<float> vector(std::int64_t row, float noise) const {
    std::mt19937_64 random(static_cast<std::uint64_t>(row) * 2654435761U + 1);
    std::normal_distribution<float> normal;
    const auto centre = static_cast<std::size_t>(random() % kCentres);
    std::vector<float> result(static_cast<std::size_t>(dimension_));
    double squares = 0;
    for (std::size_t i = 0; i < result.size(); ++i) {
      result[i] = centres_[centre * result.size() + i] + noise * normal(random);
      squares += static_cast<double>(result[i]) * static_cast<double>(result[i]);
    }
    const auto scale = static_cast<float>(1 / std::sqrt(squares));
    for (float& x : result) x *= scale;
    return result;
  }

  [[nodiscard]] std::string text(std::int64_t row, int words) const {
    std::mt19937_64 random(static_cast<std::uint64_t>(row) * 40503U + 11);
    std::uniform_real_distribution<double> uniform(0, std::log(200'000.0));
    std::string text;
    for (int i = 0; i < words; ++i) {
      // exp of a uniform number: the word of rank r comes with a probability like 1 / r.
      auto rank = static_cast<std::uint64_t>(std::exp(uniform(random)));
      for (int letter = 0; letter < 6; ++letter, rank /= 20) {
        text += "bcdfghjklmnpqrstvwxz"[rank % 20];
        if (letter % 2 == 0) text += "aeiou"[(rank / 3) % 5];
      }
      text += ' ';
    }
    return text;
  }

 private:
  static constexpr std::uint64_t kCentres = 1000;
  std::int32_t dimension_;
  std::vector<float> centres_;
};

double resident_mb() {
  std::ifstream statm("/proc/self/statm");
  double total = 0;
  double resident = 0;
  statm >> total >> resident;
  return resident * static_cast<double>(::sysconf(_SC_PAGE_SIZE)) / 1e6;
}

/// Runs `work` in a child and gives its figures with the child's peak memory: a process remembers
/// its peak, so every step needs one of its own.
Json in_child(const fs::path& scratch, const std::function<Json()>& work) {
  const fs::path answer = scratch / "figures.json";
  std::fflush(nullptr);
  const pid_t child = ::fork();
  if (child < 0) throw base::UserError("bench scale: cannot start a process of its own");
  if (child == 0) {
    int status = 0;
    try {
      Json figures = work();
      rusage usage{};
      ::getrusage(RUSAGE_SELF, &usage);
      figures["peak_mb"] = static_cast<double>(usage.ru_maxrss) * 1024 / 1e6;
      base::write_file_atomically(answer, figures.dump());
    } catch (const std::exception& error) {
      std::fprintf(stderr, "%s\n", error.what());
      status = 2;
    }
    std::fflush(nullptr);
    ::_exit(status);
  }
  int status = 0;
  ::waitpid(child, &status, 0);
  if (!WIFEXITED(status) || WEXITSTATUS(status) != 0) {
    throw base::UserError("bench scale: a step failed; its message stands above");
  }
  return Json::parse(base::read_file(answer));
}

index_tools::Manifest facts_of(const ScaleArguments& arguments, const std::string& key) {
  index_tools::Manifest facts;
  facts.dimension = arguments.dimension;
  facts.corpus = "synthetic";
  facts.build_key = key;
  facts.encoder.dimension = arguments.dimension;
  return facts;
}

/// A snapshot of `rows` rows with one index (or none).
Json build(const ScaleArguments& arguments, std::int64_t rows, const std::string& spec,
           const fs::path& folder) {
  const SyntheticCorpus corpus(arguments.dimension);
  index_tools::SnapshotWriterOptions options;
  options.threads = arguments.threads;
  if (!spec.empty()) options.indexes = {index_tools::parse_index_spec(spec)};
  index_tools::SnapshotWriter writer(
      folder, folder / ".work",
      facts_of(arguments, std::to_string(rows) + (spec.empty() ? "" : " " + spec)), options);
  auto begin = Clock::now();
  double making = 0;
  for (std::int64_t row = 0; row < rows; ++row) {
    const auto made = Clock::now();
    const std::vector<float> vector = corpus.vector(row, 0.6F);
    const std::string text = corpus.text(row, 70);
    making += seconds_since(made);
    writer.add({row, std::to_string(row), "", text}, vector);
  }
  const double adding = seconds_since(begin) - making;
  begin = Clock::now();
  const index_tools::Manifest manifest = writer.commit();
  const double committing = seconds_since(begin);
  std::int64_t index_bytes = 0;
  std::int64_t bytes = 0;
  for (const index_tools::FileEntry& file : manifest.shards.front().files) {
    const std::string name = file.path.substr(file.path.find('/') + 1);
    bytes += file.bytes;
    if (name != "ids" && name != "vectors" && name != "passages") index_bytes += file.bytes;
  }
  return {{"seconds", spec.empty() ? adding + committing : committing},
          {"bytes", bytes},
          {"index_bytes", index_bytes}};
}

/// Opens it (every block is checked) and asks it.
Json search(const ScaleArguments& arguments, const fs::path& folder, IndexKind kind) {
  const auto begin = Clock::now();
  retriever_pool::EmbeddedPoolOptions options;
  options.snapshot = folder.string();
  options.threads = arguments.threads;
  const auto pool = retriever_pool::open_embedded_pool(options);
  Json figures = {{"open_seconds", seconds_since(begin)}};
  const SyntheticCorpus corpus(arguments.dimension);
  for (const int batch : {1, 8}) {
    std::vector<double> times;
    for (int run = 0; run < arguments.repeat; ++run) {
      std::vector<float> queries;
      std::vector<std::string> texts;
      for (int i = 0; i < batch; ++i) {
        const std::int64_t row = -1 - run * 8 - i;
        const auto vector = corpus.vector(row, 0.6F);
        queries.insert(queries.end(), vector.begin(), vector.end());
        texts.push_back(corpus.text(row, 6));
      }
      retriever_pool::RetrievalRequest request;
      if (kind == IndexKind::kBm25) {
        request.texts = texts;
      } else {
        request.queries = queries;
      }
      request.kind = kind;
      request.want_passages = false;
      request.deadline = std::chrono::seconds(60);
      const auto asked = Clock::now();
      (void)pool->retrieve(request);
      times.push_back(seconds_since(asked) * 1000);
    }
    figures["ms_batch_" + std::to_string(batch)] = median(times);
  }
  figures["resident_mb"] = resident_mb();
  return figures;
}

Json measure(const ScaleArguments& arguments, std::int64_t rows, const std::string& spec,
             const fs::path& scratch) {
  const IndexKind kind =
      spec.empty() ? IndexKind::kExact : index_tools::parse_index_spec(spec).kind;
  const fs::path folder = scratch / (std::to_string(rows) + "-" + to_string(kind));
  Json figures = {{"rows", rows}, {"kind", to_string(kind)}, {"spec", spec}};
  Json built = in_child(scratch, [&] { return build(arguments, rows, spec, folder); });
  figures["build_seconds"] = built["seconds"];
  figures["build_peak_mb"] = built["peak_mb"];
  figures["snapshot_mb"] = built["bytes"].get<double>() / 1e6;
  figures["index_mb"] = built["index_bytes"].get<double>() / 1e6;
  figures.update(in_child(scratch, [&] { return search(arguments, folder, kind); }));
  std::error_code ignored;
  fs::remove_all(folder, ignored);
  return figures;
}

void print(const Json& results) {
  std::printf("%9s  %-6s %9s %9s %9s %9s %9s %10s %10s\n", "rows", "kind", "build s", "peak MB",
              "index MB", "open s", "res. MB", "ms batch 1", "ms batch 8");
  for (const Json& r : results) {
    std::printf("%9lld  %-6s %9.2f %9.0f %9.1f %9.3f %9.0f %10.3f %10.3f\n",
                static_cast<long long>(r["rows"].get<std::int64_t>()),
                r["kind"].get<std::string>().c_str(), r["build_seconds"].get<double>(),
                r["build_peak_mb"].get<double>(), r["index_mb"].get<double>(),
                r["open_seconds"].get<double>(), r["resident_mb"].get<double>(),
                r["ms_batch_1"].get<double>(), r["ms_batch_8"].get<double>());
  }
}

void run(const ScaleArguments& arguments) {
  const ScratchFolder scratch("scale", arguments.folder.empty()
                                           ? fs::temp_directory_path()
                                           : base::expand_path(arguments.folder));
  std::vector<std::string> specs = {""};
  specs.insert(specs.end(), arguments.indexes.begin(), arguments.indexes.end());
  std::printf("%s\n%d-d rows in one shard, texts of 70 words, %d threads\n", machine_line().c_str(),
              arguments.dimension, arguments.threads);
  Json results = Json::array();
  {
    base::Progress progress("scale", std::ssize(arguments.rows) * std::ssize(specs), "steps");
    for (const std::int64_t rows : arguments.rows) {
      for (const std::string& spec : specs) {
        results.push_back(measure(arguments, rows, spec, scratch.path()));
        progress.update(std::ssize(results));
      }
    }
    progress.finish();
  }
  print(results);
  if (!arguments.json.empty()) {
    base::write_file_atomically(arguments.json, Json{{"machine", machine_facts()},
                                                     {"dimension", arguments.dimension},
                                                     {"threads", arguments.threads},
                                                     {"results", results}}
                                                        .dump(2) +
                                                    "\n");
  }
}

}  // namespace

void add_bench_scale(CLI::App& bench) {
  const auto arguments = std::make_shared<ScaleArguments>();
  CLI::App* command =
      bench.add_subcommand("scale", "Time and memory of every kind of index as the corpus grows");
  command->add_option("--rows", arguments->rows, "Corpus sizes")
      ->delimiter(',')
      ->check(CLI::Range(std::int64_t{100}, std::int64_t{1} << 32))
      ->capture_default_str();
  command->add_option("--dim", arguments->dimension, "Of the vectors")
      ->check(CLI::Range(1, 65'536))
      ->capture_default_str();
  command->add_option("--index", arguments->indexes, "Kinds to build, as for index build")
      ->capture_default_str();
  command->add_option("--threads", arguments->threads, "For building and searching")
      ->check(CLI::Range(1, 1024))
      ->capture_default_str();
  command->add_option("--repeat", arguments->repeat, "Searches, of which the median is shown")
      ->check(CLI::Range(1, 1000))
      ->capture_default_str();
  command->add_option("--folder", arguments->folder, "Where to put the snapshots for a while");
  command->add_option("--json", arguments->json, "Write the figures to this file");
  command->footer(
      "Every size and kind is built and searched in a process of its own; nothing is kept.\n"
      "Example: rookery bench scale --rows 10000,50000 --dim 128 --json scale.json");
  command->callback([arguments] { run(*arguments); });
}

}  // namespace rookery::launch
