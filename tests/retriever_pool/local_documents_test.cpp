#include "retriever_pool/local_documents.hpp"

#include <gtest/gtest.h>

#include <atomic>

#include "base/atomic_file.hpp"
#include "base/error.hpp"
#include "index_tools/snapshot_writer.hpp"
#include "retriever_pool/embedded_pool.hpp"
#include "test_colony.hpp"
#include "tests/support/error_text.hpp"
#include "tests/support/eventually.hpp"
#include "tests/support/temp_folder.hpp"

namespace rookery::retriever_pool {
namespace {

namespace fs = std::filesystem;
using testing::TestColony;

constexpr std::int32_t kDimension = 8;
constexpr std::int64_t kPassages = 120;

/// A node's shard that counts how often a passage or a vector is read from it.
class CountingShard final : public index_tools::SnapshotShard {
 public:
  CountingShard(std::shared_ptr<const index_tools::SnapshotShard> inner,
                std::shared_ptr<std::atomic<int>> passages)
      : inner_(std::move(inner)), passages_(std::move(passages)) {}
  [[nodiscard]] std::int32_t shard() const override { return inner_->shard(); }
  [[nodiscard]] std::int64_t count() const override { return inner_->count(); }
  [[nodiscard]] std::int32_t dimension() const override { return inner_->dimension(); }
  [[nodiscard]] std::span<const std::int64_t> ids() const override { return inner_->ids(); }
  [[nodiscard]] index_tools::VectorType vector_type() const override {
    return inner_->vector_type();
  }
  [[nodiscard]] std::span<const float> vectors() const override { return inner_->vectors(); }
  [[nodiscard]] std::span<const std::uint16_t> half_vectors() const override {
    return inner_->half_vectors();
  }
  [[nodiscard]] std::span<const std::int32_t> values() const override { return inner_->values(); }
  [[nodiscard]] index_tools::PassageView passage(std::int64_t row) const override {
    ++*passages_;
    return inner_->passage(row);
  }
  [[nodiscard]] std::optional<std::int64_t> row_of(std::int64_t id) const override {
    return inner_->row_of(id);
  }

 private:
  std::shared_ptr<const index_tools::SnapshotShard> inner_;
  std::shared_ptr<std::atomic<int>> passages_;
};

struct Setting {
  const char* metric;
  index_tools::VectorType vectors;
  bool values;
};

index_tools::Manifest write(const fs::path& name, const Setting& setting) {
  index_tools::Manifest facts;
  facts.metric = setting.metric;
  facts.dimension = kDimension;
  facts.build_key = std::string("key of ") + setting.metric;
  facts.encoder.dimension = kDimension;
  index_tools::SnapshotWriterOptions options;
  options.shards = 2;
  options.vectors = setting.vectors;
  options.values = setting.values;
  options.threads = 1;
  index_tools::SnapshotWriter writer(name, name / ".work", facts, options);
  std::mt19937_64 random(7);
  for (std::int64_t id = 0; id < kPassages; ++id) {
    const auto vector = testing::random_vectors(random, 1, kDimension);
    const std::string source = "s" + std::to_string(id / 2), text = testing::text_of(id);
    std::optional<std::int32_t> value;
    if (setting.values) value = static_cast<std::int32_t>(id * 3);
    writer.add({id, source, id % 3 == 0 ? "" : "title", text, ""}, vector, value);
  }
  return writer.commit();
}

class LocalDocumentsTest : public ::testing::TestWithParam<Setting> {
 protected:
  LocalDocumentsTest()
      : name(folder / "wiki"),
        manifest(write(name, GetParam())),
        generation(name / manifest.generation),
        index(describe_index(manifest)) {
    std::vector<std::shared_ptr<const index_tools::SnapshotShard>> shards;
    for (std::int32_t s = 0; s < 2; ++s) {
      shards.push_back(
          std::make_shared<CountingShard>(index_tools::open_shard(generation, s), read));
    }
    colony = std::make_unique<TestColony>(shards, index, 1, QueryServerOptions{});
    colony->generation().snapshot = generation.string();
    set_host(this_host());
  }
  void set_host(const std::string& host) {
    for (ReplicaView& member : colony->view().members) member.host = host;
    colony->publish();
  }
  [[nodiscard]] RetrievalRequest request() const {
    RetrievalRequest made;
    made.queries = queries;
    made.k = 7;
    return made;
  }
  [[nodiscard]] LocalSource source() const {
    return {generation.string(), index.generation, index.files_digest};
  }

