#include "launch/colony_config.hpp"

#include <gtest/gtest.h>

#include <filesystem>
#include <sstream>
#include <string>

#include "base/atomic_file.hpp"
#include "base/error.hpp"
#include "tests/support/temp_folder.hpp"

namespace rookery::launch {
namespace {

TEST(ColonyConfigTest, EveryFileInConfigsLoads) {
  int files = 0;
  for (const auto& entry : std::filesystem::directory_iterator("configs")) {
    if (entry.path().extension() != ".yaml") continue;
    ++files;
    EXPECT_NO_THROW(ColonyConfig::load(entry.path())) << entry.path();
  }
  EXPECT_GE(files, 2);
}

TEST(ColonyConfigTest, TheManualHoldsEveryKeyWithItsTypeAndDefault) {
  const std::string manual = base::read_file("docs/configuration.md");
  std::istringstream rows(config_reference());
  int keys = 0;
  for (std::string row; std::getline(rows, row);) {
    if (row.find('`') == std::string::npos) continue;
    ++keys;
    EXPECT_NE(manual.find("\n" + row), std::string::npos) << "docs/configuration.md lacks: " << row;
  }
  std::size_t documented = 0;
  for (auto at = manual.find("\n| `"); at < manual.find("## Environment");
       at = manual.find("\n| `", at + 1))
    ++documented;
  EXPECT_EQ(documented, static_cast<std::size_t>(keys)) << "the manual names keys that are gone";
}

struct BadFile {
  const char* text;
  const char* message;
};

class BadConfigTest : public ::testing::TestWithParam<BadFile> {};

TEST_P(BadConfigTest, NamesFileLineAndKey) {
  const testing::TempFolder folder;
  const auto file = folder.path() / "colony.yaml";
  base::write_file_atomically(file, GetParam().text);
  try {
    ColonyConfig::load(file);
    FAIL() << "accepted: " << GetParam().text;
  } catch (const base::UserError& error) {
    EXPECT_EQ(std::string(error.what()), file.string() + GetParam().message);
  }
}

INSTANTIATE_TEST_SUITE_P(
    Mistakes, BadConfigTest,
    ::testing::Values(BadFile{"colony: x\npool:\n  replicas: two\n",
                              ":3: pool.replicas: expected an integer in [1, 64], got 'two'"},
                      BadFile{"serve:\n  workload: flare\n",
                              ":2: serve.workload: expected one of ralm, none, got 'flare'"},
                      BadFile{"train:\n  questions:\n    train: [a, b]\n",
                              ":3: train.questions.train: expected a path, got a list"},
                      BadFile{"pool: 3\n", ":1: pool: expected a map of options, got '3'"}));

TEST(ColonyConfigTest, AnUnknownKeyIsNamedWithTheKnownOnes) {
  const testing::TempFolder folder;
  const auto file = folder.path() / "colony.yaml";
  base::write_file_atomically(file, "colony: x\nindx: {path: a}\n");
  try {
    ColonyConfig::load(file);
    FAIL();
  } catch (const base::UserError& error) {
    EXPECT_EQ(std::string(error.what()),
              file.string() +
                  ":2: indx: expected one of the keys colony, index, indexes, pool, train, "
                  "serve, got 'indx'");
  }
}

}  // namespace
}  // namespace rookery::launch
