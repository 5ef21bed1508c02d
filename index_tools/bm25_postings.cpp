#include "index_tools/bm25_postings.hpp"

#include <algorithm>
#include <cmath>
#include <cstring>
#include <functional>
#include <limits>
#include <vector>

#include "base/error.hpp"
#include "index_tools/detail/bm25_file.hpp"
#include "index_tools/detail/term_table.hpp"

namespace rookery::index_tools {
namespace {

using detail::Bm25Header;
using detail::Bm25Layout;
using detail::Bm25TermRecord;

constexpr std::int64_t kRowsMax = std::numeric_limits<std::int32_t>::max();

class MappedPostings final : public Bm25Postings {
 public:
  MappedPostings(std::span<const std::byte> bytes, std::int64_t count, std::string where)
      : bytes_(bytes), where_(std::move(where)) {
    check_header(count);
    const Bm25Layout at = Bm25Layout::of(header_);
    lengths_ = part<std::uint32_t>(at.lengths, header_.rows);
    records_ = part<Bm25TermRecord>(at.terms, header_.terms + 1);
    texts_ = part<char>(at.texts, header_.text_bytes);
    blocks_ = part<Bm25Block>(at.blocks, header_.blocks);
    data_ = bytes_.data() + at.data;
    check_lengths();
    check_terms();
    const Bm25Formula formula = this->formula();
    reached_.resize(records_.size());
    std::vector<std::uint16_t> ratios;
    for (std::size_t t = 0; t + 1 < records_.size(); ++t) {
      check_postings(t, formula, ratios);
      reached_[t] = levels_of(ratios);
    }
    table_ = detail::TermTable(records_.size());
    for (std::size_t t = 0; t + 1 < records_.size(); ++t) {
      table_.insert(text_of(t), static_cast<std::uint32_t>(t));
    }
  }

  [[nodiscard]] std::int64_t count() const override { return header_.rows; }
  [[nodiscard]] const Bm25Parameters& parameters() const override { return parameters_; }
  [[nodiscard]] std::int64_t corpus_documents() const override { return header_.corpus_documents; }
  [[nodiscard]] double corpus_mean_length() const override {
    if (header_.corpus_documents == 0) return 0;
    return static_cast<double>(header_.corpus_tokens) /
           static_cast<double>(header_.corpus_documents);
  }
  [[nodiscard]] std::int64_t terms() const override { return header_.terms; }
  [[nodiscard]] std::span<const std::uint32_t> lengths() const override { return lengths_; }
  [[nodiscard]] const std::byte* data() const override { return data_; }

  [[nodiscard]] std::optional<Bm25Term> find(std::string_view term) const override {
    const std::int64_t number = table_.find(term, [this](std::uint32_t t) { return text_of(t); });
    if (number < 0) return std::nullopt;
    const auto t = static_cast<std::size_t>(number);
    Bm25Term found;
    found.documents = static_cast<std::int64_t>(records_[t].documents);
    found.count = records_[t].postings;
    found.blocks = blocks_.subspan(records_[t].first_block,
                                   records_[t + 1].first_block - records_[t].first_block);
    found.ratio_bound = (records_[t].ratio_max + 1) / 65536.0;
    found.reached = reached_[t];
    return found;
  }

 private:
  template <typename T>
  [[nodiscard]] std::span<const T> part(std::int64_t begin, std::int64_t count) const {
    return {reinterpret_cast<const T*>(bytes_.data() + begin), static_cast<std::size_t>(count)};
  }
  [[nodiscard]] std::string_view text_of(std::size_t t) const {
    return {texts_.data() + records_[t].text_begin,
            records_[t + 1].text_begin - records_[t].text_begin};
  }
  [[noreturn]] void fail(const std::string& what) const {
    throw base::UserError(where_ + ": " + what + "; rebuild the index");
  }

