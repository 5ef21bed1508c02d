// Writes the first files of every corpus with the writers of the formats: make_corpus FOLDER
#include "base/atomic_file.hpp"
#include "index_tools/bm25_postings.hpp"
#include "index_tools/datastore.hpp"
#include "index_tools/detail/generation_file.hpp"
#include "index_tools/detail/passage_store.hpp"
#include "index_tools/faiss/faiss_bridge.hpp"
#include "index_tools/hnsw_graph.hpp"
#include "index_tools/int8_codes.hpp"
#include "index_tools/ivfpq_lists.hpp"
#include "index_tools/npy_file.hpp"
#include "tests/fuzz/fuzz_input.hpp"
#include "tests/fuzz/fuzz_shard.hpp"
#include "tests/fuzz/make_wire_corpus.hpp"

#include <cstdio>
#include <exception>
#include <filesystem>
#include <memory>
#include <string>
#include <vector>

namespace rookery::fuzz {
namespace {

namespace fs = std::filesystem;
using index_tools::detail::GenerationFile;
using Shards = std::vector<std::shared_ptr<const index_tools::SnapshotShard>>;

void write(const fs::path& path, const std::string& text) {
  fs::create_directories(path.parent_path());
  base::write_file_atomically(path, text);
}

/// A file that `fill` writes as a part of a shard.
template <typename Fill>
void write_part(const fs::path& root, const std::string& name, const Fill& fill) {
  fs::create_directories((root / name).parent_path());
  GenerationFile file(root, name);
  fill(file);
  file.finish();
}

void write_indexes(const fs::path& root) {
  write_part(root, "int8/codes",
             [](GenerationFile& file) { index_tools::write_int8_codes(int8_shard(), file); });
  const Shards texts{std::make_shared<FuzzShard>(bm25_shard())};
  write_part(root, "bm25/postings", [&](GenerationFile& file) {
    index_tools::write_bm25_postings(*texts.front(), index_tools::collect_bm25_statistics(texts),
                                     {}, file);
  });
  index_tools::HnswParameters graph;
  graph.m = 3;
  graph.serial = true;
  write_part(root, "hnsw/graph", [&](GenerationFile& file) {
    index_tools::write_hnsw_graph(hnsw_shard(), "inner_product", graph, 1, file);
  });
  index_tools::IvfPqParameters lists;
  lists.nlist = 3;
  lists.pq_bytes = 2;
  const Shards rows{std::make_shared<FuzzShard>(ivfpq_shard())};
  for (const char* coarse : {"flat", "hnsw"}) {
    lists.coarse = coarse;
    const auto model = index_tools::train_ivfpq(rows, "l2", lists, 1);
    write_part(root, std::string("ivfpq/") + coarse, [&](GenerationFile& file) {
      index_tools::write_ivfpq_lists(*rows.front(), "l2", model, 1, file);
    });
  }
}

void write_faiss(const fs::path& root) {
  fs::create_directories(root / "faiss");
  const FuzzShard rows = int8_shard();
  const index_tools::VectorsView view{rows.vectors(), rows.dimension(), false};
  index_tools::FaissBridge& bridge = index_tools::faiss_bridge();
  bridge.write_flat(root / "faiss/flat", view, {});
  bridge.write_flat(root / "faiss/mapped", view, rows.ids());
  bridge.write_hnsw(root / "faiss/hnsw", view, bridge.build_hnsw(view, 4, 20, 1));
  const FuzzShard more = ivfpq_shard();
  const index_tools::VectorsView many{more.vectors(), more.dimension(), true};
  const auto model = bridge.train_ivfpq(many, 2, 2, 1, 1);
  index_tools::FaissIvfPq lists = bridge.encode_ivfpq(model, many, 1);
  lists.centroids = model.centroids;
  lists.codebooks = model.codebooks;
  bridge.write_ivfpq(root / "faiss/ivfpq", many, lists);
}

void write_arrays(const fs::path& root) {
  using index_tools::NpyType;
  fs::create_directories(root / "npy");
  for (const NpyType type : {NpyType::kFloat16, NpyType::kFloat32, NpyType::kFloat64,
                             NpyType::kInt32, NpyType::kInt64}) {
    const bool floats = type <= NpyType::kFloat64;
    index_tools::NpyWriter writer(root / "npy" / to_string(type).substr(1),
                                  {type, floats ? 2 : 1, 3, floats ? 2 : 1});
    const std::vector<std::byte> zeros(
        static_cast<std::size_t>((floats ? 6 : 3) * index_tools::element_bytes(type)));
    writer.write(zeros);
    writer.finish();
  }
  index_tools::DatastoreOptions options;
  options.out = root / "store";
  options.dimension = 2;
  index_tools::DatastoreWriter writer(options);
  const std::vector<float> keys{1, 2, 3, 4, 5, 6};
  const std::vector<std::int32_t> values{7, 8, 9};
  writer.add(keys, values);
  const index_tools::Manifest manifest = writer.commit();
  const fs::path folder = options.out / manifest.generation;
  write(root / "manifest/datastore", base::read_file(folder / "manifest.json"));
  std::string shard;
  for (const char* name : {"ids", "passages", "values", "vectors"}) {
    const std::string bytes = base::read_file(folder / "shard-0" / name);
    shard += {static_cast<char>(bytes.size() & 0xFF), static_cast<char>(bytes.size() >> 8)};
    shard += bytes;
  }
  write(root / "shard/datastore", shard);
  fs::remove_all(options.out);
  index_tools::detail::PassageStoreWriter passages(root, "passages/three");
  passages.add({0, "source", "Title", "A text.", "topic"});
  passages.add({1, "", "", "", ""});
  passages.add({2, "2", "Größe", "Ein Text.", ""});
  passages.finish();
}

void write_texts(const fs::path& root) {
  write(root / "table/psgs", "id\ttext\ttitle\n1\t\"Say \"\"caw\"\".\"\tRook\n2\tplain\t\n");
  write(root / "table/titles", "Rook\tA bird.\r\n\n\"Elm\"\t\"A \"\"tree\"\"\"\n");
  write(root / "json_lines/texts",
        "{\"id\": \"a\", \"title\": \"Rook\", \"text\": \"A \\u00e9 bird.\", \"topic\": null}\n"
        "{\"id\": 7, \"text\": \"x\", \"description\": \"d\"}\n{\"text\": \" \"}\n");
  write(root / "index_spec/hnsw", "hnsw:m=64,ef_construction=40,storage=int8,serial=true");
  write(root / "index_spec/ivfpq", "ivfpq:nlist=4096,pq_bytes=64,nprobe=32,coarse=hnsw");
  write(root / "index_spec/bm25", "bm25:k1=1.2,b=0.75");
  write(root / "index_spec/int8", "int8");
}

}  // namespace
}  // namespace rookery::fuzz

int main(int count, char** arguments) {
  if (count != 2) {
    std::fprintf(stderr, "usage: %s FOLDER\n", arguments[0]);
    return 2;
  }
  try {
    const std::filesystem::path root = arguments[1];
    std::filesystem::create_directories(root / "passages");
    rookery::fuzz::write_texts(root);
    rookery::fuzz::write_messages(root);
    rookery::fuzz::write_arrays(root);
    rookery::fuzz::write_indexes(root);
    rookery::fuzz::write_faiss(root);
  } catch (const std::exception& problem) {
    std::fprintf(stderr, "%s\n", problem.what());
    return 1;
  }
  return 0;
}
