#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "engine/text_encoder.hpp"
#include "retriever_pool/retriever.hpp"

namespace rookery::launch {

/// Opens what a user names as the target of a search: a snapshot's folder (searched in this
/// process), a head's routing endpoint `tcp://host:port`, a colony's name or its YAML file. Throws
/// `UserError` with the remedy. `threads` counts for a snapshot; 0: all usable cores. `client` is
/// how a colony is asked; its `head` is filled in from `target`, and a YAML file's `pool.client`
/// holds.
std::unique_ptr<retriever_pool::Retriever> open_retriever(
    const std::string& target, int threads = 0, retriever_pool::PoolClientOptions client = {});

/// Refuses an encoder that cannot search this index, as `index_tools::check_encoder_fits`.
void check_encoder_fits(const retriever_pool::IndexDescription& index,
                        const engine::EncoderIdentity& encoder);

/// `-k` of a command. Throws `UserError`: `-k: expected a number of documents in [1, 1024], got 0`.
std::int32_t checked_k(std::int64_t k);

/// `retrieve`, with a user's mistake (`RetrievalFault::kInvalid`) as `UserError` and any other
/// fault as `UserError` too, in the words of the pool: the command ends with one clear sentence.
retriever_pool::RetrievalAnswer retrieve_or_explain(
    retriever_pool::Retriever& pool, const retriever_pool::RetrievalRequest& request);

}  // namespace rookery::launch
