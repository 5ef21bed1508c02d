#include <algorithm>
#include <bit>
#include <deque>
#include <limits>
#include <stdexcept>
#include <vector>

#include "index_tools/bm25_postings.hpp"
#include "index_tools/detail/bm25_file.hpp"
#include "index_tools/detail/generation_file.hpp"
#include "index_tools/detail/term_table.hpp"
#include "text/english_analyzer.hpp"

namespace rookery::index_tools {
namespace {

static_assert(std::endian::native == std::endian::little, "files are written as they lie here");

template <typename T>
std::span<const std::byte> bytes_of(const std::vector<T>& values) {
  return std::as_bytes(std::span(values));
}

/// Calls `term(text)` for every term of a passage.
template <typename Term>
void for_each_term(text::EnglishAnalyzer& analyzer, const PassageView& passage, const Term& term) {
  for (const std::string_view part : {passage.title, passage.text}) {
    for (const std::string_view one : analyzer.analyse(part)) term(one);
  }
}

struct Posting {
  std::uint32_t term, frequency;
};

/// All postings of a shard, passage by passage.
struct ForwardPostings {
  std::deque<Posting> postings;              // a passage's lie together
  std::vector<std::uint32_t> passage_terms;  // how many those are
  std::vector<std::uint32_t> lengths;
  std::vector<std::uint32_t> term_counts;  // postings of a term
};

ForwardPostings read_passages(const SnapshotShard& shard,
                              const std::vector<std::string_view>& terms) {
  detail::TermTable table(terms.size());
  for (std::size_t t = 0; t < terms.size(); ++t) {
    table.insert(terms[t], static_cast<std::uint32_t>(t));
  }
  ForwardPostings all;
  all.term_counts.resize(terms.size());
  text::EnglishAnalyzer analyzer;
  std::vector<std::uint32_t> frequencies(terms.size());
  std::vector<std::uint32_t> here;  // the distinct terms of one passage
  for (std::int64_t row = 0; row < shard.count(); ++row) {
    here.clear();
    std::uint32_t length = 0;
    for_each_term(analyzer, shard.passage(row), [&](std::string_view term) {
      const std::int64_t number = table.find(term, [&](std::uint32_t t) { return terms[t]; });
      if (number < 0) {
        throw std::invalid_argument("write_bm25_postings: expected statistics of this corpus, got" +
                                    std::string(" some without '") + std::string(term) + "'");
      }
      const auto t = static_cast<std::size_t>(number);
      if (frequencies[t]++ == 0) here.push_back(static_cast<std::uint32_t>(t));
      ++length;
    });
    for (const std::uint32_t t : here) {
      all.postings.push_back({t, frequencies[t]});
      ++all.term_counts[t];
      frequencies[t] = 0;
    }
    all.passage_terms.push_back(static_cast<std::uint32_t>(here.size()));
    all.lengths.push_back(length);
  }
  return all;
}

/// The same postings term by term.
struct InvertedPostings {
  std::vector<std::uint32_t> rows, frequencies;
  std::vector<std::size_t> begins;  // of each term, and the end
};

// Takes the forward postings apart while it goes, so that they are not held twice.
InvertedPostings invert(ForwardPostings& forward) {
  InvertedPostings inverted;
  inverted.begins.resize(forward.term_counts.size() + 1);
  for (std::size_t t = 0; t < forward.term_counts.size(); ++t) {
    inverted.begins[t + 1] = inverted.begins[t] + forward.term_counts[t];
  }
  inverted.rows.resize(inverted.begins.back());
  inverted.frequencies.resize(inverted.begins.back());
  std::vector<std::size_t> next(inverted.begins.begin(), inverted.begins.end() - 1);
  for (std::size_t row = 0; row < forward.passage_terms.size(); ++row) {
    for (std::uint32_t n = forward.passage_terms[row]; n > 0; --n) {
      const Posting posting = forward.postings.front();
      forward.postings.pop_front();
      const std::size_t at = next[posting.term]++;
      inverted.rows[at] = static_cast<std::uint32_t>(row);
      inverted.frequencies[at] = posting.frequency;
    }
  }
  return inverted;
}

/// Blocks and their bits, growing.
class BlockWriter {
 public:
  BlockWriter(const Bm25Formula& formula, std::span<const std::uint32_t> lengths)
      : formula_(formula), lengths_(lengths) {}

