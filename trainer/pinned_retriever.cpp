#include "trainer/pinned_retriever.hpp"

#include <utility>

namespace rookery::trainer {

PinnedRetriever::PinnedRetriever(retriever_pool::Retriever& inner,
                                 std::unique_ptr<retriever_pool::GenerationLease> lease)
    : inner_(&inner), lease_(std::move(lease)) {}

retriever_pool::RetrievalAnswer PinnedRetriever::retrieve(
    const retriever_pool::RetrievalRequest& request) {
  retriever_pool::RetrievalRequest pinned = request;
  pinned.generation = lease_->generation();
  pinned.priority = retriever_pool::Priority::kTraining;
  return inner_->retrieve(pinned);
}

retriever_pool::IndexDescription PinnedRetriever::description() { return inner_->description(); }

}  // namespace rookery::trainer
