#pragma once

#include <filesystem>
#include <string>
#include <string_view>

namespace rookery::retriever_pool {

/// A server's CURVE keys and who may connect (ZeroMQ's ZAP). Empty: the port is not encrypted, and
/// anyone who reaches it may ask.
struct CurveServerKeys {
  std::string public_key, secret_key;  ///< Z85, 40 characters
  /// Folder of the clients' public keys, a file each; looked at again when it changes, so that keys
  /// are added and withdrawn while the server runs.
  std::filesystem::path allowed;
  [[nodiscard]] bool empty() const { return secret_key.empty(); }
};

/// A pair for one side of a CURVE connection.
struct CurvePair {
  std::string public_key, secret_key;  ///< Z85, 40 characters
};
CurvePair make_curve_pair();
/// The public half. Throws `std::invalid_argument` for what is no key.
std::string curve_public_key(const std::string& secret_key);
/// 40 characters of the Z85 alphabet that decode.
bool is_curve_key(std::string_view text);

}  // namespace rookery::retriever_pool
