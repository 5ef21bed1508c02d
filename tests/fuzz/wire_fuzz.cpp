// What a peer may send: headers, bodies, routing views, filters; and the YAML of a colony's file.
#include "base/error.hpp"
#include "base/option_reader.hpp"
#include "retriever_pool/filter_file.hpp"
#include "retriever_pool/index_options.hpp"
#include "retriever_pool/routing_view.hpp"
#include "retriever_pool/wire_bodies.hpp"
#include "retriever_pool/wire_lease.hpp"
#include "tests/fuzz/fuzz_input.hpp"
#include "tests/fuzz/fuzz_targets.hpp"

#include <chrono>
#include <cstdint>
#include <limits>
#include <stdexcept>
#include <string>
#include <vector>

namespace rookery::fuzz {
namespace {

using namespace retriever_pool;

/// Runs a decoder; true when it took the bytes. A `WireError` is the answer to what it refuses.
template <typename Decode>
bool decodes(const Decode& decode) {
  try {
    decode();
    return true;
  } catch (const wire::WireError&) {
    return false;
  }
}

std::span<const std::byte> bytes_of(const std::string& text) {
  return std::as_bytes(std::span(text));
}

constexpr std::int32_t kDimension = 3;
constexpr std::uint32_t kBatch = 2, kHits = 4;

/// What stands in a section, whatever its keys are called.
void read_everything(base::OptionReader& reader) {
  bool flag = false;
  std::string text;
  std::int32_t number = 0;
  double real = 0;
  std::vector<std::string> list;
  std::optional<std::int32_t> maybe;
  reader.read("flag", flag);
  reader.read("text", text);
  reader.read("number", number, -5, 1000);
  reader.read("real", real, 0, 1);
  reader.read("list", list);
  reader.read("word", text, {"one", "two"});
  reader.read("maybe", maybe, 1, std::numeric_limits<std::int32_t>::max());
  require(number >= -5 && number <= 1000 && real >= 0 && real <= 1, "a number out of its range");
}

}  // namespace

int fuzz_wire_header(std::span<const std::byte> bytes) {
  const AlignedBytes memory(bytes);
  wire::Header header;
  if (!decodes([&] { header = wire::decode_header(memory.bytes()); })) return 0;
  require(header.index.size() <= wire::kNameBytes && header.generation.size() <= wire::kNameBytes,
          "a name that is too long");
  static_cast<void>(decodes([&] { wire::check_body(header, memory.bytes()); }));
  // What was read can be written again and says the same.
  const wire::Header again = wire::decode_header(bytes_of(wire::encode_header(header, {})));
  require(again.type == header.type && again.request == header.request &&
              again.index == header.index && again.generation == header.generation &&
              again.remaining_us == header.remaining_us,
          "a header that changes when it is written");
  return 1;
}

int fuzz_wire_query(std::span<const std::byte> bytes) {
  const AlignedBytes memory(bytes);
  wire::QueryBody query;
  if (!decodes([&] { query = wire::decode_query(memory.bytes()); })) return 0;
  require(query.bytes() <= static_cast<std::int64_t>(bytes.size()),
          "a query larger than its message");
  const RetrievalRequest request = query.request();
  require(request.queries.size() + request.texts.size() + request.ids.size() <= bytes.size(),
          "more asked than was sent");
  return 1;
}

int fuzz_wire_answer(std::span<const std::byte> bytes) {
  const AlignedBytes memory(bytes);
  int accepted = 0;
  for (int shape = 0; shape < 8; ++shape) {
    const wire::AnswerShape wanted{(shape & 1) != 0, (shape & 2) != 0, kDimension, false,
                                   (shape & 4) != 0};
    wire::AnswerBody answer;
    if (!decodes([&] { answer = wire::decode_answer(memory.bytes(), kBatch, kHits, wanted); })) {
      continue;
    }
    accepted = 1;
    require(answer.rows.size() == kBatch, "another number of rows than asked");
    for (const auto& row : answer.rows) {
      require(row.size() <= kHits, "more hits than asked");
      for (std::size_t i = 1; i < row.size(); ++i) {
        require(row[i - 1].score > row[i].score ||
                    (row[i - 1].score == row[i].score && row[i - 1].id < row[i].id),
                "a row out of order");
      }
    }
  }
  return accepted;
}

int fuzz_wire_small(std::span<const std::byte> bytes) {
  const AlignedBytes memory(bytes);
  int accepted = 0;
  accepted |= decodes([&] { static_cast<void>(wire::decode_error(memory.bytes())); });
  accepted |= decodes([&] { static_cast<void>(wire::decode_pong(memory.bytes())); });
  accepted |= decodes([&] { static_cast<void>(wire::decode_view_request(memory.bytes())); });
  accepted |= decodes([&] {
    const auto lease = wire::decode_lease(memory.bytes());
    require(lease.ttl >= std::chrono::milliseconds(0) && lease.ttl <= std::chrono::hours(24),
            "a lease of more than a day");
  });
  return accepted;
}

int fuzz_routing_view(std::span<const std::byte> bytes) {
  try {
    const RoutingView view = RoutingView::from_json(std::string(as_text(bytes)));
    const std::string written = view.to_json();
    require(RoutingView::from_json(written).to_json() == written,
            "a view that changes when it is written");
    static_cast<void>(view.serves_all_shards());
    return 1;
  } catch (const std::invalid_argument&) {
    return 0;
  }
}

int fuzz_filter(std::span<const std::byte> bytes) {
  const MemoryFile file(bytes);
  try {
    const PassageFilter filter = read_filter_file(file.path());
    const std::string written = filter_to_json(filter);
    const MemoryFile again(bytes_of(written));
    require(read_filter_file(again.path()) == filter, "a filter that changes when it is written");
    return 1;
  } catch (const base::UserError&) {
    return 0;
  }
}

int fuzz_yaml(std::span<const std::byte> bytes) {
  const std::string text(as_text(bytes));
  int accepted = 0;
  try {
    auto reader = base::OptionReader::from_text(text, "fuzz.yaml");
    accepted = 1;
    static_cast<void>(IndexOptions::from_options(reader.section("index")));
    auto pool = reader.section("pool");
    read_everything(pool);
    reader.finish();
  } catch (const base::UserError&) {
  }
  return accepted;
}

}  // namespace rookery::fuzz