  const rookery::testing::TempFolder folder;
  fs::path name;
  index_tools::Manifest manifest;
  fs::path generation;
  IndexDescription index;
  std::shared_ptr<std::atomic<int>> read = std::make_shared<std::atomic<int>>(0);
  std::unique_ptr<TestColony> colony;
  std::vector<float> queries = [] {
    std::mt19937_64 random(9);
    return testing::random_vectors(random, 3, kDimension);
  }();
};

void expect_equal(const RetrievalAnswer& a, const RetrievalAnswer& b) {
  ASSERT_EQ(a.rows.size(), b.rows.size());
  for (std::size_t row = 0; row < a.rows.size(); ++row) {
    ASSERT_EQ(testing::hits_of(a.rows[row]), testing::hits_of(b.rows[row]));
    for (std::size_t i = 0; i < a.rows[row].size(); ++i) {
      const Document &x = a.rows[row][i], &y = b.rows[row][i];
      EXPECT_EQ(x.source_id, y.source_id);
      EXPECT_EQ(x.title, y.title);
      EXPECT_EQ(x.text, y.text);
      EXPECT_EQ(x.vector, y.vector);
      EXPECT_EQ(x.value, y.value);
    }
  }
}

TEST_P(LocalDocumentsTest, AreTheNodesBytesInEveryCombination) {
  const auto local = colony->client();
  PoolClientOptions from_nodes;
  from_nodes.local_documents = false;
  const auto remote = colony->client(from_nodes);
  const auto embedded = open_embedded_pool({.snapshot = generation.string(), .threads = 1});
  ASSERT_TRUE(rookery::testing::eventually([&] {
    const int before = *read;
    (void)local->retrieve(request());
    return *read == before;
  })) << "the snapshot was not opened";
  const std::vector<std::int64_t> ids = {5, 8, 100'000};
  for (int fields = 0; fields < 16; ++fields) {
    RetrievalRequest wanted = request();
    wanted.want_passages = (fields & 1) != 0;
    wanted.want_vectors = (fields & 2) != 0;
    wanted.float16_vectors = (fields & 4) != 0;
    if ((fields & 8) != 0) {
      wanted.queries = {};
      wanted.ids = ids;
    }
    const RetrievalAnswer expected = remote->retrieve(wanted);
    const int before = *read;
    expect_equal(local->retrieve(wanted), expected);
    EXPECT_EQ(*read, before) << "a node read passages for a client on its host";
    expect_equal(embedded->retrieve(wanted), expected);
  }
}

TEST_P(LocalDocumentsTest, ANodeOnAnotherHostIsAskedForAll) {
  set_host("elsewhere");
  const auto client = colony->client();
  for (int call = 0; call < 20; ++call) {
    const int before = *read;
    (void)client->retrieve(request());
    EXPECT_GT(*read, before);
  }
}

TEST_P(LocalDocumentsTest, OtherFilesUnderTheSamePathAreNotUsed) {
  const auto never = [] { return false; };
  EXPECT_NE(open_local_snapshot(source(), never), nullptr);
  LocalSource other = source();
  other.files_digest.front() = other.files_digest.front() == '0' ? '1' : '0';
  EXPECT_EQ(rookery::testing::error_text([&] { (void)open_local_snapshot(other, never); }),
            generation.string() + ": expected generation " + index.generation +
                " with the files that the nodes serve, got other files of generation " +
                index.generation);
  // A damaged one is not used either.
  std::string bytes = base::read_file(generation / "shard-1/vectors");
  bytes[bytes.size() / 2] = static_cast<char>(bytes[bytes.size() / 2] ^ 1);
  base::write_file_atomically(generation / "shard-1/vectors", bytes);
  EXPECT_THROW((void)open_local_snapshot(source(), never), base::UserError);
}

INSTANTIATE_TEST_SUITE_P(
    Snapshots, LocalDocumentsTest,
    ::testing::Values(Setting{"inner_product", index_tools::VectorType::kFloat32, false},
                      Setting{"l2", index_tools::VectorType::kFloat16, false},
                      Setting{"cosine", index_tools::VectorType::kFloat32, true}),
    [](const auto& setting) { return std::string(setting.param.metric); });

}  // namespace
}  // namespace rookery::retriever_pool
