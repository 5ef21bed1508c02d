#include "index_tools/npy_file.hpp"

#include "base/atomic_file.hpp"
#include "tests/support/error_text.hpp"
#include "tests/support/seed.hpp"
#include "tests/support/temp_folder.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <cstring>
#include <limits>
#include <random>
#include <string>
#include <vector>

namespace rookery::index_tools {
namespace {

using rookery::testing::error_text;
using rookery::testing::TempFolder;
using ::testing::AllOf;
using ::testing::HasSubstr;

/// A file as numpy writes it, byte by byte; `dictionary` is padded as version 1.0 asks for.
std::string npy(const std::string& dictionary, const std::string& data, char major = 1) {
  std::string header = dictionary;
  const std::size_t prefix = major == 1 ? 10 : 12;
  header.append((64 - (prefix + header.size() + 1) % 64) % 64, ' ');
  header += '\n';
  std::string file = "\x93NUMPY";
  file += major;
  file += '\0';
  file += static_cast<char>(header.size() & 0xFF);
  file += static_cast<char>(header.size() >> 8);
  if (major > 1) file += std::string(2, '\0');
  return file + header + data;
}

std::string dictionary(const std::string& descr, const std::string& shape) {
  return "{'descr': '" + descr + "', 'fortran_order': False, 'shape': " + shape + ", }";
}

template <typename T>
std::string raw(const std::vector<T>& values) {
  return {reinterpret_cast<const char*>(values.data()), values.size() * sizeof(T)};
}

NpyHeader parse(const std::string& file) {
  return NpyHeader::parse(std::as_bytes(std::span(file)), "x.npy");
}

std::string complaint(const std::string& file) {
  return error_text([&] { parse(file); });
}

TEST(NpyFile, ReadsFloatsOfEveryVersionOfTheFormat) {
  const std::vector<float> values{1.5F, -2, std::numeric_limits<float>::denorm_min(), 4, 5, 6};
  const TempFolder folder;
  for (const char major : {'\1', '\2', '\3'}) {
    const auto path = folder / "x.npy";
    base::write_file_atomically(path, npy(dictionary("<f4", "(2, 3)"), raw(values), major));

    const NpyFile file(path);

    ASSERT_EQ(file.rows(), 2);
    ASSERT_EQ(file.columns(), 3);
    EXPECT_EQ(file.axes(), 2);
    std::vector<float> row(3);
    EXPECT_TRUE(file.copy_row(0, row));
    EXPECT_EQ(raw(row), raw(values).substr(0, 12));
    EXPECT_TRUE(file.copy_row(1, row));
    EXPECT_EQ(row, (std::vector<float>{4, 5, 6}));
  }
}

TEST(NpyFile, WidensHalvesExactlyAndSaysWhenANarrowedDoubleIsAnotherNumber) {
  const TempFolder folder;
  base::write_file_atomically(
      folder / "half.npy",
      npy(dictionary("<f2", "(1, 3)"), raw(std::vector<std::uint16_t>{0x3C00, 0xC100, 0x0001})));
  std::vector<float> row(3);
  EXPECT_TRUE(NpyFile(folder / "half.npy").copy_row(0, row));
  EXPECT_EQ(row, (std::vector<float>{1.0F, -2.5F, std::ldexp(1.0F, -24)}));

  base::write_file_atomically(
      folder / "double.npy",
      npy(dictionary("<f8", "(3, 3)"),
          raw(std::vector<double>{1, -2.5, 0, 0.1, 2, 3, 1e300, -1e300, std::nan("")})));
  const NpyFile doubles(folder / "double.npy");
  EXPECT_TRUE(doubles.copy_row(0, row));
  EXPECT_EQ(row, (std::vector<float>{1, -2.5F, 0}));
  EXPECT_FALSE(doubles.copy_row(1, row));
  EXPECT_EQ(row[0], 0.1F);
  EXPECT_FALSE(doubles.copy_row(2, row));
  EXPECT_EQ(row[0], std::numeric_limits<float>::infinity());
  EXPECT_EQ(row[1], -std::numeric_limits<float>::infinity());
  EXPECT_TRUE(std::isnan(row[2]));
}

TEST(NpyFile, ReadsIntegersOfOneAxis) {
  const TempFolder folder;
  base::write_file_atomically(
      folder / "ids.npy",
      npy(dictionary("<i8", "(2,)"), raw(std::vector<std::int64_t>{-3, std::int64_t{1} << 60})));
  const NpyFile ids(folder / "ids.npy");
  EXPECT_EQ(ids.axes(), 1);
  EXPECT_EQ(ids.integer(0), -3);
  EXPECT_EQ(ids.integer(1), std::int64_t{1} << 60);
  EXPECT_THROW(static_cast<void>(ids.integer(2)), std::invalid_argument);
  base::write_file_atomically(folder / "values.npy", npy(dictionary("<i4", "(2, 1)"),
                                                         raw(std::vector<std::int32_t>{7, -8})));
  EXPECT_EQ(NpyFile(folder / "values.npy").integer(1), -8);
}

TEST(NpyFile, KeysMayStandInAnyOrderAndEitherQuotes) {
  const NpyHeader header =
      parse(npy("{\"shape\":(0,5),'fortran_order':False,\"descr\":'<f4'}", ""));
  EXPECT_EQ(header.rows, 0);
  EXPECT_EQ(header.columns, 5);
}

TEST(NpyFile, RefusesWhatItDoesNotReadByName) {
  const std::string data = raw(std::vector<float>{1, 2, 3, 4});
  EXPECT_THAT(complaint("hello"), AllOf(HasSubstr("x.npy"), HasSubstr("expected a .npy file")));
  EXPECT_THAT(complaint("PK\x03\x04 and some more bytes"), HasSubstr(".npz"));
  EXPECT_THAT(complaint(npy(dictionary("<f4", "(2, 2)"), data, 4)), HasSubstr("got 4.0"));
  EXPECT_THAT(complaint(npy(dictionary(">f4", "(2, 2)"), data)), HasSubstr("got '>f4'"));
  EXPECT_THAT(complaint(npy(dictionary("|O", "(2, 2)"), data)), HasSubstr("got '|O'"));
  EXPECT_THAT(complaint(npy(dictionary("<f4", "(1, 2, 2)"), data)), HasSubstr("two axes"));
  EXPECT_THAT(complaint(npy(dictionary("<f4", "()"), data)), HasSubstr("two axes"));
  EXPECT_THAT(complaint(npy("{'descr': '<f4', 'fortran_order': True, 'shape': (2, 2), }", data)),
              AllOf(HasSubstr("Fortran order"), HasSubstr("ascontiguousarray")));
  EXPECT_THAT(
      complaint(npy("{'descr': [('a', '<f4')], 'fortran_order': False, 'shape': (4,)}", data)),
      HasSubstr("named columns"));
  EXPECT_THAT(complaint(npy("{'descr': '<f4', 'shape': (2, 2)}", data)),
              HasSubstr("fortran_order"));
  EXPECT_THAT(
      complaint(npy("{'descr': '<f4', 'fortran_order': False, 'shape': (2, 2), 'x': 1}", data)),
      HasSubstr("got 'x'"));
  EXPECT_THAT(complaint(npy("{'descr': '<f4', 'descr': '<f4', 'fortran_order': False, "
                            "'shape': (2, 2)}",
                            data)),
              HasSubstr("again"));
  EXPECT_THAT(complaint(npy(dictionary("<f4", "(2, 2)") + "import os", data)),
              HasSubstr("nothing but spaces"));
  EXPECT_THAT(complaint(npy(dictionary("<f4", "(-2, 2)"), data)), HasSubstr("a number"));
}

TEST(NpyFile, RefusesASizeThatIsNotTheFilesBeforeItIsUsed) {
  const std::string data = raw(std::vector<float>{1, 2, 3, 4});
  EXPECT_THAT(complaint(npy(dictionary("<f4", "(2, 3)"), data)),
              AllOf(HasSubstr("2 × 3"), HasSubstr("got 16 bytes")));
  EXPECT_THAT(complaint(npy(dictionary("<f4", "(2, 1)"), data)), HasSubstr("cut off or damaged"));
  EXPECT_THAT(complaint(npy(dictionary("<f4", "(2, 0)"), data)), HasSubstr("cut off or damaged"));
  // Products that would wrap around to the file's size.
  EXPECT_THAT(complaint(npy(dictionary("<f4", "(1099511627776, 1099511627776)"), data)),
              HasSubstr("cut off or damaged"));
  EXPECT_THAT(complaint(npy(dictionary("<f4", "(99999999999999999999999, 2)"), data)),
              HasSubstr("at most"));
  std::string long_header = npy(dictionary("<f4", "(2, 2)"), data, 2);
  long_header[11] = '\x7F';  // a header of 2 GB
  EXPECT_THAT(complaint(long_header), HasSubstr("expected a header within"));
}

TEST(NpyFile, NoTruncationIsAccepted) {
  const std::string whole = npy(dictionary("<f4", "(2, 2)"), raw(std::vector<float>{1, 2, 3, 4}));
  ASSERT_EQ(complaint(whole), "(no error)");
  for (std::size_t size = 0; size < whole.size(); ++size) {
    EXPECT_NE(complaint(whole.substr(0, size)), "(no error)") << size;
  }
}

TEST(NpyFile, WhatIsWrittenComesBackBitForBit) {
  std::mt19937_64 random(rookery::testing::seed());
  const TempFolder folder;
  for (const std::int64_t rows : {1, 7, 4000}) {
    std::vector<std::uint32_t> bits(static_cast<std::size_t>(rows) * 3);
    for (auto& value : bits) value = static_cast<std::uint32_t>(random());
    NpyWriter writer(folder / "x.npy", {NpyType::kFloat32, 2, rows, 3});
    writer.write(std::as_bytes(std::span(bits)).first(12));
    writer.write(std::as_bytes(std::span(bits)).subspan(12));
    writer.finish();

    const NpyFile file(folder / "x.npy");
    EXPECT_EQ(file.bytes().size() % 64, bits.size() * 4 % 64) << "data begin at a multiple of 64";
    ASSERT_EQ(file.rows(), rows);
    for (std::int64_t row = 0; row < rows; ++row) {
      std::array<float, 3> got{};
      EXPECT_TRUE(file.copy_row(row, got));
      EXPECT_EQ(std::memcmp(got.data(), &bits[static_cast<std::size_t>(row) * 3], 12), 0);
    }
  }
}

TEST(NpyFile, AWriterThatWasPromisedMoreLeavesNothing) {
  const TempFolder folder;
  {
    NpyWriter writer(folder / "x.npy", {NpyType::kInt64, 1, 2, 1});
    const std::int64_t value = 1;
    writer.write(std::as_bytes(std::span(&value, 1)));
    EXPECT_THROW(writer.finish(), std::logic_error);
  }
  EXPECT_TRUE(std::filesystem::is_empty(folder.path()));
}

}  // namespace
}  // namespace rookery::index_tools
