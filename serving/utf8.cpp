#include "serving/utf8.hpp"

#include <cstddef>

namespace rookery::serving {
namespace {

constexpr std::string_view kReplacement = "\xEF\xBF\xBD";

enum class Prefix { kWhole, kOpen, kInvalid };

/// Judges `bytes` (1 to 4) as the beginning of one character (Unicode 15, table 3-7).
Prefix judge(std::string_view bytes) {
  const auto at = [&](std::size_t i) { return static_cast<unsigned char>(bytes[i]); };
  const unsigned char lead = at(0);
  if (lead < 0x80) return Prefix::kWhole;
  std::size_t length = 0;
  unsigned char low = 0x80, high = 0xBF;  // allowed range of the second byte
  if (lead >= 0xC2 && lead <= 0xDF) {
    length = 2;
  } else if (lead >= 0xE0 && lead <= 0xEF) {
    length = 3;
    if (lead == 0xE0) low = 0xA0;
    if (lead == 0xED) high = 0x9F;
  } else if (lead >= 0xF0 && lead <= 0xF4) {
    length = 4;
    if (lead == 0xF0) low = 0x90;
    if (lead == 0xF4) high = 0x8F;
  } else {
    return Prefix::kInvalid;
  }
  for (std::size_t i = 1; i < bytes.size(); ++i) {
    if (at(i) < low || at(i) > high) return Prefix::kInvalid;
    low = 0x80;
    high = 0xBF;
  }
  return bytes.size() == length ? Prefix::kWhole : Prefix::kOpen;
}

}  // namespace

std::string Utf8Stream::push(std::string_view bytes) {
  std::string out;
  out.reserve(bytes.size());
  for (const char byte : bytes) {
    held_ += byte;
    Prefix prefix = judge(held_);
    if (prefix == Prefix::kInvalid && held_.size() > 1) {
      // The bytes before this one were no character; this one may begin the next.
      out += kReplacement;
      held_.assign(1, byte);
      prefix = judge(held_);
    }
    if (prefix == Prefix::kOpen) continue;
    out += prefix == Prefix::kWhole ? std::string_view(held_) : kReplacement;
    held_.clear();
  }
  return out;
}

std::string Utf8Stream::finish() {
  const bool open = !held_.empty();
  held_.clear();
  return open ? std::string(kReplacement) : std::string();
}

std::string valid_utf8(std::string_view bytes) {
  Utf8Stream stream;
  std::string out = stream.push(bytes);
  out += stream.finish();
  return out;
}

}  // namespace rookery::serving
