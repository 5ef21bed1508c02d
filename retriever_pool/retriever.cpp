#include "retriever_pool/retriever.hpp"

namespace rookery::retriever_pool {
namespace {

class EmptyLease final : public GenerationLease {
 public:
  explicit EmptyLease(std::string generation) : GenerationLease(std::move(generation)) {}
};

}  // namespace

std::unique_ptr<GenerationLease> Retriever::lease() {
  return std::make_unique<EmptyLease>(description().generation);
}

}  // namespace rookery::retriever_pool