  /// Adds the blocks of one term; returns the largest `ratio_max` of them.
  std::uint16_t add_term(std::span<const std::uint32_t> rows,
                         std::span<const std::uint32_t> frequencies) {
    std::uint16_t ratio_max = 0;
    std::int64_t before = -1;
    for (std::size_t begin = 0; begin < rows.size(); begin += kBm25BlockPostings) {
      const std::size_t count = std::min<std::size_t>(kBm25BlockPostings, rows.size() - begin);
      const Bm25Block block =
          add_block(rows.subspan(begin, count), frequencies.subspan(begin, count), before);
      before = block.last_row;
      ratio_max = std::max(ratio_max, block.ratio_max);
      blocks.push_back(block);
    }
    return ratio_max;
  }

  std::vector<Bm25Block> blocks;
  std::vector<std::byte> data;

 private:
  Bm25Block add_block(std::span<const std::uint32_t> rows,
                      std::span<const std::uint32_t> frequencies, std::int64_t before) {
    Bm25Block block{};
    block.offset = data.size();
    block.last_row = rows.back();
    gaps_.clear();
    extras_.clear();
    double ratio = 0;
    for (std::size_t i = 0; i < rows.size(); ++i) {
      gaps_.push_back(static_cast<std::uint32_t>(rows[i] - before - 1));
      extras_.push_back(frequencies[i] - 1);
      before = rows[i];
      ratio = std::max(ratio, formula_.ratio(frequencies[i], lengths_[rows[i]]));
    }
    // Rounded up: 65536 steps of which the lowest is never needed, because a ratio is above 0.
    const auto steps = static_cast<std::uint32_t>(ratio * 65536.0);
    block.ratio_max = static_cast<std::uint16_t>(
        static_cast<double>(steps) < ratio * 65536.0 ? steps : steps - 1);
    block.row_bits = pack(gaps_);
    block.frequency_bits = pack(extras_);
    return block;
  }

  std::uint8_t pack(std::span<const std::uint32_t> values) {
    std::uint32_t all = 0;
    for (const std::uint32_t value : values) all |= value;
    const int bits = std::bit_width(all);
    std::uint64_t word = 0;
    int filled = 0;
    for (const std::uint32_t value : values) {
      word |= std::uint64_t{value} << filled;
      for (filled += bits; filled >= 8; filled -= 8, word >>= 8U) {
        data.push_back(static_cast<std::byte>(word));
      }
    }
    if (filled > 0) data.push_back(static_cast<std::byte>(word));
    return static_cast<std::uint8_t>(bits);
  }

