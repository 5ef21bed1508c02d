// Law 4: a position's logits have the same bytes whatever else is in the pass.

#include <gtest/gtest.h>
#include <unistd.h>

#include <chrono>
#include <cstdlib>
#include <cstring>
#include <fstream>

#include "base/atomic_file.hpp"
#include "base/checksum.hpp"
#include "base/subprocess.hpp"
#include "engine/decoder.hpp"
#include "engine/detail/instruction_set.hpp"
#include "tests/engine/tiny_llama.hpp"
#include "tests/support/temp_folder.hpp"

namespace rookery::engine {
namespace {

using text::TokenId;

std::vector<TokenId> tokens_of(std::size_t count, std::size_t seed, std::int32_t vocabulary) {
  std::vector<TokenId> tokens;
  for (std::size_t i = 0; i < count; ++i) {
    seed = seed * 6364136223846793005U + 1442695040888963407U;
    tokens.push_back(static_cast<TokenId>((seed >> 33) % static_cast<std::size_t>(vocabulary)));
  }
  return tokens;
}

/// All rows of logits of `tokens`, in passes of at most `chunk`.
std::vector<float> in_chunks(Decoder& decoder, KvCache& cache, std::span<const TokenId> tokens,
                             std::size_t chunk) {
  std::vector<float> all;
  while (!tokens.empty()) {
    const auto now = tokens.first(std::min(chunk, tokens.size()));
    const DecoderInput input{&cache, now, static_cast<std::int32_t>(now.size())};
    const auto logits = decoder.forward(std::span(&input, 1));
    all.insert(all.end(), logits.begin(), logits.end());
    tokens = tokens.subspan(now.size());
  }
  return all;
}

std::vector<float> whole(Decoder& decoder, std::span<const TokenId> tokens) {
  auto cache = decoder.new_cache();
  return in_chunks(decoder, cache, tokens, tokens.size());
}

::testing::AssertionResult same_bytes(std::span<const float> a, std::span<const float> b) {
  if (a.size() != b.size()) return ::testing::AssertionFailure() << a.size() << " and " << b.size();
  for (std::size_t i = 0; i < a.size(); ++i) {
    if (std::memcmp(&a[i], &b[i], sizeof(float)) != 0) {
      return ::testing::AssertionFailure() << "at " << i << ": " << a[i] << " and " << b[i];
    }
  }
  return ::testing::AssertionSuccess();
}

void expect_same_in_every_chunking(Decoder& decoder, std::size_t count) {
  const auto tokens = tokens_of(count, 1, decoder.config().vocabulary);
  const auto expected = whole(decoder, tokens);
  for (const std::size_t chunk : {1, 3, 7, 33}) {
    auto cache = decoder.new_cache();
    EXPECT_TRUE(same_bytes(in_chunks(decoder, cache, tokens, chunk), expected)) << chunk;
  }
}

void expect_same_in_every_batch(Decoder& decoder, std::size_t count) {
  const auto vocabulary = decoder.config().vocabulary;
  const auto tokens = tokens_of(count, 2, vocabulary);
  const auto expected = whole(decoder, tokens);
  const auto row = static_cast<std::size_t>(vocabulary);
  for (const std::size_t others : {1, 4, 13}) {
    // Neighbours of other lengths, some of them already in the middle of their text.
    std::vector<std::vector<TokenId>> texts;
    std::vector<KvCache> caches;
    for (std::size_t i = 0; i <= others; ++i) {
      caches.push_back(decoder.new_cache());
      texts.push_back(i == others / 2 ? tokens : tokens_of(1 + 5 * i, 90 + i, vocabulary));
      if (i % 2 == 1 && i != others / 2) {
        const auto before = tokens_of(3 + i, 70 + i, vocabulary);
        in_chunks(decoder, caches.back(), before, before.size());
      }
    }
    std::vector<DecoderInput> inputs;
    for (std::size_t i = 0; i <= others; ++i) {
      const auto rows = static_cast<std::int32_t>(i == others / 2 ? count : i % 3 == 0 ? 1 : 0);
      inputs.push_back({&caches[i], texts[i], rows});
    }
    const auto logits = decoder.forward(inputs);
    std::size_t skipped = 0;
    for (std::size_t i = 0; i < others / 2; ++i)
      skipped += static_cast<std::size_t>(inputs[i].logit_rows) * row;
    EXPECT_TRUE(same_bytes(std::span(logits).subspan(skipped, expected.size()), expected))
        << others;
  }
}

void expect_truncation_leaves_no_trace(Decoder& decoder, std::size_t count) {
  const auto vocabulary = decoder.config().vocabulary;
  const auto tokens = tokens_of(count, 3, vocabulary);
  const auto wrong = tokens_of(count, 4, vocabulary);
  const auto expected = whole(decoder, tokens);
  const auto row = static_cast<std::size_t>(vocabulary);
  for (const std::size_t kept : {std::size_t{0}, std::size_t{1}, count / 2, count - 1}) {
    auto cache = decoder.new_cache();
    in_chunks(decoder, cache, std::span(tokens).first(kept), count);
    in_chunks(decoder, cache, wrong, 5);
    cache.truncate(static_cast<std::int32_t>(kept));
    const auto redone = in_chunks(decoder, cache, std::span(tokens).subspan(kept), 4);
    EXPECT_TRUE(same_bytes(redone, std::span(expected).subspan(kept * row))) << kept;
    // A copy goes its own way.
    auto copy = cache;
    copy.truncate(static_cast<std::int32_t>(kept));
    EXPECT_EQ(cache.length(), static_cast<std::int32_t>(count));
  }
}

TEST(DecoderInvariance, LogitsDoNotDependOnChunksBatchesOrWhatWasRolledBack) {
  for (const int threads : {1, 2, 3}) {
    const auto decoder = make_decoder(testing::TinyLlama{}.checkpoint(), {threads});
    expect_same_in_every_chunking(*decoder, 100);
    expect_same_in_every_batch(*decoder, 40);
    expect_truncation_leaves_no_trace(*decoder, 60);
  }
}

TEST(DecoderInvariance, LogitsDoNotDependOnThreads) {
  const auto checkpoint = testing::TinyLlama{}.checkpoint();
  const auto tokens = tokens_of(120, 5, 289);
  const auto expected = whole(*make_decoder(checkpoint, {1}), tokens);
  for (const int threads : {2, 3}) {
    EXPECT_TRUE(same_bytes(whole(*make_decoder(checkpoint, {threads}), tokens), expected))
        << threads;
  }
}

TEST(DecoderInvariance, LongPromptsGoThroughInSeveralPassesWithTheSameBytes) {
  testing::TinyLlama tiny;
  tiny.positions = 2'000;
  tiny.layers = 2;
  const auto decoder = make_decoder(tiny.checkpoint(), {2});
  const auto tokens = tokens_of(1'300, 6, 289);  // a pass takes 512 rows
  const auto expected = whole(*decoder, tokens);
  auto cache = decoder->new_cache();
  EXPECT_TRUE(same_bytes(in_chunks(*decoder, cache, tokens, 100), expected));
}

TEST(DecoderInvariance, TheRealModelKeepsItToo) {
  const auto decoder = open_decoder(resolve_model("smollm2-135m"), {2});
  const auto tokens = tokens_of(44, 8, decoder->config().vocabulary);
  const auto expected = whole(*decoder, tokens);
  for (const std::size_t chunk : {1, 7}) {
    auto cache = decoder->new_cache();
    EXPECT_TRUE(same_bytes(in_chunks(*decoder, cache, tokens, chunk), expected)) << chunk;
  }
  expect_same_in_every_batch(*decoder, 9);
}

// Which instruction set runs is chosen once a process, so this test starts itself again for each.
constexpr auto kDigestFile = "ROOKERY_TEST_DIGEST_FILE";
constexpr auto kDigestModel = "ROOKERY_TEST_DIGEST_MODEL";

std::string digest_in_process(const std::string& set, const std::string& model) {
  const testing::TempFolder folder;
  const auto file = folder / "digest";
  base::SubprocessOptions options;
  options.command = {std::filesystem::read_symlink("/proc/self/exe").string(),
                     "--gtest_also_run_disabled_tests",
                     "--gtest_filter=DecoderDigest.DISABLED_IsWritten"};
  options.environment = {{"ROOKERY_ISA", set}, {kDigestFile, file.string()}, {kDigestModel, model}};
  options.capture_output = true;
  base::Subprocess process(options);
  if (process.wait() != 0) return "the process failed: " + process.output();
  return base::read_file(file);
}

void expect_same_digests(const std::vector<detail::InstructionSet>& sets,
                         const std::string& model) {
  const auto expected = digest_in_process(std::string(to_string(sets.front())), model);
  EXPECT_EQ(expected.size(), 64u) << expected;
  for (const auto set : sets) {
    if (!detail::supported(set)) continue;
    EXPECT_EQ(digest_in_process(std::string(to_string(set)), model), expected) << to_string(set);
  }
}

TEST(DecoderDigest, DISABLED_IsWritten) {
  const char* file = std::getenv(kDigestFile);
  const char* model = std::getenv(kDigestModel);
  ASSERT_TRUE(file != nullptr && model != nullptr);
  const auto decoder = *model == '\0' ? make_decoder(testing::TinyLlama{}.checkpoint(), {2})
                                      : open_decoder(resolve_model(model), {2});
  const auto tokens = tokens_of(40, 9, decoder->config().vocabulary);
  auto cache = decoder->new_cache();
  auto logits = in_chunks(*decoder, cache, tokens, 17);
  const auto more = in_chunks(*decoder, cache, std::span(tokens).first(6), 1);
  logits.insert(logits.end(), more.begin(), more.end());
  std::ofstream{file} << base::sha256_hex(std::as_bytes(std::span(logits)));
}

TEST(DecoderInvariance, LogitsDoNotDependOnTheInstructionSet) {
  using detail::InstructionSet;
  expect_same_digests({InstructionSet::kPlain, InstructionSet::kAvx2, InstructionSet::kAvx512}, "");
  if (detail::supported(InstructionSet::kAvx2))
    expect_same_digests({InstructionSet::kAvx2, InstructionSet::kAvx512}, "smollm2-135m");
}

}  // namespace
}  // namespace rookery::engine
