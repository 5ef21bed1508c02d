#include "retriever_pool/client_settings.hpp"

namespace rookery::retriever_pool {

ClientSettings ClientSettings::from_options(base::OptionReader reader) {
  ClientSettings settings;
  reader.read("local_documents", settings.local_documents);
  reader.read("cache_bytes", settings.cache_bytes, 0, std::int64_t{1} << 40);
  reader.finish();
  return settings;
}

PoolClientOptions ClientSettings::applied(PoolClientOptions options) const {
  options.local_documents = local_documents;
  options.cache_bytes = cache_bytes;
  return options;
}

}  // namespace rookery::retriever_pool
