// Times the decoder: a prompt's prefill, greedy decoding behind it, and passes of several rows.
//   decoder_bench [--model smollm2-135m] [--threads N] [--prompt 512] [--tokens 128] [--repeat 7]
// Without --model a tiny random model runs (ctest does that, so that this never rots).

#include <CLI/CLI.hpp>
#include <algorithm>
#include <chrono>
#include <cstdio>
#include <string>
#include <vector>

#include "base/error.hpp"
#include "engine/decoder.hpp"
#include "tests/engine/tiny_llama.hpp"

namespace {

using rookery::engine::Decoder;
using rookery::engine::DecoderInput;
using rookery::text::TokenId;

struct Settings {
  std::string model;
  int threads = 0, prompt = 40, tokens = 8, repeat = 2;
};

double milliseconds_since(std::chrono::steady_clock::time_point begin) {
  return std::chrono::duration<double, std::milli>(std::chrono::steady_clock::now() - begin)
      .count();
}

double median(std::vector<double> values) {
  std::sort(values.begin(), values.end());
  return values[values.size() / 2];
}

void run(Decoder& decoder, const Settings& settings) {
  std::vector<TokenId> prompt;
  for (int i = 0; i < settings.prompt; ++i)
    prompt.push_back(static_cast<TokenId>((i * 7919 + 11) % decoder.config().vocabulary));
  auto cache = decoder.new_cache();
  const auto forward = [&](std::span<const TokenId> tokens, std::int32_t logit_rows) {
    const DecoderInput input{&cache, tokens, logit_rows};
    const auto begin = std::chrono::steady_clock::now();
    auto logits = decoder.forward(std::span(&input, 1));
    return std::pair(milliseconds_since(begin), std::move(logits));
  };

  std::vector<double> prefill, decode;
  for (int i = 0; i < settings.repeat; ++i) {
    cache.truncate(0);
    auto [time, logits] = forward(prompt, 1);
    prefill.push_back(time);
    const auto begin = std::chrono::steady_clock::now();
    for (int t = 0; t < settings.tokens; ++t) {
      const auto token = rookery::engine::greedy_token(logits);
      logits = forward(std::span(&token, 1), 1).second;
    }
    decode.push_back(settings.tokens * 1e3 / milliseconds_since(begin));
  }
  std::printf("prefill %d tokens     %8.1f ms\n", settings.prompt, median(prefill));
  std::printf("decode after them     %8.1f tokens/s\n", median(decode));
  double single = 0.0;
  for (const int rows : {1, 2, 4, 8, 16, 32}) {
    std::vector<double> times;
    for (int i = 0; i < 2 * settings.repeat; ++i) {
      cache.truncate(settings.prompt);
      times.push_back(forward(std::span(prompt).first(static_cast<std::size_t>(rows)), rows).first);
    }
    if (rows == 1) single = median(times);
    std::printf("forward of %2d rows    %8.2f ms   %.2f of one row\n", rows, median(times),
                median(times) / single);
  }
}

}  // namespace

int main(int argc, char** argv) {
  CLI::App app("Times the decoder");
  Settings settings;
  app.add_option("--model", settings.model, "model name or path; none: a tiny random one");
  app.add_option("--threads", settings.threads, "0: all usable cores");
  app.add_option("--prompt", settings.prompt, "tokens")->check(CLI::Range(32, 100'000));
  app.add_option("--tokens", settings.tokens, "tokens to decode")->check(CLI::Range(1, 100'000));
  app.add_option("--repeat", settings.repeat, "repetitions")->check(CLI::Range(1, 1000));
  CLI11_PARSE(app, argc, argv);
  try {
    const auto checkpoint =
        settings.model.empty()
            ? rookery::testing::TinyLlama{}.checkpoint()
            : rookery::engine::load_checkpoint(rookery::engine::resolve_model(settings.model));
    const auto begin = std::chrono::steady_clock::now();
    const auto decoder = rookery::engine::make_decoder(checkpoint, {settings.threads});
    std::printf("packed in             %8.1f ms\n", milliseconds_since(begin));
    run(*decoder, settings);
  } catch (const rookery::base::UserError& error) {
    std::fprintf(stderr, "%s\n", error.what());
    return 2;
  }
  return 0;
}
