#include "index_tools/int8_codes.hpp"

#include <algorithm>
#include <array>
#include <cmath>
#include <cstring>
#include <limits>
#include <vector>

#include "base/error.hpp"
#include "index_tools/detail/generation_file.hpp"

namespace rookery::index_tools {
namespace {

constexpr std::array<char, 8> kMagic = {'R', 'O', 'O', 'K', 'I', 'N', 'T', '8'};
constexpr std::uint32_t kVersion = 1;
constexpr std::int64_t kAlignment = 64;
constexpr double kLengthMax = 1e18;

/// The first bytes of the file, little-endian as everything in a snapshot.
struct Header {
  std::array<char, 8> magic;
  std::uint32_t version, dimension;
  std::int64_t count;
  std::uint32_t stride;
  std::array<char, 36> zeros;
};
static_assert(sizeof(Header) == kAlignment);

std::int64_t aligned(std::int64_t bytes) {
  return (bytes + kAlignment - 1) / kAlignment * kAlignment;
}

// The sums behind `value` have lost at most 2^17 roundings of 2^-53 each: far below 1e-9.
float rounded_up(double value) {
  const double above = value * (1 + 1e-9);
  const auto near = static_cast<float>(above);
  return static_cast<double>(near) >= above
             ? near
             : std::nextafter(near, std::numeric_limits<float>::infinity());
}

[[noreturn]] void refuse(const std::string& where, const std::string& message) {
  throw base::UserError(where + ": " + message + "; build the int8 index again");
}

void check_bounds(std::span<const float> values, const char* what, const std::string& where) {
  for (std::size_t row = 0; row < values.size(); ++row) {
    const auto value = static_cast<double>(values[row]);
    if (value >= 0 && value <= 1.01 * kLengthMax) continue;  // NaN fails too
    refuse(where, std::string(what) + " of row " + std::to_string(row) +
                      ": expected a number in [0, 1e18], got " + std::to_string(values[row]));
  }
}

void write_floats(std::span<const float> values, detail::GenerationFile& file) {
  file.write(std::as_bytes(values));
  const std::int64_t bytes = std::ssize(values) * 4;
  const std::array<std::byte, kAlignment> zeros = {};
  file.write(std::span(zeros).first(static_cast<std::size_t>(aligned(bytes) - bytes)));
}

}  // namespace

std::int32_t int8_stride(std::int32_t dimension) {
  return static_cast<std::int32_t>(aligned(dimension));
}

Int8Row quantise_row(std::span<const float> vector, std::uint8_t* codes) {
  const auto stride =
      static_cast<std::size_t>(int8_stride(static_cast<std::int32_t>(vector.size())));
  std::fill_n(codes, stride, std::uint8_t{128});
  float largest = 0;
  for (const float x : vector) largest = std::max(largest, std::abs(x));
  Int8Row row;
  row.scale = static_cast<float>(static_cast<double>(largest) / 127.0);
  const auto scale = static_cast<double>(row.scale);
  double lost = 0;
  std::int64_t squares = 0;
  for (std::size_t i = 0; i < vector.size(); ++i) {
    const auto x = static_cast<double>(vector[i]);
    const double code = scale > 0 ? std::clamp(std::nearbyint(x / scale), -127.0, 127.0) : 0.0;
    const double rest = x - scale * code;
    lost += rest * rest;
    const auto integer = static_cast<std::int32_t>(code);
    squares += integer * integer;
    codes[i] = static_cast<std::uint8_t>(integer + 128);
  }
  row.error = rounded_up(std::sqrt(lost));
  row.norm = rounded_up(scale * std::sqrt(static_cast<double>(squares)));
  return row;
}

Int8Codes Int8Codes::open(std::span<const std::byte> bytes, std::int64_t count,
                          std::int32_t dimension, const std::string& where) {
  Header header;
  if (bytes.size() < sizeof header) {
    refuse(where, "expected a header of 64 bytes, got " + std::to_string(bytes.size()) + " bytes");
  }
  std::memcpy(&header, bytes.data(), sizeof header);
  if (header.magic != kMagic) refuse(where, "expected an int8 file, got another magic number");
  if (header.version != kVersion) {
    refuse(where, "expected version 1, got " + std::to_string(header.version));
  }
  if (dimension < 1 || dimension > kInt8DimensionMax ||
      header.dimension != static_cast<std::uint32_t>(dimension)) {
    refuse(where, "expected dimension " + std::to_string(dimension) + ", got " +
                      std::to_string(header.dimension));
  }
  if (count < 0 || header.count != count) {
    refuse(where,
           "expected " + std::to_string(count) + " rows, got " + std::to_string(header.count));
  }
  const std::int64_t stride = int8_stride(dimension);
  if (header.stride != static_cast<std::uint32_t>(stride)) {
    refuse(where, "expected " + std::to_string(stride) + " bytes a row, got " +
                      std::to_string(header.stride));
  }
  // The count is that of the shard, whose ids are mapped: the products cannot overflow.
  const std::int64_t row_floats = aligned(count * 4);
  const std::int64_t expected = kAlignment + count * stride + 3 * row_floats;
  if (std::ssize(bytes) != expected) {
    refuse(where,
           "expected " + std::to_string(expected) + " bytes, got " + std::to_string(bytes.size()));
  }
  Int8Codes result;
  result.count = count;
  result.dimension = dimension;
  result.stride = static_cast<std::int32_t>(stride);
  result.codes = reinterpret_cast<const std::uint8_t*>(bytes.data() + kAlignment);
  const std::byte* floats = bytes.data() + kAlignment + count * stride;
  const auto column = [&](int index) {
    return std::span(reinterpret_cast<const float*>(floats + index * row_floats),
                     static_cast<std::size_t>(count));
  };
  result.scales = column(0);
  result.errors = column(1);
  result.norms = column(2);
  check_bounds(result.scales, "scale", where);
  check_bounds(result.errors, "error", where);
  check_bounds(result.norms, "norm", where);
  return result;
}

void write_int8_codes(const SnapshotShard& shard, detail::GenerationFile& file) {
  const std::int32_t dimension = shard.dimension();
  const std::string name = "shard " + std::to_string(shard.shard());
  if (shard.vector_type() == VectorType::kNone || dimension < 1 || dimension > kInt8DimensionMax) {
    throw base::UserError(name + ": int8: expected vectors of 1 to 32768 dimensions, got " +
                          std::to_string(dimension));
  }
  Header header = {kMagic,
                   kVersion,
                   static_cast<std::uint32_t>(dimension),
                   shard.count(),
                   static_cast<std::uint32_t>(int8_stride(dimension)),
                   {}};
  file.write(std::as_bytes(std::span(&header, 1)));
  std::vector<float> vector(static_cast<std::size_t>(dimension));
  std::vector<std::uint8_t> codes(static_cast<std::size_t>(int8_stride(dimension)));
  std::vector<float> scales, errors, norms;
  for (std::int64_t row = 0; row < shard.count(); ++row) {
    copy_vector(shard, row, vector);
    double squares = 0;
    for (const float x : vector) squares += static_cast<double>(x) * static_cast<double>(x);
    if (!(squares <= kLengthMax * kLengthMax)) {
      throw base::UserError(name + ": the vector in row " + std::to_string(row) +
                            " holds NaN or infinity, or is longer than 1e18");
    }
    const Int8Row bounds = quantise_row(vector, codes.data());
    scales.push_back(bounds.scale);
    errors.push_back(bounds.error);
    norms.push_back(bounds.norm);
    file.write(std::as_bytes(std::span(codes)));
  }
  write_floats(scales, file);
  write_floats(errors, file);
  write_floats(norms, file);
}

void write_int8_codes(const SnapshotShard& shard, const std::filesystem::path& folder,
                      const std::string& name) {
  detail::GenerationFile file(folder, name);
  write_int8_codes(shard, file);
  file.finish();
}

}  // namespace rookery::index_tools
