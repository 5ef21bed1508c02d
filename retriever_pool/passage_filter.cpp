#include "retriever_pool/passage_filter.hpp"

namespace rookery::retriever_pool {

bool PassageFilter::empty() const {
  return allow_ids.empty() && deny_ids.empty() && allow_titles.empty() && deny_titles.empty() &&
         allow_topics.empty() && deny_topics.empty();
}

}  // namespace rookery::retriever_pool
