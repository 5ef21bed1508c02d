#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <vector>

#include "engine/text_encoder.hpp"
#include "index_tools/detail/chunk_store.hpp"
#include "index_tools/detail/passage_stream.hpp"
#include "index_tools/passage.hpp"
#include "index_tools/snapshot_writer.hpp"

namespace rookery::index_tools::detail {

/// What a chunk encoder did.
struct EncodeFigures {
  std::int64_t encoded = 0;  ///< passages, in this run
  std::int64_t resumed = 0;  ///< passages whose vectors an interrupted run left behind
  double seconds = 0;        ///< within the encoder
};

/// Takes passages, encodes them chunk by chunk (or finds the chunk of an earlier run) and hands the
/// rows to the writer. Use from one thread.
class ChunkEncoder {
 public:
  /// Without an encoder the rows go to the writer as texts alone. All must outlive this.
  ChunkEncoder(engine::TextEncoder* encoder, ChunkStore store, std::int32_t chunk_passages,
               SnapshotWriter& writer, EncodeFigures& figures);
  void add(const PassageView& passage);
  /// As many passages wait as a chunk holds: time to `flush`.
  [[nodiscard]] bool full() const;
  void flush();

 private:
  struct Row {
    std::int64_t id;
    std::string source_id, title, text, topic;
  };
  std::vector<float> encode();
  std::vector<float> vectors_of_rows();

  engine::TextEncoder* encoder_;
  ChunkStore store_;
  std::int32_t chunk_passages_;
  SnapshotWriter& writer_;
  EncodeFigures& figures_;
  std::vector<Row> rows_;
};

/// All passages of a stream through the encoder. `done` counts them; `tell` is called before the
/// first and behind each chunk.
void encode_all(PassageStream& passages, ChunkEncoder& chunks, std::int64_t& done,
                const std::function<void()>& tell);

}  // namespace rookery::index_tools::detail
