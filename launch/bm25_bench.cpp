#include "launch/bm25_bench.hpp"

#include <algorithm>
#include <chrono>
#include <cmath>
#include <cstring>
#include <memory>
#include <nlohmann/json.hpp>
#include <optional>
#include <random>
#include <unordered_map>

#include "base/atomic_file.hpp"
#include "base/error.hpp"
#include "base/option_reader.hpp"
#include "base/progress.hpp"
#include "engine/weights.hpp"
#include "index_tools/bm25_postings.hpp"
#include "index_tools/corpus.hpp"
#include "index_tools/question_file.hpp"
#include "index_tools/npy_file.hpp"
#include "index_tools/question_pairs.hpp"
#include "launch/percentile.hpp"
#include "launch/rival.hpp"
#include "launch/scratch_folder.hpp"
#include "retriever_pool/search_team.hpp"
#include "retriever_pool/shard_index.hpp"
#include "text/english_analyzer.hpp"

namespace rookery::launch {
namespace {

namespace fs = std::filesystem;
using Clock = std::chrono::steady_clock;
using Json = nlohmann::json;

double seconds_since(Clock::time_point begin) {
  return std::chrono::duration<double>(Clock::now() - begin).count();
}

struct Source {
  std::string title;
  std::vector<std::string> sentences;
};

std::vector<Source> read_sources(index_tools::Corpus& corpus) {
  std::vector<Source> sources;
  while (const auto text = corpus.next()) {
    Source& source = sources.emplace_back();
    source.title = text->title;
    for (std::size_t begin = 0; begin < text->text.size();) {
      const std::size_t end = std::min(text->text.find(". ", begin), text->text.size() - 1) + 1;
      source.sentences.push_back(text->text.substr(begin, end - begin));
      begin = end + 1;
    }
  }
  if (sources.empty()) throw base::UserError(corpus.path().string() + ": holds no texts");
  return sources;
}

/// Passages in memory, and the postings of them.
class SyntheticShard final : public index_tools::SnapshotShard {
 public:
  SyntheticShard(const std::vector<Source>& sources, std::int64_t passages) {
    std::vector<const std::string*> sentences;
    for (const Source& source : sources) {
      for (const std::string& sentence : source.sentences) sentences.push_back(&sentence);
    }
    std::mt19937_64 random(0);
    for (std::int64_t row = 0; row < passages; ++row) {
      const Source& source = sources[static_cast<std::size_t>(row) % sources.size()];
      std::string text;
      for (std::size_t n = source.sentences.size(); n > 0; --n) {
        text += *sentences[random() % sentences.size()] + " ";
      }
      ids_.push_back(row);
      titles_.push_back(source.title);
      texts_.push_back(std::move(text));
    }
  }
  void set_file(std::vector<std::byte> bytes) { bm25_ = std::move(bytes); }

  [[nodiscard]] std::int32_t shard() const override { return 0; }
  [[nodiscard]] std::int64_t count() const override { return std::ssize(ids_); }
  [[nodiscard]] std::int32_t dimension() const override { return 0; }
  [[nodiscard]] std::span<const std::int64_t> ids() const override { return ids_; }
  [[nodiscard]] index_tools::VectorType vector_type() const override {
    return index_tools::VectorType::kNone;
  }
  [[nodiscard]] std::span<const float> vectors() const override { return {}; }
  [[nodiscard]] std::span<const std::byte> file(std::string_view name) const override {
    return name == "bm25" ? std::span<const std::byte>(bm25_) : std::span<const std::byte>{};
  }
  [[nodiscard]] index_tools::PassageView passage(std::int64_t row) const override {
    const auto r = static_cast<std::size_t>(row);
    return {row, "", titles_[r], texts_[r]};
  }
  [[nodiscard]] std::optional<std::int64_t> row_of(std::int64_t id) const override { return id; }

