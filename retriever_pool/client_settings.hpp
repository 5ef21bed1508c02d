#pragma once

#include <cstdint>

#include "base/option_reader.hpp"
#include "retriever_pool/retriever.hpp"

namespace rookery::retriever_pool {

/// The section `pool.client` of a colony file: how the workers that the file describes ask the
/// colony. No setting changes an answer.
struct ClientSettings {
  bool local_documents = true;   ///< as `PoolClientOptions::local_documents`
  std::int64_t cache_bytes = 0;  ///< as `PoolClientOptions::cache_bytes`, [0, 2^40]
  static ClientSettings from_options(base::OptionReader reader);
  /// The same options with these settings.
  [[nodiscard]] PoolClientOptions applied(PoolClientOptions options) const;
};

}  // namespace rookery::retriever_pool
