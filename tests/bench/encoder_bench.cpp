// Times the text encoder: passages a second over the wiki's first passages, tokenising alone, and
// one short query.
//   encoder_bench [--model minilm] [--threads N] [--passages 1000] [--repeat 5]
// ctest runs it with a few passages, so that it never rots.

#include "base/error.hpp"
#include "base/thread_team.hpp"
#include "engine/bert_encoder.hpp"
#include "tests/text/wiki_passages.hpp"

#include <CLI/CLI.hpp>

#include <algorithm>
#include <chrono>
#include <cstdio>
#include <string>
#include <vector>

namespace {

using rookery::engine::BertEncoder;

struct Settings {
  std::string model = "minilm";
  int threads = 0, passages = 1000, repeat = 5;
};

double seconds_since(std::chrono::steady_clock::time_point begin) {
  return std::chrono::duration<double>(std::chrono::steady_clock::now() - begin).count();
}

template <class F>
double median_seconds(int repeat, const F& work) {
  std::vector<double> times;
  for (int i = 0; i < repeat; ++i) {
    const auto begin = std::chrono::steady_clock::now();
    work();
    times.push_back(seconds_since(begin));
  }
  std::sort(times.begin(), times.end());
  return times[times.size() / 2];
}

void run(const Settings& settings) {
  const auto checkpoint =
      rookery::engine::load_checkpoint(rookery::engine::resolve_model(settings.model));
  BertEncoder encoder(checkpoint, {.threads = settings.threads});
  const auto passages =
      rookery::testing::wiki_passages("en-us", 1, static_cast<std::size_t>(settings.passages));
  std::size_t bytes = 0;
  std::size_t tokens = 0;
  const double tokenising = median_seconds(settings.repeat, [&] {
    bytes = tokens = 0;
    for (const auto& passage : passages) {
      bytes += passage.size();
      tokens += encoder.tokenizer()
                    .encode_single(passage, static_cast<std::size_t>(encoder.config().tokens_max))
                    .size();
    }
  });
  const auto count = static_cast<double>(passages.size());
  std::printf("%zu passages, %.1f tokens each, %d threads\n", passages.size(),
              static_cast<double>(tokens) / count,
              settings.threads > 0 ? settings.threads : rookery::base::usable_cores());
  std::printf("tokenise, 1 thread   %8.1f MB/s\n", static_cast<double>(bytes) / tokenising / 1e6);
  const double encoding = median_seconds(settings.repeat, [&] { (void)encoder.encode(passages); });
  std::printf("encode               %8.1f passages/s   %.0f tokens/s\n", count / encoding,
              static_cast<double>(tokens) / encoding);
  const std::vector<std::string> query = {
      "who was the first person to describe how planets move around us"};
  const double latency = median_seconds(20 * settings.repeat, [&] { (void)encoder.encode(query); });
  std::printf("one query, 12 words  %8.2f ms\n", latency * 1e3);
}

}  // namespace

int main(int argc, char** argv) {
  CLI::App app("Times the text encoder");
  Settings settings;
  app.add_option("--model", settings.model, "a folder, a wheel, or minilm");
  app.add_option("--threads", settings.threads, "0: all cores");
  app.add_option("--passages", settings.passages)->check(CLI::Range(1, 1'000'000));
  app.add_option("--repeat", settings.repeat)->check(CLI::Range(1, 1000));
  CLI11_PARSE(app, argc, argv);
  try {
    run(settings);
  } catch (const rookery::base::UserError& error) {
    std::fprintf(stderr, "%s\n", error.what());
    return 2;
  }
  return 0;
}