  Bm25Formula formula_;
  std::span<const std::uint32_t> lengths_;
  std::vector<std::uint32_t> gaps_, extras_;
};

void write_aligned(const ByteSink& write, std::span<const std::byte> bytes) {
  static constexpr std::array<std::byte, detail::kBm25Align> kZeros{};
  write(bytes);
  const auto size = static_cast<std::int64_t>(bytes.size());
  write(std::span(kZeros).first(static_cast<std::size_t>(detail::bm25_aligned(size) - size)));
}

}  // namespace

Bm25Statistics collect_bm25_statistics(
    std::span<const std::shared_ptr<const SnapshotShard>> shards) {
  struct Seen {
    std::string text;
    std::int64_t documents, last_document;
  };
  std::deque<Seen> terms;
  detail::TermTable table;
  text::EnglishAnalyzer analyzer;
  Bm25Statistics statistics;
  for (const auto& shard : shards) {
    for (std::int64_t row = 0; row < shard->count(); ++row) {
      const std::int64_t document = ++statistics.documents;
      for_each_term(analyzer, shard->passage(row), [&](std::string_view term) {
        ++statistics.terms;
        std::int64_t number =
            table.find(term, [&](std::uint32_t t) { return std::string_view(terms[t].text); });
        if (number < 0) {
          number = std::ssize(terms);
          terms.push_back({std::string(term), 0, 0});
          table.insert(term, static_cast<std::uint32_t>(number));
        }
        Seen& seen = terms[static_cast<std::size_t>(number)];
        if (seen.last_document == document) return;
        seen.last_document = document;
        ++seen.documents;
      });
    }
  }
  statistics.document_frequency.reserve(terms.size());
  for (Seen& seen : terms) {
    statistics.document_frequency.emplace(std::move(seen.text), seen.documents);
  }
  return statistics;
}

void write_bm25_postings(const SnapshotShard& shard, const Bm25Statistics& statistics,
                         const Bm25Parameters& parameters, detail::GenerationFile& file) {
  write_bm25_postings(shard, statistics, parameters,
                      [&file](std::span<const std::byte> bytes) { file.write(bytes); });
}

void write_bm25_postings(const SnapshotShard& shard, const Bm25Statistics& statistics,
                         const Bm25Parameters& parameters, const ByteSink& write) {
  std::vector<std::string_view> terms;
  terms.reserve(statistics.document_frequency.size());
  for (const auto& [term, documents] : statistics.document_frequency) terms.emplace_back(term);
  std::sort(terms.begin(), terms.end());
  ForwardPostings forward = read_passages(shard, terms);
  const InvertedPostings inverted = invert(forward);

  const double mean = statistics.documents > 0 ? static_cast<double>(statistics.terms) /
                                                     static_cast<double>(statistics.documents)
                                               : 0;
  BlockWriter writer(Bm25Formula::of(parameters, mean), forward.lengths);
  std::vector<detail::Bm25TermRecord> records;
  records.reserve(terms.size() + 1);
  std::string texts;
  for (std::size_t t = 0; t < terms.size(); ++t) {
    detail::Bm25TermRecord record{};
    record.documents =
        static_cast<std::uint64_t>(statistics.document_frequency.at(std::string(terms[t])));
    record.first_block = writer.blocks.size();
    record.text_begin = texts.size();
    const std::size_t begin = inverted.begins[t];
    const std::size_t count = inverted.begins[t + 1] - begin;
    record.postings = static_cast<std::uint32_t>(count);
    record.ratio_max = writer.add_term(std::span(inverted.rows).subspan(begin, count),
                                       std::span(inverted.frequencies).subspan(begin, count));
    texts += terms[t];
    records.push_back(record);
  }
  detail::Bm25TermRecord end{};
  end.first_block = writer.blocks.size();
  end.text_begin = texts.size();
  records.push_back(end);

  detail::Bm25Header header{};
  header.magic = detail::kBm25Magic;
  header.rows = shard.count();
  header.corpus_documents = statistics.documents;
  header.corpus_tokens = statistics.terms;
  header.k1 = parameters.k1;
  header.b = parameters.b;
  header.terms = std::ssize(terms);
  header.text_bytes = std::ssize(texts);
  header.blocks = std::ssize(writer.blocks);
  header.postings = std::ssize(inverted.rows);
  header.data_bytes = std::ssize(writer.data);
  write(std::as_bytes(std::span(&header, 1)));
  write_aligned(write, bytes_of(forward.lengths));
  write_aligned(write, bytes_of(records));
  write_aligned(write, std::as_bytes(std::span(texts)));
  write_aligned(write, bytes_of(writer.blocks));
  write(writer.data);
  static constexpr std::array<std::byte, detail::kBm25SpareBytes> kSpare{};
  write(kSpare);
}

}  // namespace rookery::index_tools
