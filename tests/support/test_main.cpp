#include "tests/support/seed.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <csignal>
#include <cstdio>
#include <string_view>

int main(int argc, char** argv) {
  // ctest reads the list of cases from standard output, which must hold nothing else then.
  bool listing = false;
  for (int i = 1; i < argc; ++i) {
    listing = listing || std::string_view(argv[i]) == "--gtest_list_tests";
  }
  ::testing::InitGoogleMock(&argc, argv);
  if (!listing) {
    std::printf("seed %llu (ROOKERY_SEED)\n",
                static_cast<unsigned long long>(rookery::testing::seed()));
    std::fflush(stdout);  // or tests that fork would print it again
  }
  // As in the executables: a peer that closes its socket is an error code, not a death.
  std::signal(SIGPIPE, SIG_IGN);
  return RUN_ALL_TESTS();
}