  void check_header(std::int64_t count) {
    if (bytes_.size() < sizeof header_ + detail::kBm25SpareBytes) {
      fail("expected BM25 postings, got a file of " + std::to_string(bytes_.size()) + " bytes");
    }
    if (reinterpret_cast<std::uintptr_t>(bytes_.data()) % 8 != 0) {
      throw std::invalid_argument("open_bm25_postings: expected bytes aligned to 8");
    }
    std::memcpy(&header_, bytes_.data(), sizeof header_);
    if (header_.magic != detail::kBm25Magic || header_.reserved != decltype(header_.reserved){}) {
      fail("expected BM25 postings of version 1, got another header");
    }
    if (header_.rows != count || count > kRowsMax) {
      fail("expected postings of " + std::to_string(count) + " passages (at most 2147483647), got" +
           " those of " + std::to_string(header_.rows));
    }
    parameters_ = {header_.k1, header_.b};
    if (!(header_.k1 >= 0 && header_.k1 <= 100 && header_.b >= 0 && header_.b <= 1)) {
      fail("expected k1 in [0, 100] and b in [0, 1], got " + std::to_string(header_.k1) + " and " +
           std::to_string(header_.b));
    }
    // Each is below the file's size, so that the sums cannot overflow.
    const auto size = static_cast<std::int64_t>(bytes_.size());
    const auto sound = [size](std::int64_t items, std::int64_t item_bytes) {
      return items >= 0 && items <= size / item_bytes;
    };
    if (!sound(header_.terms, sizeof(Bm25TermRecord)) || header_.terms >= kRowsMax ||
        !sound(header_.text_bytes, 1) || !sound(header_.blocks, sizeof(Bm25Block)) ||
        !sound(header_.data_bytes, 1) || !sound(header_.rows, 4) ||
        Bm25Layout::of(header_).end != size) {
      fail("expected a size that agrees with the header, got " + std::to_string(size) + " bytes");
    }
    constexpr std::int64_t kTokensMax = std::int64_t{1} << 52;  // whole numbers of a double
    if (header_.corpus_documents < header_.rows || header_.corpus_documents > kTokensMax ||
        header_.corpus_tokens < 0 || header_.corpus_tokens > kTokensMax) {
      fail("expected statistics of a corpus of at least " + std::to_string(header_.rows) +
           " passages, got " + std::to_string(header_.corpus_documents) + " passages with " +
           std::to_string(header_.corpus_tokens) + " terms");
    }
  }

  void check_lengths() const {
    for (std::size_t row = 0; row < lengths_.size(); ++row) {
      if (lengths_[row] > static_cast<std::uint32_t>(kRowsMax)) {
        fail("expected lengths below 2147483648, got " + std::to_string(lengths_[row]) +
             " in row " + std::to_string(row));
      }
    }
  }

  void check_terms() const {
    std::uint64_t block = 0;
    std::uint64_t text = 0;
    std::int64_t postings = 0;
    for (std::size_t t = 0; t < records_.size(); ++t) {
      const Bm25TermRecord& record = records_[t];
      const std::string name = "term " + std::to_string(t);
      if (record.first_block != block || record.text_begin < text ||
          record.text_begin > texts_.size()) {
        fail(name + ": expected its blocks behind those of the term before, and its text within " +
             std::to_string(texts_.size()) + " bytes, got block " +
             std::to_string(record.first_block) + " and text from " +
             std::to_string(record.text_begin));
      }
      text = record.text_begin;
      if (t + 1 == records_.size()) break;
      if (record.documents > static_cast<std::uint64_t>(header_.corpus_documents) ||
          record.documents < std::max<std::uint64_t>(record.postings, 1) ||
          record.postings > header_.rows) {
        fail(name + ": expected at most " + std::to_string(record.documents) + " postings of " +
             std::to_string(header_.rows) + " passages, got " + std::to_string(record.postings));
      }
      block += (record.postings + std::uint64_t{kBm25BlockPostings} - 1) / kBm25BlockPostings;
      postings += record.postings;
      if (block > blocks_.size()) fail(name + ": its blocks lie beyond the file");
    }
    if (block != blocks_.size() || text != texts_.size() || postings != header_.postings ||
        records_.front().text_begin != 0) {
      fail("expected " + std::to_string(header_.postings) + " postings in " +
           std::to_string(blocks_.size()) + " blocks, got " + std::to_string(postings) + " in " +
           std::to_string(block));
    }
    for (std::size_t t = 1; t + 1 < records_.size(); ++t) {
      if (text_of(t - 1) >= text_of(t)) {
        fail("expected rising terms, got '" + std::string(text_of(t)) + "' behind '" +
             std::string(text_of(t - 1)) + "'");
      }
    }
  }

