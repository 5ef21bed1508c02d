#include "retriever_pool/query_sample.hpp"

#include <algorithm>
#include <cstring>
#include <vector>

namespace rookery::retriever_pool {

void QuerySample::Ring::add(std::string_view query) {
  if (known.contains(query)) return;
  const auto place = known.emplace(query).first;
  order.push_back(&*place);
  bytes += std::ssize(*place);
  while (std::ssize(order) > kQueriesMax || bytes > kBytesMax) {
    bytes -= std::ssize(*order.front());
    known.erase(known.find(*order.front()));
    order.pop_front();
  }
}

void QuerySample::add(const wire::QueryBody& query) {
  const std::lock_guard lock(mutex_);
  const std::size_t width = query.dimension * sizeof(float);
  const auto* bytes = reinterpret_cast<const char*>(query.queries.data());
  for (std::size_t at = 0; width > 0 && at < query.queries.size() * sizeof(float); at += width) {
    vectors_.add({bytes + at, width});
  }
  for (const std::string& text : query.texts) texts_.add(text);
}

std::string QuerySample::encode(std::int32_t count) const {
  const std::lock_guard lock(mutex_);
  RetrievalRequest request;
  request.k = 10;
  request.want_passages = false;
  const auto last = [&](const Ring& ring) {
    const auto taken = std::min<std::ptrdiff_t>(std::max(count, 0), std::ssize(ring.order));
    return std::vector<const std::string*>(ring.order.end() - taken, ring.order.end());
  };
  if (const auto rows = last(vectors_); !rows.empty()) {
    const std::size_t width = rows.front()->size() / sizeof(float);
    std::vector<float> vectors(rows.size() * width);
    for (std::size_t row = 0; row < rows.size(); ++row) {
      std::memcpy(&vectors[row * width], rows[row]->data(), width * sizeof(float));
    }
    request.queries = vectors;
    return wire::encode_query(request, static_cast<std::int32_t>(width));
  }
  std::vector<std::string> texts;
  for (const std::string* text : last(texts_)) texts.push_back(*text);
  if (texts.empty()) return {};
  request.texts = texts;
  return wire::encode_query(request, 0);
}

}  // namespace rookery::retriever_pool
