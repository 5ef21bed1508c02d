#pragma once

#include <filesystem>
#include <string>

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

}  // namespace rookery::retriever_pool
