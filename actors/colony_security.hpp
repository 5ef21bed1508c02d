#pragma once

#include <filesystem>
#include <string>

#include "base/http_server.hpp"
#include "retriever_pool/curve_keys.hpp"
#include "retriever_pool/retriever.hpp"

namespace rookery::actors {

/// What a process of a colony needs to speak with the others under keys; all empty without.
struct ColonySecurity {
  std::filesystem::path folder;               ///< absolute
  retriever_pool::CurveServerKeys curve;      ///< of queries and routing views
  retriever_pool::CurveClientKeys as_client;  ///< towards the colony's other processes
  base::TlsFiles tls;                         ///< of the control port and HTTP
  [[nodiscard]] bool empty() const { return folder.empty(); }

  /// Opens and checks a key folder; an empty path gives no security. Throws `UserError`.
  static ColonySecurity open(const std::filesystem::path& folder);
  /// The folder given by a flag, else `$ROOKERY_KEYS` when that is a folder, else the one in the
  /// colony's `head.json` on this host (`colony` may be empty).
  static ColonySecurity find(const std::filesystem::path& given, const std::string& colony);
};

/// Refuses an address beyond loopback for ports without keys, unless `insecure`. `where` is the
/// flag that gave it.
void check_listen(const std::string& where, const std::string& address,
                  const ColonySecurity& security, bool insecure);

}  // namespace rookery::actors
