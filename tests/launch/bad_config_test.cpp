// Every key of a colony's file is given a wrong value (spec F28): the complaint names file, line
// and key, and what was expected.
#include <gtest/gtest.h>

#include <chrono>
#include <filesystem>
#include <regex>
#include <string>
#include <vector>

#include "base/atomic_file.hpp"
#include "launch/colony_config.hpp"
#include "tests/support/error_text.hpp"
#include "tests/support/temp_folder.hpp"

namespace rookery::launch {
namespace {

using testing::error_text;

struct Key {
  std::string path, expected;
};

/// Keys and types as the reference lists them: what is added there is tested here.
std::vector<Key> keys_of_reference() {
  std::vector<Key> keys;
  const std::string table = config_reference();
  const std::regex row(R"(\| `([a-z0-9_.]+)` \| ([^|]*) \|)");
  for (std::sregex_iterator it(table.begin(), table.end(), row), end; it != end; ++it) {
    keys.push_back({(*it)[1], (*it)[2]});
  }
  return keys;
}

/// A file that sets one key, on its last line; `line` becomes that line's number.
std::string file_with(const std::string& path, const std::string& value, int& line) {
  std::string text, indent;
  line = 0;
  std::size_t begin = 0;
  for (auto dot = path.find('.'); dot != std::string::npos; dot = path.find('.', begin)) {
    text += indent + path.substr(begin, dot - begin) + ":\n";
    indent += "  ";
    begin = dot + 1;
    ++line;
  }
  ++line;
  return text + indent + path.substr(begin) + ": " + value + "\n";
}

class BadValueTest : public ::testing::TestWithParam<Key> {
 protected:
  testing::TempFolder folder;
  std::filesystem::path file = folder / "colony.yaml";

  std::string complaint(const std::string& text) {
    base::write_file_atomically(file, text);
    const auto begin = std::chrono::steady_clock::now();
    const std::string message = error_text([&] { ColonyConfig::load(file); });
    EXPECT_LT(std::chrono::steady_clock::now() - begin, std::chrono::seconds(10));
    return message;
  }
  void expect_refused(const std::string& value) {
    int line = 0;
    const std::string text = file_with(GetParam().path, value, line);
    const std::string where =
        file.string() + ":" + std::to_string(line) + ": " + GetParam().path + ": expected ";
    EXPECT_EQ(complaint(text).substr(0, where.size()), where) << text << complaint(text);
  }
};

TEST_P(BadValueTest, OfAnotherTypeIsRefusedNamingFileLineAndKey) {
  const std::string& expected = GetParam().expected;
  const bool is_list = expected.starts_with("list");
  // A word where a list is wanted, a list where anything else is.
  expect_refused(is_list ? "word" : "[1, 2]");
  if (expected.starts_with("integer") || expected.starts_with("number")) expect_refused("ten");
  if (expected.starts_with("integer")) expect_refused("1.5");
  if (expected.starts_with("number")) expect_refused(".nan");
  if (expected.starts_with("true or false")) expect_refused("maybe");
  if (expected.starts_with("one of")) expect_refused("none-of-them");
}

TEST_P(BadValueTest, OutOfRangeIsRefusedNamingTheRange) {
  const std::regex closed(R"(^(integer|number) in \[(-?[0-9.e+-]+), (-?[0-9.e+-]+)\].*)");
  std::smatch match;
  if (!std::regex_match(GetParam().expected, match, closed)) {
    const std::regex half(R"(^(integer|number) of at least (-?[0-9.e+-]+).*)");
    if (std::regex_match(GetParam().expected, match, half)) {
      expect_refused(std::to_string(std::stod(match[2]) - 1));
    }
    return;
  }
  if (match[1] == "integer") {
    expect_refused(std::to_string(std::stoll(match[2]) - 1));
    expect_refused(std::to_string(std::stoll(match[3]) + 1));
    expect_refused("99999999999999999999999");
  } else {
    expect_refused(std::to_string(std::stod(match[2]) - 1));
    expect_refused(std::to_string(std::stod(match[3]) * 2 + 1));
  }
}

TEST_P(BadValueTest, ANearMissOfItsNameIsRefusedNamingTheKey) {
  int line = 0;
  const std::string path = GetParam().path + "x";
  const std::string text = file_with(path, "1", line);
  const std::string where = file.string() + ":" + std::to_string(line) + ": " + path + ": expected";
  EXPECT_EQ(complaint(text).substr(0, where.size()), where);
}

std::string test_name(const ::testing::TestParamInfo<Key>& info) {
  std::string name = info.param.path;
  for (char& c : name) {
    if (c == '.') c = '_';
  }
  return name;
}

INSTANTIATE_TEST_SUITE_P(Keys, BadValueTest, ::testing::ValuesIn(keys_of_reference()), test_name);

class BadFileTest : public ::testing::Test {
 protected:
  testing::TempFolder folder;
  std::string complaint(const std::string& text) {
    const auto file = folder / "colony.yaml";
    base::write_file_atomically(file, text);
    const auto begin = std::chrono::steady_clock::now();
    std::string message = error_text([&] { ColonyConfig::load(file); });
    EXPECT_LT(std::chrono::steady_clock::now() - begin, std::chrono::seconds(10));
    return message;
  }
};

TEST_F(BadFileTest, AliasesOfAliasesCostNothing) {
  std::string text = "a0: &a0 [x, x, x, x, x, x, x, x, x]\n";
  for (int i = 1; i < 40; ++i) {
    const std::string last = "*a" + std::to_string(i - 1);
    text += "a" + std::to_string(i) + ": &a" + std::to_string(i) + " [";
    for (int j = 0; j < 9; ++j) text += (j == 0 ? "" : ", ") + last;
    text += "]\n";
  }
  EXPECT_NE(complaint(text).find("colony.yaml:1: a0: expected"), std::string::npos);
}

TEST_F(BadFileTest, DeepNestingLongFilesAndDoubleKeysAreRefused) {
  EXPECT_NE(complaint("a: " + std::string(200'000, '[')), "(no error)");
  EXPECT_NE(complaint(std::string(10 << 20, '#')).find("expected at most"), std::string::npos);
  EXPECT_NE(complaint("pool: {replicas: 1}\npool: {replicas: 2}\n").find("once"),
            std::string::npos);
  EXPECT_NE(complaint("a: 1\n---\nb: 2\n").find("one YAML document"), std::string::npos);
  EXPECT_NE(complaint("pool: [\n").find("syntax error"), std::string::npos);
  EXPECT_NE(complaint(std::string("colony: \0\x01\xff", 11)), "(no crash)");
}

TEST_F(BadFileTest, ALoneCommaIsNotDocumentsWithoutEnd) {
  EXPECT_NE(complaint(",").find("expected one YAML document"), std::string::npos);
}

TEST_F(BadFileTest, AFileThatIsNotThereIsNamed) {
  EXPECT_NE(error_text([&] { ColonyConfig::load(folder / "none.yaml"); }).find("none.yaml"),
            std::string::npos);
}

}  // namespace
}  // namespace rookery::launch
