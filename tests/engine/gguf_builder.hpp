#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace rookery::testing {

/// Writes GGUF files byte by byte, right ones and wrong ones. Fields may be changed before `bytes`.
struct GgufBuilder {
  struct Tensor {
    std::string name;
    std::vector<std::uint64_t> sizes;  ///< as in the file: the row's length first
    std::uint32_t type = 0;
    std::string data;
    std::int64_t offset_shift = 0;  ///< added to the right offset
  };

  std::string magic = "GGUF";
  std::uint32_t version = 3;
  std::int64_t tensors_more = 0, values_more = 0;  ///< added to the right counts
  std::vector<Tensor> tensors;

  template <typename T>
  static std::string raw(T value) {
    return {reinterpret_cast<const char*>(&value), sizeof(T)};
  }
  static std::string text(std::string_view value) {
    return raw<std::uint64_t>(value.size()) + std::string(value);
  }

  void add(const std::string& key, std::uint32_t type, const std::string& value) {
    values_.emplace_back(key, raw(type) + value);
  }
  void add_integer(const std::string& key, std::uint32_t value) { add(key, 4, raw(value)); }
  void add_float(const std::string& key, float value) { add(key, 6, raw(value)); }
  void add_text(const std::string& key, std::string_view value) { add(key, 8, text(value)); }
  void add_texts(const std::string& key, const std::vector<std::string>& list) {
    std::string value = raw<std::uint32_t>(8) + raw<std::uint64_t>(list.size());
    for (const auto& item : list) value += text(item);
    add(key, 9, value);
  }
  void add_integers(const std::string& key, const std::vector<std::int32_t>& list) {
    std::string value = raw<std::uint32_t>(5) + raw<std::uint64_t>(list.size());
    for (const auto item : list) value += raw(item);
    add(key, 9, value);
  }
  void remove(const std::string& key) {
    std::erase_if(values_, [&](const auto& value) { return value.first == key; });
  }
  void add_floats(const std::string& name, std::vector<std::uint64_t> sizes,
                  const std::vector<float>& values) {
    tensors.push_back({name,
                       std::move(sizes),
                       0,
                       {reinterpret_cast<const char*>(values.data()), values.size() * 4}});
  }

  [[nodiscard]] std::string bytes() const {
    constexpr std::size_t kAlignment = 32;
    std::string head = magic + raw(version) +
                       raw(static_cast<std::uint64_t>(tensors.size()) + tensors_more) +
                       raw(static_cast<std::uint64_t>(values_.size()) + values_more);
    for (const auto& [key, value] : values_) head += text(key) + value;
    std::string data;
    for (const auto& tensor : tensors) {
      data.resize((data.size() + kAlignment - 1) / kAlignment * kAlignment);
      head += text(tensor.name) + raw(static_cast<std::uint32_t>(tensor.sizes.size()));
      for (const auto size : tensor.sizes) head += raw(size);
      head += raw(tensor.type) + raw(data.size() + static_cast<std::uint64_t>(tensor.offset_shift));
      data += tensor.data;
    }
    head.resize((head.size() + kAlignment - 1) / kAlignment * kAlignment);
    return head + data;
  }

 private:
  std::vector<std::pair<std::string, std::string>> values_;
};

}  // namespace rookery::testing