 private:
  std::vector<std::int64_t> ids_;
  std::vector<std::string> titles_;
  std::vector<std::string> texts_;
  std::vector<std::byte> bm25_;
};

std::vector<std::string> make_queries(const Bm25BenchOptions& options, index_tools::Corpus& corpus,
                                      const SyntheticShard& shard) {
  std::vector<std::string> queries;
  if (!options.questions.empty()) {
    index_tools::QuestionFileOptions reading;
    reading.answers_required = false;
    reading.limit = options.queries;
    for (auto& question :
         index_tools::read_questions(base::expand_path(options.questions), reading)) {
      queries.push_back(std::move(question.question));
    }
    return queries;
  }
  for (auto& pair : index_tools::derive_question_pairs(corpus).test) {
    queries.push_back(std::move(pair.question));
  }
  std::mt19937_64 random(1);
  while (std::ssize(queries) < options.queries) {  // a corpus without descriptions
    const std::string_view text =
        shard.passage(static_cast<std::int64_t>(random() % shard.ids().size())).text;
    const std::size_t begin = text.find(' ', random() % (text.size() + 1));
    if (begin != std::string_view::npos) queries.emplace_back(text.substr(begin, 50));
  }
  queries.resize(static_cast<std::size_t>(options.queries));
  return queries;
}

/// A folder with our terms for the rivals, gone with this object.
class RivalFolder {
 public:
  RivalFolder(const Bm25BenchOptions& options, const SyntheticShard& shard,
              const std::vector<std::string>& queries) {
    text::EnglishAnalyzer analyzer;
    std::unordered_map<std::string, std::int32_t> numbers;
    std::vector<std::string> vocabulary;
    std::vector<std::int32_t> terms;
    std::vector<std::int64_t> ends;
    for (std::int64_t row = 0; row < shard.count(); ++row) {
      const auto passage = shard.passage(row);
      for (const std::string_view part : {passage.title, passage.text}) {
        for (const std::string_view term : analyzer.analyse(part)) {
          const auto [at, fresh] =
              numbers.try_emplace(std::string(term), static_cast<std::int32_t>(numbers.size()));
          if (fresh) vocabulary.emplace_back(term);
          terms.push_back(at->second);
        }
      }
      ends.push_back(std::ssize(terms));
    }
    index_tools::write_npy(folder_.path() / "terms.npy", terms);
    index_tools::write_npy(folder_.path() / "ends.npy", ends);
    base::write_file_atomically(folder_.path() / "vocabulary.json", Json(vocabulary).dump());
    Json lists = Json::array();
    for (const std::string& query : queries) {
      // bm25s has no answer for a query of unknown terms only; ours is empty.
      Json list = Json::array();
      for (const std::string_view term : analyzer.analyse(query)) {
        if (numbers.contains(std::string(term))) list.push_back(term);
      }
      lists.push_back(std::move(list));
    }
    const Json asked = {{"queries", std::move(lists)}, {"k1", options.k1}, {"b", options.b}};
    base::write_file_atomically(folder_.path() / "queries.json", asked.dump());
    words_mean = static_cast<double>(terms.size()) / static_cast<double>(shard.count());
    terms_count = std::ssize(vocabulary);
  }
  [[nodiscard]] std::string path() const { return folder_.path().string(); }
  double words_mean = 0;
  std::int64_t terms_count = 0;

