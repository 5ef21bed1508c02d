#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "engine/weights.hpp"
#include "index_tools/question_file.hpp"
#include "retriever_pool/retriever.hpp"

namespace rookery::testing {

/// A BERT encoder of 2 layers and 16 dimensions with seeded weights and a vocabulary of letters.
engine::Checkpoint tiny_encoder(std::uint64_t seed = 1);

/// A Llama decoder of 3 layers and 16 dimensions (4 heads, 2 for keys and values) with seeded
/// weights and a byte-level tokenizer: one token a byte, and an end token.
engine::Checkpoint tiny_generator(std::uint64_t seed = 2);

/// Questions "which a", "which b", … with the answers "A1", "B2", …
std::vector<index_tools::Question> tiny_questions(int count);

/// A pool in memory: `count` passages with seeded vectors of `dimension`, searched by a plain
/// loop. Counts calls; the first `failures` of them throw `fault`. A generation that is no longer
/// the live one is served while somebody holds a lease on it.
class TinyPool final : public retriever_pool::Retriever {
 public:
  explicit TinyPool(int count = 12, int dimension = 16);
  [[nodiscard]] retriever_pool::RetrievalAnswer retrieve(
      const retriever_pool::RetrievalRequest& request) override;
  [[nodiscard]] retriever_pool::IndexDescription description() override { return description_; }
  [[nodiscard]] std::unique_ptr<retriever_pool::GenerationLease> lease() override;
  void swap_to(const std::string& generation) { description_.generation = generation; }
  /// Leases that are held on a generation.
  [[nodiscard]] long leases(const std::string& generation) {
    return held_[generation].use_count() - 1;
  }

  int calls = 0;
  int failures = 0;
  retriever_pool::RetrievalFault fault = retriever_pool::RetrievalFault::kUnavailable;
  retriever_pool::Priority last_priority = retriever_pool::Priority::kVerification;
  std::string swap_after_lease;  ///< the generation that goes live when the first lease is given

 private:
  retriever_pool::IndexDescription description_;
  std::vector<retriever_pool::Document> documents_;
  std::map<std::string, std::shared_ptr<int>> held_;  // shared with the leases of a generation
};

}  // namespace rookery::testing