  // Everything a search relies on: where bits lie, rows that rise and are there, bounds that hold.
  // `ratios` gets those of the term's postings, rounded down to 1 / 65536.
  void check_postings(std::size_t t, const Bm25Formula& formula,
                      std::vector<std::uint16_t>& ratios) const {
    ratios.clear();
    std::int64_t left = records_[t].postings;
    std::int64_t before = -1;
    for (std::size_t b = records_[t].first_block; b < records_[t + 1].first_block; ++b) {
      const Bm25Block& block = blocks_[b];
      const auto count =
          static_cast<std::int32_t>(std::min<std::int64_t>(left, kBm25BlockPostings));
      left -= count;
      const auto unsound = [&](const std::string& what) {
        fail("term '" + std::string(text_of(t)) + "', block " +
             std::to_string(b - records_[t].first_block) + ": " + what);
      };
      if (block.row_bits > 31 || block.frequency_bits > 31) {
        unsound("expected at most 31 bits a number");
      }
      const std::int64_t row_bytes = bm25_packed_bytes(count, block.row_bits);
      const std::int64_t bytes = row_bytes + bm25_packed_bytes(count, block.frequency_bits);
      if (bytes > header_.data_bytes ||
          block.offset > static_cast<std::uint64_t>(header_.data_bytes - bytes)) {
        unsound("its postings lie beyond the file");
      }
      const std::byte* rows = data_ + block.offset;
      const std::byte* frequencies = rows + row_bytes;
      double ratio = 0;
      for (std::int32_t i = 0; i < count; ++i) {
        before += 1 + std::int64_t{bm25_packed_value(rows, block.row_bits, i)};
        if (before >= header_.rows) {
          unsound("expected rows below " + std::to_string(header_.rows) + ", got " +
                  std::to_string(before));
        }
        const std::uint32_t frequency = 1 + bm25_packed_value(frequencies, block.frequency_bits, i);
        const double here = formula.ratio(frequency, lengths_[static_cast<std::size_t>(before)]);
        ratio = std::max(ratio, here);
        ratios.push_back(static_cast<std::uint16_t>(std::min(here * 65536, 65535.0)));
      }
      if (before != block.last_row) {
        unsound("expected to end with row " + std::to_string(block.last_row) + ", got " +
                std::to_string(before));
      }
      if (!(ratio <= block.ratio_bound()) || block.ratio_max > records_[t].ratio_max) {
        unsound("its largest impact is above the bound that it states");
      }
    }
  }

  using Levels = decltype(Bm25Term::reached);
  // Orders `ratios` anew.
  static Levels levels_of(std::vector<std::uint16_t>& ratios) {
    Levels reached{};
    auto end = ratios.end();
    for (std::size_t i = reached.size(); i-- > 0;) {
      const std::ptrdiff_t level = kBm25Levels[i];
      if (end - ratios.begin() < level) continue;
      const auto last = ratios.begin() + level - 1;
      std::nth_element(ratios.begin(), last, end, std::greater<>());
      reached[i] = *last;
      end = last + 1;  // the best so many are what the smaller levels look at
    }
    return reached;
  }

  std::span<const std::byte> bytes_;
  std::string where_;
  Bm25Header header_{};
  Bm25Parameters parameters_;
  std::span<const std::uint32_t> lengths_;
  std::span<const Bm25TermRecord> records_;
  std::span<const char> texts_;
  std::span<const Bm25Block> blocks_;
  const std::byte* data_ = nullptr;
  detail::TermTable table_;
  std::vector<Levels> reached_;  // by term
};

}  // namespace

std::unique_ptr<Bm25Postings> open_bm25_postings(std::span<const std::byte> bytes,
                                                 std::int64_t count, const std::string& where) {
  return std::make_unique<MappedPostings>(bytes, count, where);
}

}  // namespace rookery::index_tools
