// Every file of every corpus, and seeded damage to it, in each run of the tests.
#include "base/atomic_file.hpp"
#include "tests/fuzz/fuzz_targets.hpp"
#include "tests/support/seed.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <array>
#include <cstring>
#include <filesystem>
#include <random>
#include <string>
#include <vector>

namespace rookery::fuzz {
namespace {

namespace fs = std::filesystem;

constexpr int kMutations = 1000;  ///< of each file: all targets together take seconds

std::vector<fs::path> corpus_of(const FuzzTarget& target) {
  std::vector<fs::path> files;
  for (const auto& entry : fs::directory_iterator(fs::path(ROOKERY_FUZZ_CORPUS) / target.name)) {
    files.push_back(entry.path());
  }
  std::sort(files.begin(), files.end());
  return files;
}

int run(const FuzzTarget& target, const std::string& input) {
  return target.run(std::as_bytes(std::span(input)));
}

/// One to four damages: a flipped bit, another byte, a number at an extreme, a piece cut out, cut
/// off or doubled.
std::string mutate(std::string input, std::mt19937_64& random) {
  constexpr std::array<std::int64_t, 8> kExtremes{
      0, -1, 1, INT64_MAX, INT64_MIN, std::int64_t{1} << 31, 0xFFFF, std::int64_t{1} << 40};
  for (std::uint64_t damage = 0; damage <= random() % 4 && !input.empty(); ++damage) {
    const std::size_t at = random() % input.size();
    const std::size_t length = 1 + random() % std::min<std::size_t>(input.size() - at, 64);
    switch (random() % 6) {
      case 0:
        input[at] = static_cast<char>(input[at] ^ (1 << random() % 8));
        break;
      case 1:
        input[at] = static_cast<char>(random());
        break;
      case 2: {
        const std::int64_t extreme = kExtremes[random() % kExtremes.size()];
        const std::size_t width = random() % 2 == 0 ? 4 : 8;
        const std::size_t place = at / 4 * 4;  // where the numbers of our files stand
        if (place + width <= input.size()) std::memcpy(&input[place], &extreme, width);
        break;
      }
      case 3:
        input.erase(at, length);
        break;
      case 4:
        input.resize(at);
        break;
      default:
        input.insert(at, input.substr(at, length));
    }
  }
  return input;
}

class FuzzCorpus : public ::testing::TestWithParam<FuzzTarget> {};

TEST_P(FuzzCorpus, NoFileOfItAndNoDamageToOneEndsTheProcess) {
  const std::vector<fs::path> files = corpus_of(GetParam());
  ASSERT_FALSE(files.empty()) << GetParam().name;
  std::mt19937_64 random(rookery::testing::seed());
  run(GetParam(), "");
  int accepted = 0;
  for (const fs::path& file : files) {
    const std::string input = base::read_file(file);
    accepted += run(GetParam(), input);
    for (int mutation = 0; mutation < kMutations; ++mutation) {
      run(GetParam(), mutate(input, random));
    }
  }
  EXPECT_GT(accepted, 0) << "the corpus is of an older format: write it anew with make_corpus";
}

INSTANTIATE_TEST_SUITE_P(Targets, FuzzCorpus, ::testing::ValuesIn(fuzz_targets()),
                         [](const auto& target) { return target.param.name; });

}  // namespace
}  // namespace rookery::fuzz
