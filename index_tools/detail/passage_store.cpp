#include "index_tools/detail/passage_store.hpp"

#include "base/error.hpp"

#include <bit>
#include <cstring>
#include <string_view>

namespace rookery::index_tools::detail {
namespace {

static_assert(std::endian::native == std::endian::little,
              "snapshots are mapped as they lie, so they need a little-endian machine");

constexpr std::string_view kMagic = "RKPASSG2";
constexpr std::string_view kMagic1 = "RKPASSG1";
constexpr std::size_t kParts = 4, kParts1 = 3;  ///< a row: source id, title, text, topic
constexpr std::size_t kTrailerBytes = 24;

}  // namespace

PassageStoreWriter::PassageStoreWriter(const std::filesystem::path& folder, const std::string& name)
    : file_(folder, name) {}

void PassageStoreWriter::add(const PassageView& passage) {
  for (const std::string_view part :
       {passage.source_id, passage.title, passage.text, passage.topic}) {
    starts_.push_back(static_cast<std::uint64_t>(file_.bytes()));
    file_.write(std::as_bytes(std::span(part)));
  }
}

FileEntry PassageStoreWriter::finish() {
  const std::uint64_t count = starts_.size() / kParts;
  starts_.push_back(static_cast<std::uint64_t>(file_.bytes()));
  constexpr std::byte kZeros[8] = {};
  const std::size_t padding = static_cast<std::size_t>((8 - file_.bytes() % 8) % 8);
  file_.write(std::span(kZeros).first(padding));
  const std::uint64_t trailer[2] = {static_cast<std::uint64_t>(file_.bytes()), count};
  file_.write(std::as_bytes(std::span(starts_)));
  file_.write(std::as_bytes(std::span(trailer)));
  file_.write(std::as_bytes(std::span(kMagic)));
  return file_.finish();
}

PassageStore::PassageStore(std::span<const std::byte> bytes, std::int64_t count,
                           const std::string& where) {
  const auto refuse = [&](const std::string& what) {
    throw base::UserError(where + ": " + what + "; build the snapshot again");
  };
  if (bytes.size() < kTrailerBytes) {
    refuse("expected a passage store, got " + std::to_string(bytes.size()) + " bytes");
  }
  const std::byte* trailer = bytes.data() + bytes.size() - kTrailerBytes;
  std::uint64_t table = 0, rows = 0;
  std::memcpy(&table, trailer, 8);
  std::memcpy(&rows, trailer + 8, 8);
  const std::string_view magic(reinterpret_cast<const char*>(trailer + 16), kMagic.size());
  parts_ = magic == kMagic1 ? kParts1 : kParts;
  if (magic != kMagic && magic != kMagic1) {
    refuse("expected a passage store that ends in " + std::string(kMagic));
  }
  const std::uint64_t room = bytes.size() - kTrailerBytes;
  if (count < 0 || rows != static_cast<std::uint64_t>(count) || rows > room / (8 * parts_)) {
    refuse("expected " + std::to_string(count) + " passages, got " + std::to_string(rows));
  }
  const std::uint64_t entries = parts_ * rows + 1;
  if (table % 8 != 0 || table > room || room - table != entries * 8) {
    refuse("its table of " + std::to_string(entries) + " starts does not fit its " +
           std::to_string(bytes.size()) + " bytes");
  }
  text_ = reinterpret_cast<const char*>(bytes.data());
  // The mapping begins at a page and `table` is a multiple of 8, so the table is aligned.
  starts_ = {reinterpret_cast<const std::uint64_t*>(bytes.data() + table),
             static_cast<std::size_t>(entries)};
  std::uint64_t before = 0;
  for (std::size_t index = 0; index < starts_.size(); ++index) {
    if (starts_[index] < before || starts_[index] > table) {
      refuse("row " + std::to_string(index / parts_) + " starts outside the text");
    }
    before = starts_[index];
  }
}

PassageView PassageStore::row(std::int64_t row) const {
  const std::size_t first = parts_ * static_cast<std::size_t>(row);
  const auto part = [&](std::size_t index) {
    return std::string_view(text_ + starts_[index],
                            static_cast<std::size_t>(starts_[index + 1] - starts_[index]));
  };
  return {0, part(first), part(first + 1), part(first + 2),
          parts_ > kParts1 ? part(first + 3) : std::string_view()};
}

}  // namespace rookery::index_tools::detail