 private:
  ScratchFolder folder_{"bm25"};
};

struct Times {
  std::vector<double> ms;
  void add(const Json& more) {
    for (const Json& one : more) ms.push_back(one.get<double>());
  }
};

/// The times of each query alone, in milliseconds.
void time_ours(const retriever_pool::ShardIndex& index, const std::vector<std::string>& queries,
               std::int32_t k, std::vector<double>& times) {
  retriever_pool::SearchBatch batch;
  batch.k = k;
  for (const std::string& query : queries) {
    batch.texts = std::span(&query, 1);
    const auto begin = Clock::now();
    const auto hits = index.search(batch);
    times.push_back(seconds_since(begin) * 1000);
    if (hits.size() != 1) throw std::logic_error("a query without an answer");
  }
}

std::vector<double> time_analysis(const std::vector<std::string>& queries) {
  text::EnglishAnalyzer analyzer;
  std::vector<double> times;
  for (int run = 0; run < 9; ++run) {
    for (const std::string& query : queries) {
      const auto begin = Clock::now();
      const auto terms = analyzer.analyse(query);
      if (run > 0) times.push_back(seconds_since(begin) * 1000 + (terms.empty() ? 1e-9 : 0));
    }
  }
  return times;
}

/// The largest relative difference between a score of ours and the rival's in the same place.
double largest_difference(const retriever_pool::ShardIndex& index,
                          const std::vector<std::string>& queries, std::int32_t k,
                          const Json& theirs) {
  double largest = 0;
  retriever_pool::SearchBatch batch;
  batch.k = k;
  for (std::size_t q = 0; q < queries.size(); ++q) {
    batch.texts = std::span(&queries[q], 1);
    const auto hits = index.search(batch).front();
    for (std::size_t h = 0; h < hits.size(); ++h) {
      const auto ours = static_cast<double>(hits[h].score);
      largest = std::max(largest, std::abs(theirs[q][h].get<double>() - ours) / ours);
    }
  }
  return largest;
}

struct Bm25Rival {
  std::string backend;
  std::optional<Rival> script;
};

Json measure(const Bm25BenchOptions& options, std::int32_t k,
             const retriever_pool::ShardIndex& index, const std::vector<std::string>& queries,
             std::vector<Bm25Rival>& rivals) {
  std::vector<double> ours;
  std::vector<Times> theirs(rivals.size());
  Json result = {{"k", k}, {"largest_difference", nullptr}};
  time_ours(index, queries, k, ours);  // to warm up
  ours.clear();
  for (std::size_t r = 0; r < rivals.size(); ++r) {
    if (!rivals[r].script) continue;
    const Json first = rivals[r].script->ask({{"k", k}});  // compiles, too
    if (rivals[r].backend == "numba") {
      result["largest_difference"] = largest_difference(index, queries, k, first.at("scores"));
    }
  }
  base::Progress progress("k " + std::to_string(k), options.repeat, "runs");
  for (int run = 0; run < options.repeat; ++run) {
    time_ours(index, queries, k, ours);
    for (std::size_t r = 0; r < rivals.size(); ++r) {
      // The slow backend is measured three times: it is there for the record.
      if (!rivals[r].script || (rivals[r].backend == "numpy" && run >= 3)) continue;
      theirs[r].add(rivals[r].script->ask({{"k", k}}).at("ms"));
    }
    progress.update(run + 1);
  }
  progress.finish();
  const double analysis = median(time_analysis(queries));
  result["ms_median"] = median(ours);
  result["ms_p95"] = percentile(ours, 0.95);
  result["analysis_ms_median"] = analysis;
  result["search_ms_median"] = median(ours) - analysis;
  for (std::size_t r = 0; r < rivals.size(); ++r) {
    const std::string& name = rivals[r].backend;
    const bool there = !theirs[r].ms.empty();
    const double search = median(theirs[r].ms);
    // The rival is given terms: with analysis means with ours, the fastest there is for it.
    result[name + "_ms_median"] = there ? Json(search + analysis) : Json();
    result[name + "_ms_p95"] = there ? Json(percentile(theirs[r].ms, 0.95) + analysis) : Json();
    result[name + "_search_ms_median"] = there ? Json(search) : Json();
    result["ratio_" + name] = there ? Json((search + analysis) / median(ours)) : Json();
  }
  return result;
}

}  // namespace

Json run_bm25_bench(const Bm25BenchOptions& options) {
  const auto corpus = index_tools::open_corpus(
      options.corpus == "wiki" ? engine::resolve_model("wiki") : base::expand_path(options.corpus),
      {});
  const auto shard = std::make_shared<SyntheticShard>(read_sources(*corpus), options.passages);
  corpus->rewind();
  const std::vector<std::string> queries = make_queries(options, *corpus, *shard);
  Json report = {
      {"machine", machine_facts()}, {"corpus", options.corpus}, {"passages", options.passages},
      {"queries", queries.size()},  {"k1", options.k1},         {"b", options.b}};

  auto begin = Clock::now();
  const std::shared_ptr<const index_tools::SnapshotShard> one = shard;
  const auto statistics = index_tools::collect_bm25_statistics(std::span(&one, 1));
  std::vector<std::byte> file;
  index_tools::write_bm25_postings(*shard, statistics, {options.k1, options.b},
                                   [&file](std::span<const std::byte> bytes) {
                                     file.insert(file.end(), bytes.begin(), bytes.end());
                                   });
  report["build_s"] = seconds_since(begin);
  report["bytes"] = file.size();
  shard->set_file(std::move(file));
  begin = Clock::now();
  const auto index =
      retriever_pool::make_bm25_index(one, std::make_shared<retriever_pool::SearchTeam>(1));
  report["open_s"] = seconds_since(begin);

  std::vector<Bm25Rival> rivals;
  rivals.push_back({"numba", std::nullopt});
  rivals.push_back({"numpy", std::nullopt});
  report["rivals"] = Json::array();
  const RivalFolder folder(options, *shard, queries);
  report["words_mean"] = folder.words_mean;
  report["vocabulary"] = folder.terms_count;
  for (Bm25Rival& rival : rivals) {
    rival.script = Rival::start("bm25s_search", {folder.path(), rival.backend}, 1);
    if (!rival.script) continue;
    Json built = rival.script->ask({{"build", true}});
    built["backend"] = rival.backend;
    report["rivals"].push_back(std::move(built));
  }
  report["results"] = Json::array();
  for (const std::int32_t k : options.ks) {
    report["results"].push_back(measure(options, k, *index, queries, rivals));
  }
  return report;
}

}  // namespace rookery::launch
