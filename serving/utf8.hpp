#pragma once

#include <string>
#include <string_view>

namespace rookery::serving {

/// Makes valid UTF-8 of bytes that come token by token: a character whose bytes are spread over
/// several tokens is held back until it is whole. The concatenation of everything returned does not
/// depend on where the pieces were cut.
class Utf8Stream {
 public:
  /// Whole characters only; a byte that can belong to none becomes U+FFFD.
  std::string push(std::string_view bytes);
  /// The end: what was held back comes as one U+FFFD (or nothing).
  std::string finish();

 private:
  std::string held_;  ///< the first bytes of one character, at most 3
};

/// `bytes` as valid UTF-8, through one `Utf8Stream`.
std::string valid_utf8(std::string_view bytes);

}  // namespace rookery::serving
