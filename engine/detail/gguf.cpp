#include "engine/detail/gguf.hpp"

#include <algorithm>
#include <bit>
#include <set>

#include "base/error.hpp"
#include "engine/detail/byte_reader.hpp"
#include "engine/detail/dequantise.hpp"

namespace rookery::engine::detail {
namespace {

constexpr std::uint32_t kMagic = 0x46554747;  // "GGUF"
constexpr std::uint64_t kDefaultAlignment = 32;
constexpr std::uint64_t kKeyBytesMax = 65'535;
constexpr std::uint32_t kDimensionsMax = 4;

enum ValueType : std::uint32_t {
  kUint8,
  kInt8,
  kUint16,
  kInt16,
  kUint32,
  kInt32,
  kFloat32,
  kBool,
  kString,
  kArray,
  kUint64,
  kInt64,
  kFloat64
};

std::string read_string(ByteReader& reader, const char* what) {
  const auto length = reader.value<std::uint64_t>(what);
  const auto bytes = reader.take(length, what);
  return {reinterpret_cast<const char*>(bytes.data()), bytes.size()};
}

/// Bytes that one value of a type takes at least; 0 for an unknown type.
std::uint64_t value_bytes(std::uint32_t type) {
  switch (type) {
    case kUint8:
    case kInt8:
    case kBool:
      return 1;
    case kUint16:
    case kInt16:
      return 2;
    case kUint32:
    case kInt32:
    case kFloat32:
      return 4;
    case kUint64:
    case kInt64:
    case kFloat64:
    case kString:
      return 8;
    default:
      return 0;
  }
}

std::int64_t read_integer(ByteReader& reader, std::uint32_t type, const char* what) {
  switch (type) {
    case kUint8:
      return reader.value<std::uint8_t>(what);
    case kInt8:
      return reader.value<std::int8_t>(what);
    case kUint16:
      return reader.value<std::uint16_t>(what);
    case kInt16:
      return reader.value<std::int16_t>(what);
    case kUint32:
      return reader.value<std::uint32_t>(what);
    case kInt32:
      return reader.value<std::int32_t>(what);
    case kBool:
      return reader.value<std::uint8_t>(what) != 0 ? 1 : 0;
    case kUint64:
      return static_cast<std::int64_t>(reader.value<std::uint64_t>(what));
    default:
      return reader.value<std::int64_t>(what);
  }
}

double read_float(ByteReader& reader, std::uint32_t type, const char* what) {
  return type == kFloat32 ? static_cast<double>(reader.value<float>(what))
                          : reader.value<double>(what);
}

GgufValue read_array(ByteReader& reader, const std::string& where) {
  constexpr auto kWhat = "a metadata list";
  const auto type = reader.value<std::uint32_t>(kWhat);
  const auto count = reader.value<std::uint64_t>(kWhat);
  const auto bytes = value_bytes(type);
  if (bytes == 0) {
    throw base::UserError(where + ": expected a list of plain values, got value type " +
                          std::to_string(type));
  }
  if (count > reader.left() / bytes) {
    throw base::UserError(where + ": truncated or damaged: a list of " + std::to_string(count) +
                          " values does not fit into the " + std::to_string(reader.left()) +
                          " bytes left");
  }
  const auto size = static_cast<std::size_t>(count);
  if (type == kString) {
    std::vector<std::string> list;
    list.reserve(size);
    for (std::size_t i = 0; i < size; ++i) list.push_back(read_string(reader, kWhat));
    return list;
  }
  if (type == kFloat32 || type == kFloat64) {
    std::vector<double> list(size);
    for (auto& item : list) item = read_float(reader, type, kWhat);
    return list;
  }
  std::vector<std::int64_t> list(size);
  for (auto& item : list) item = read_integer(reader, type, kWhat);
  return list;
}

GgufValue read_value(ByteReader& reader, const std::string& where) {
  constexpr auto kWhat = "a metadata value";
  const auto type = reader.value<std::uint32_t>(kWhat);
  switch (type) {
    case kFloat32:
    case kFloat64:
      return read_float(reader, type, kWhat);
    case kBool:
      return read_integer(reader, type, kWhat) != 0;
    case kString:
      return read_string(reader, kWhat);
    case kArray:
      return read_array(reader, where);
    default:
      break;
  }
  if (value_bytes(type) == 0) {
    throw base::UserError(where + ": expected a value type in [0, 12], got " +
                          std::to_string(type));
  }
  return read_integer(reader, type, kWhat);
}

struct Placed {
  GgufTensor tensor;
  std::uint64_t offset = 0, bytes = 0;
};

Placed read_tensor_entry(ByteReader& reader, const std::string& file, std::size_t file_bytes) {
  constexpr auto kWhat = "a tensor's entry";
  Placed placed;
  auto& tensor = placed.tensor;
  tensor.name = read_string(reader, kWhat);
  const auto where = file + ": tensor " + tensor.name;
  const auto dimensions = reader.value<std::uint32_t>(kWhat);
  if (dimensions > kDimensionsMax) {
    throw base::UserError(where + ": expected at most 4 dimensions, got " +
                          std::to_string(dimensions));
  }
  for (std::uint32_t d = 0; d < dimensions; ++d)
    tensor.shape.push_back(reader.value<std::int64_t>(kWhat));
  std::reverse(tensor.shape.begin(), tensor.shape.end());
  tensor.type = reader.value<std::uint32_t>(kWhat);
  placed.offset = reader.value<std::uint64_t>(kWhat);

  const auto block = quant_block(tensor.type);
  if (!block) {
    throw base::UserError(where + ": unknown quantisation: expected F32, F16, BF16, Q4_0, Q4_1, " +
                          "Q8_0, Q4_K or Q6_K, got " + quant_name(tensor.type));
  }
  // No type packs more than 2 values into a byte, so more elements than that cannot be in the file.
  tensor.elements = element_count(tensor.shape, 2 * static_cast<std::int64_t>(file_bytes));
  if (tensor.elements < 0) {
    throw base::UserError(where + ": truncated or damaged: shape " + shape_text(tensor.shape) +
                          " does not fit into a file of " + std::to_string(file_bytes) + " bytes");
  }
  const auto row = tensor.shape.empty() ? 1 : tensor.shape.back();
  if (row % block->elements != 0) {
    throw base::UserError(where + ": rows of " + std::to_string(row) +
                          " values are no whole blocks of " + quant_name(tensor.type));
  }
  placed.bytes = static_cast<std::uint64_t>(tensor.elements / block->elements * block->bytes);
  return placed;
}

void place_tensors(std::vector<Placed>& all, std::span<const std::byte> data,
                   std::uint64_t alignment, const std::string& file) {
  std::vector<Placed*> order;
  for (auto& placed : all) order.push_back(&placed);
  std::sort(order.begin(), order.end(),
            [](const Placed* a, const Placed* b) { return a->offset < b->offset; });
  std::uint64_t covered = 0;
  for (auto* placed : order) {
    const auto where = file + ": tensor " + placed->tensor.name;
    if (placed->offset % alignment != 0) {
      throw base::UserError(where + ": expected an offset that is a multiple of " +
                            std::to_string(alignment) + ", got " + std::to_string(placed->offset));
    }
    if (placed->offset > data.size() || placed->bytes > data.size() - placed->offset) {
      throw base::UserError(where + ": lies outside of the file: " + std::to_string(placed->bytes) +
                            " bytes at " + std::to_string(placed->offset) + " of " +
                            std::to_string(data.size()) + " (truncated?)");
    }
    if (placed->offset < covered) throw base::UserError(where + ": overlaps the tensor before it");
    covered = placed->offset + placed->bytes;
    placed->tensor.bytes = data.subspan(static_cast<std::size_t>(placed->offset),
                                        static_cast<std::size_t>(placed->bytes));
  }
}

}  // namespace

GgufFile parse_gguf(std::span<const std::byte> bytes, const std::string& file) {
  ByteReader reader(bytes, file);
  if (reader.value<std::uint32_t>("the magic") != kMagic)
    throw base::UserError(file + ": not a GGUF file: it does not begin with 'GGUF'");
  const auto version = reader.value<std::uint32_t>("the version");
  if (version != 2 && version != 3) {
    throw base::UserError(file + ": expected GGUF version 2 or 3, got " + std::to_string(version));
  }
  const auto tensor_count = reader.value<std::uint64_t>("the number of tensors");
  const auto value_count = reader.value<std::uint64_t>("the number of metadata values");
  // The smallest entry of either kind takes more than 12 bytes.
  if (tensor_count > bytes.size() / 12 || value_count > bytes.size() / 12) {
    throw base::UserError(file + ": truncated or damaged: it claims " +
                          std::to_string(tensor_count) + " tensors and " +
                          std::to_string(value_count) + " metadata values in " +
                          std::to_string(bytes.size()) + " bytes");
  }
  GgufFile result;
  for (std::uint64_t i = 0; i < value_count; ++i) {
    auto key = read_string(reader, "a metadata key");
    if (key.size() > kKeyBytesMax)
      throw base::UserError(file + ": damaged: a metadata key of " + std::to_string(key.size()) +
                            " bytes");
    auto value = read_value(reader, file + ": metadata " + key);
    if (!result.metadata.emplace(key, std::move(value)).second)
      throw base::UserError(file + ": metadata " + key + " is there twice");
  }
  std::vector<Placed> placed;
  placed.reserve(static_cast<std::size_t>(tensor_count));
  std::set<std::string> names;
  for (std::uint64_t i = 0; i < tensor_count; ++i) {
    placed.push_back(read_tensor_entry(reader, file, bytes.size()));
    if (!names.insert(placed.back().tensor.name).second)
      throw base::UserError(file + ": tensor " + placed.back().tensor.name + " is there twice");
  }
  std::uint64_t alignment = kDefaultAlignment;
  if (const auto found = result.metadata.find("general.alignment");
      found != result.metadata.end()) {
    const auto* value = std::get_if<std::int64_t>(&found->second);
    if (value == nullptr || *value < 1 || *value > 1 << 20 ||
        !std::has_single_bit(static_cast<std::uint64_t>(*value))) {
      throw base::UserError(file + ": metadata general.alignment: expected a power of two");
    }
    alignment = static_cast<std::uint64_t>(*value);
  }
  const auto data_begin = (reader.offset() + alignment - 1) / alignment * alignment;
  const auto data =
      data_begin <= bytes.size() ? bytes.subspan(data_begin) : std::span<const std::byte>{};
  place_tensors(placed, data, alignment, file);
  for (auto& entry : placed) result.tensors.push_back(std::move(entry.tensor));
  return result;
}

}  // namespace rookery::engine::detail
