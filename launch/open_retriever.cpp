#include "launch/open_retriever.hpp"

#include <filesystem>

#include "actors/colony_folder.hpp"
#include "base/error.hpp"
#include "base/option_reader.hpp"
#include "index_tools/manifest.hpp"
#include "retriever_pool/client_settings.hpp"
#include "retriever_pool/key_folder.hpp"

namespace rookery::launch {

using namespace retriever_pool;

std::unique_ptr<Retriever> open_retriever(const std::string& target, int threads,
                                          PoolClientOptions client) {
  if (target.empty()) {
    throw base::UserError(
        "expected a colony's name, its YAML file, a snapshot's folder or tcp://HOST:PORT, got ''");
  }
  const bool endpoint = target.find("://") != std::string::npos;
  const std::filesystem::path path = base::expand_path(target);
  if (!endpoint && std::filesystem::is_directory(path)) {
    return open_embedded_pool({path.string(), threads});
  }
  if (endpoint) {
    client.head = target;
    client.keys = find_client_keys("");
  } else {
    const auto head = actors::ColonyFolder::find(target).running_head();
    client.head = head.routing;
    client.keys = find_client_keys("", head.keys);
    if (path.extension() == ".yaml" || path.extension() == ".yml") {
      auto reader = base::OptionReader::from_file(path);
      client =
          ClientSettings::from_options(reader.section("pool").section("client")).applied(client);
    }
  }
  return open_pool_client(client);
}

void check_encoder_fits(const IndexDescription& index, const engine::EncoderIdentity& encoder) {
  index_tools::Manifest manifest;
  manifest.generation = index.generation;
  manifest.metric = index.metric;
  manifest.dimension = index.dimension;
  manifest.encoder.name = index.encoder_name;
  manifest.encoder.model_hash = index.encoder_hash;
  manifest.encoder.dimension = index.dimension;
  manifest.encoder.pooling = index.pooling;
  manifest.encoder.normalised = index.normalised;
  index_tools::check_encoder_fits(manifest, encoder);
}

std::int32_t checked_k(std::int64_t k) {
  if (k < 1 || k > kDocumentsMax) {
    throw base::UserError("-k: expected a number of documents in [1, 1024], got " +
                          std::to_string(k));
  }
  return static_cast<std::int32_t>(k);
}

RetrievalAnswer retrieve_or_explain(Retriever& pool, const RetrievalRequest& request) {
  try {
    return pool.retrieve(request);
  } catch (const RetrievalError& error) {
    throw base::UserError(std::string("no answer from the pool: ") + error.what());
  }
}

}  // namespace rookery::launch
