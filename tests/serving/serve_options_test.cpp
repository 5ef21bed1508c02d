#include "serving/serve_options.hpp"

#include <gtest/gtest.h>

#include "base/error.hpp"

namespace rookery::serving {
namespace {

ServeOptions read(const std::string& yaml) {
  return ServeOptions::from_options(
      base::OptionReader::from_text(yaml, "wiki.yaml").section("serve"));
}

std::string complaint(const std::string& yaml) {
  try {
    (void)read(yaml);
  } catch (const base::UserError& error) {
    return error.what();
  }
  return "no complaint";
}

TEST(ServeOptionsTest, EveryKeyHasADefault) {
  const ServeOptions options = read("");
  EXPECT_EQ(options.generator, "smollm2-135m");
  EXPECT_EQ(options.workload_kind(), Workload::kRalm);
  EXPECT_EQ(options.stride_tokens, 4);
  EXPECT_EQ(options.speculation.stride, 3);
}

TEST(ServeOptionsTest, SpeculationIsAWordOrAMap) {
  EXPECT_EQ(read("serve: {speculation: auto}").speculation.stride, 3);
  EXPECT_EQ(read("serve: {speculation: off}").speculation.stride, 0);
  EXPECT_EQ(read("serve: {speculation: \"off\"}").speculation.stride, 0);
  const ServeOptions options =
      read("serve: {speculation: {stride: 5, prefetch: 20, prefetch_always: true}}");
  EXPECT_EQ(options.speculation.stride, 5);
  EXPECT_EQ(options.speculation.prefetch, 20);
  EXPECT_TRUE(options.speculation.prefetch_always);
}

TEST(ServeOptionsTest, MistakesAreNamedWithTheirPlace) {
  EXPECT_EQ(complaint("serve:\n  speculation: maybe\n"),
            "wiki.yaml:2: serve.speculation: expected auto, off or a map {stride: 3, prefetch: 1},"
            " got 'maybe'");
  EXPECT_NE(complaint("serve:\n  speculation: {stride: 0}\n")
                .find("serve.speculation.stride: expected an integer in [1, 64], got '0'"),
            std::string::npos);
  EXPECT_NE(complaint("serve:\n  strid_tokens: 4\n").find("strid_tokens"), std::string::npos);
  EXPECT_NE(complaint("serve:\n  workload: flare\n").find("serve.workload"), std::string::npos);
}

}  // namespace
}  // namespace rookery::serving
