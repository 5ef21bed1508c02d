#include "engine/detail/safetensors.hpp"

#include <algorithm>
#include <cstring>
#include <nlohmann/json.hpp>
#include <optional>
#include <tuple>

#include "base/atomic_file.hpp"
#include "base/error.hpp"
#include "engine/detail/byte_reader.hpp"
#include "engine/detail/dequantise.hpp"

namespace rookery::engine::detail {
namespace {

constexpr std::uint64_t kHeaderBytesMax = 100'000'000;  // the format's own limit

struct Entry {
  std::string name, dtype;
  std::vector<std::int64_t> shape;
  std::uint64_t begin = 0, end = 0;
};

std::optional<std::int64_t> dtype_bytes(const std::string& dtype) {
  if (dtype == "F64" || dtype == "I64" || dtype == "U64") return 8;
  if (dtype == "F32" || dtype == "I32" || dtype == "U32") return 4;
  if (dtype == "F16" || dtype == "BF16" || dtype == "I16" || dtype == "U16") return 2;
  if (dtype == "I8" || dtype == "U8" || dtype == "BOOL") return 1;
  return std::nullopt;
}

bool is_float(const std::string& dtype) {
  return dtype == "F64" || dtype == "F32" || dtype == "F16" || dtype == "BF16";
}

Entry read_entry(const std::string& name, const nlohmann::json& json, const std::string& where) {
  Entry entry{name, {}, {}, 0, 0};
  try {
    entry.dtype = json.at("dtype").get<std::string>();
    for (const auto& size : json.at("shape")) {
      if (!size.is_number_integer())
        throw base::UserError(where + ": its shape is not of integers");
      entry.shape.push_back(size.get<std::int64_t>());
    }
    const auto& offsets = json.at("data_offsets");
    if (offsets.size() != 2 || !offsets[0].is_number_unsigned() || !offsets[1].is_number_unsigned())
      throw base::UserError(where + ": expected data_offsets to be two byte numbers");
    entry.begin = offsets[0].get<std::uint64_t>();
    entry.end = offsets[1].get<std::uint64_t>();
  } catch (const nlohmann::json::exception&) {
    throw base::UserError(where + ": expected a dtype, a shape and data_offsets");
  }
  return entry;
}

void check_entry(const Entry& entry, std::uint64_t data_bytes, const std::string& where) {
  const auto size = dtype_bytes(entry.dtype);
  if (!size) {
    throw base::UserError(where + ": expected a dtype of F32, F16, BF16 or F64, got " +
                          entry.dtype);
  }
  if (entry.begin > entry.end || entry.end > data_bytes) {
    throw base::UserError(where + ": lies outside of the file: bytes " +
                          std::to_string(entry.begin) + " to " + std::to_string(entry.end) +
                          " of " + std::to_string(data_bytes) + " (truncated?)");
  }
  const auto bytes = static_cast<std::int64_t>(entry.end - entry.begin);
  const auto count = element_count(entry.shape, bytes);
  if (count < 0 || count != bytes / *size || bytes % *size != 0) {
    throw base::UserError(where + ": " + entry.dtype + " of shape " + shape_text(entry.shape) +
                          " does not fill its " + std::to_string(bytes) + " bytes");
  }
}

Tensor convert(const Entry& entry, std::span<const std::byte> data) {
  Tensor tensor{entry.shape, {}};
  const auto size = static_cast<std::size_t>(*dtype_bytes(entry.dtype));
  tensor.values.resize(data.size() / size);
  if (entry.dtype == "F32") {
    dequantise(QuantType::kF32, data, tensor.values);
  } else if (entry.dtype == "F16") {
    dequantise(QuantType::kF16, data, tensor.values);
  } else if (entry.dtype == "BF16") {
    dequantise(QuantType::kBF16, data, tensor.values);
  } else {
    for (std::size_t i = 0; i < tensor.values.size(); ++i) {
      double value;
      std::memcpy(&value, data.data() + i * size, size);
      tensor.values[i] = static_cast<float>(value);
    }
  }
  return tensor;
}

}  // namespace

void read_safetensors(std::span<const std::byte> bytes, const std::string& file,
                      Checkpoint& checkpoint) {
  ByteReader reader(bytes, file);
  const auto header_bytes = reader.value<std::uint64_t>("the header's length");
  if (header_bytes > kHeaderBytesMax) {
    throw base::UserError(file + ": not a safetensors file: a header of " +
                          std::to_string(header_bytes) + " bytes, expected at most " +
                          std::to_string(kHeaderBytesMax));
  }
  const auto header = reader.take(header_bytes, "the header");
  const auto data = bytes.subspan(reader.offset());
  const auto* text = reinterpret_cast<const char*>(header.data());
  const auto json = nlohmann::json::parse(text, text + header.size(), nullptr, false);
  if (!json.is_object())
    throw base::UserError(file + ": not a safetensors file: its header is no JSON object");

  std::vector<Entry> entries;
  for (const auto& [name, value] : json.items()) {
    if (name == "__metadata__") {
      for (const auto& [key, item] : value.items()) {
        if (!item.is_string())
          throw base::UserError(file + ": __metadata__: " + key + " is not a text");
        checkpoint.metadata[key] = item.get<std::string>();
      }
      continue;
    }
    const auto where = file + ": tensor " + name;
    entries.push_back(read_entry(name, value, where));
    check_entry(entries.back(), data.size(), where);
  }
  std::sort(entries.begin(), entries.end(), [](const Entry& a, const Entry& b) {
    return std::tie(a.begin, a.end, a.name) < std::tie(b.begin, b.end, b.name);
  });
  std::uint64_t covered = 0;
  for (const auto& entry : entries) {
    if (entry.begin != covered) {
      throw base::UserError(
          file + ": tensor " + entry.name +
          (entry.begin < covered ? ": overlaps the tensor before it" : ": a hole lies before it") +
          ": expected it to begin at byte " + std::to_string(covered) + ", got " +
          std::to_string(entry.begin));
    }
    covered = entry.end;
  }
  if (covered != data.size()) {
    throw base::UserError(file + ": expected " + std::to_string(covered) +
                          " bytes of tensors, got " + std::to_string(data.size()));
  }
  for (const auto& entry : entries) {
    if (!is_float(entry.dtype)) continue;
    if (checkpoint.tensors.contains(entry.name)) {
      throw base::UserError(file + ": tensor " + entry.name + ": is in another file too");
    }
    const auto part = data.subspan(static_cast<std::size_t>(entry.begin),
                                   static_cast<std::size_t>(entry.end - entry.begin));
    checkpoint.tensors.emplace(entry.name, convert(entry, part));
  }
}

void write_safetensors(const Checkpoint& checkpoint, const std::filesystem::path& path) {
  nlohmann::json header = nlohmann::json::object();
  auto& metadata = header["__metadata__"];
  metadata = checkpoint.metadata;
  metadata["format"] = "pt";  // transformers refuses a file that does not say so
  std::uint64_t offset = 0;
  for (const auto& [name, tensor] : checkpoint.tensors) {
    const auto end = offset + tensor.values.size() * sizeof(float);
    header[name] = {{"dtype", "F32"}, {"shape", tensor.shape}, {"data_offsets", {offset, end}}};
    offset = end;
  }
  auto text = header.dump(-1, ' ', false, nlohmann::json::error_handler_t::replace);
  text.resize((text.size() + 7) / 8 * 8, ' ');
  const auto header_bytes = static_cast<std::uint64_t>(text.size());

  base::AtomicFile file(path);
  file.write(std::as_bytes(std::span(&header_bytes, 1)));
  file.write(text);
  for (const auto& [name, tensor] : checkpoint.tensors)
    file.write(std::as_bytes(std::span(tensor.values)));
  file.commit();
}

}  // namespace rookery::engine::detail
