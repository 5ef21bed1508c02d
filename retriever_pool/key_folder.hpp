#pragma once

#include <chrono>
#include <filesystem>
#include <string>
#include <vector>

#include "base/http_server.hpp"
#include "retriever_pool/curve_keys.hpp"
#include "retriever_pool/retriever.hpp"

namespace rookery::retriever_pool {

struct KeyFolderOptions {
  std::vector<std::string> hosts = {"localhost", "127.0.0.1"};  ///< of the colony's certificate
  std::chrono::hours validity{24 * 365};                        ///< of the colony's certificate
  bool force = false;  ///< replace a folder that is there: everybody has to get new keys
};

/// All keys of one colony, mode 0700 (secrets 0600):
///
///   ca.pem, ca.key      the authority; its key is only needed to make certificates
///   colony.pem          certificate and key of the colony's processes, one file: replaced at once
///   server.key          the CURVE pair of head and nodes (JSON)
///   allowed/NAME.pub    public keys of the clients that may connect
///   clients/NAME.key    what client NAME needs, to be carried to its host (JSON)
///
/// Files are replaced atomically. Throws `UserError` naming the file everywhere.
class KeyFolder {
 public:
  /// Makes the folder whole or not at all.
  static KeyFolder create(const std::filesystem::path& folder, const KeyFolderOptions& options);
  /// Checks modes, that the certificate is the authority's and valid now, and the CURVE pair.
  static KeyFolder open(const std::filesystem::path& folder);

  [[nodiscard]] const std::filesystem::path& path() const { return path_; }
  /// A new pair for a client, allowed at once. Returns its file, which `read_client_keys` takes.
  std::filesystem::path add_client(const std::string& name, bool force = false) const;
  /// Takes the key off the list: head and nodes drop its messages within a second, also those of
  /// connections that are open.
  void revoke(const std::string& name) const;
  /// A new certificate of the same authority: taken for every new connection, nothing restarts.
  void rotate_tls(std::chrono::hours validity) const;
  /// The same for a folder whose certificate has expired, which `open` refuses; opens it then.
  static KeyFolder renew_certificate(const std::filesystem::path& folder,
                                     std::chrono::hours validity);
  /// A new CURVE pair of the servers, and the clients' files with it. Head and nodes take it when
  /// they start, and from then on only clients with the new files reach them.
  void rotate_curve() const;
  /// Public parts for people: clients, expiry.
  [[nodiscard]] std::string describe() const;

  [[nodiscard]] CurveServerKeys server_keys() const;
  [[nodiscard]] CurveClientKeys own_client_keys() const;  ///< a colony's process as a client
  [[nodiscard]] base::TlsFiles tls() const;

 private:
  explicit KeyFolder(std::filesystem::path path) : path_(std::move(path)) {}
  std::filesystem::path path_;
};

/// The keys of a client: its file, or a whole key folder. Throws `UserError`.
CurveClientKeys read_client_keys(const std::filesystem::path& folder_or_file);
/// `read_client_keys` of `given`, else of `$ROOKERY_KEYS`, else of `otherwise`; empty when all are.
CurveClientKeys find_client_keys(const std::string& given, const std::string& otherwise = {});

}  // namespace rookery::retriever_pool
