#include "tests/fuzz/make_wire_corpus.hpp"

#include "base/atomic_file.hpp"
#include "retriever_pool/filter_file.hpp"
#include "retriever_pool/routing_view.hpp"
#include "retriever_pool/wire_bodies.hpp"
#include "retriever_pool/wire_lease.hpp"

#include <chrono>
#include <string>
#include <vector>

namespace rookery::fuzz {
namespace {

namespace fs = std::filesystem;
using namespace retriever_pool;

void write(const fs::path& path, const std::string& text) {
  fs::create_directories(path.parent_path());
  base::write_file_atomically(path, text);
}

void write_headers(const fs::path& root) {
  wire::Header header;
  header.type = wire::Type::kQuery;
  header.request = {1, 2};
  header.attempt = 1;
  header.remaining_us = 2'000'000;
  header.index = "main";
  header.generation = "7f3a";
  const std::string body = "body";
  write(root / "wire_header/query", wire::encode_header(header, std::as_bytes(std::span(body))));
  const std::string extension(
      "\x07\x00\x04\x00"
      "more",
      8);
  write(root / "wire_header/extended",
        wire::encode_header(header, {}, std::as_bytes(std::span(extension))));
}

void write_queries(const fs::path& root) {
  const std::vector<float> vectors{1, 2, 3, 4, 5, 6};
  const std::vector<std::string> texts{"one", "größer"};
  const std::vector<std::int64_t> ids{4, 5};
  RetrievalRequest dense;
  dense.queries = vectors;
  dense.filter.allow_ids = {1, 2, 3};
  dense.filter.deny_titles = {"Rook"};
  write(root / "wire_query/dense", wire::encode_query(dense, 3));
  RetrievalRequest sparse;
  sparse.texts = texts;
  sparse.kind = index_tools::IndexKind::kBm25;
  write(root / "wire_query/texts", wire::encode_query(sparse, 3));
  RetrievalRequest look_up;
  look_up.ids = ids;
  write(root / "wire_query/ids", wire::encode_query(look_up, 3));
}

void write_answers(const fs::path& root) {
  wire::AnswerBody answer;
  Document first, second;
  first.id = 4;
  first.score = 2;
  first.source_id = "4";
  first.title = "Rook";
  first.text = "A bird.";
  first.vector = {1, 2, 3};
  second = first;
  second.id = 7;
  answer.rows = {{first, second}, {first}};
  for (const bool full : {true, false}) {
    write(root / "wire_answer" / (full ? "full" : "scores"),
          wire::encode_answer(answer, {full, full, 3}));
  }
}

}  // namespace

void write_messages(const fs::path& root) {
  write_headers(root);
  write_queries(root);
  write_answers(root);
  write(root / "wire_small/error",
        wire::encode_error({wire::ErrorCode::kOverloaded, 5, "the queue is full"}));
  write(root / "wire_small/pong", wire::encode_pong({1, 2, 3}));
  write(root / "wire_small/view_request", wire::encode_view_request({1, 2}));
  write(root / "wire_small/lease", wire::encode_lease({7, std::chrono::seconds(30), false}));
  RoutingView view;
  view.colony = "wiki";
  view.term = 1;
  view.epoch = 2;
  IndexDescription index;
  index.generation = "7f3a";
  index.metric = "inner_product";
  index.dimension = 3;
  index.shards = 1;
  index.passages = 10;
  index.kinds = {index_tools::IndexKind::kExact};
  view.generations = {{"main", GenerationRole::kLive, 1, 1, index, ""}};
  ReplicaView member;
  member.index = "main";
  member.node = "node-1";
  member.endpoint = "tcp://127.0.0.1:1";
  member.state = ReplicaState::kReady;
  member.generation = "7f3a";
  view.members = {member};
  write(root / "routing_view/one", view.to_json());
  PassageFilter filter;
  filter.allow_ids = {1, 2};
  filter.deny_topics = {"Birds"};
  write(root / "filter/two", filter_to_json(filter));
  write(root / "yaml/colony",
        "index:\n  path: snapshots/wiki\n  kind: hnsw\n  ef_search: 64\npool:\n  flag: true\n"
        "  number: 3\n  real: 0.5\n  list: [a, \"b\"]\n  word: two\n  text: >-\n    folded\n    "
        "text\n");
  write(root / "yaml/aliases",
        "a: &a [x, x]\nb: &b [*a, *a]\nc: &c [*b, *b]\npool: {list: *a, maybe: 7}\n");
  write(root / "yaml/comma", ",\n");  // once documents without end
  write(root / "yaml/odd", "? [k]\n: v\n--- \n!!map {<<: *x}\n");
}

}  // namespace rookery::fuzz
