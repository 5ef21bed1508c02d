#include "text/byte_bpe.hpp"

#include <algorithm>
#include <array>
#include <limits>
#include <optional>
#include <queue>
#include <stdexcept>
#include <unordered_map>

#include "base/error.hpp"
#include "text/detail/gpt2_words.hpp"

namespace rookery::text {
namespace {

constexpr std::size_t kShortWordBytes = 48;  // below, scanning for the best pair beats a heap
constexpr std::int32_t kNone = -1;

/// GPT-2 writes bytes as printable characters: those that are printable in Latin-1 stand for
/// themselves, the others become U+0100, U+0101, … in order.
std::array<int, 256> alphabet() {
  std::array<int, 256> code{};
  int next = 256;
  for (int byte = 0; byte < 256; ++byte) {
    const bool printable = (byte >= 33 && byte <= 126) || (byte >= 161 && byte != 173);
    code[static_cast<std::size_t>(byte)] = printable ? byte : next++;
  }
  return code;
}

/// The bytes that a token in GPT-2's alphabet stands for; empty when it uses other characters.
std::optional<std::string> bytes_of_token(std::string_view token) {
  static const auto kByteOf = [] {
    std::array<int, 512> bytes{};
    bytes.fill(kNone);
    const auto code = alphabet();
    for (int byte = 0; byte < 256; ++byte)
      bytes[static_cast<std::size_t>(code[static_cast<std::size_t>(byte)])] = byte;
    return bytes;
  }();
  std::string result;
  for (std::size_t i = 0; i < token.size(); ++i) {
    unsigned code = static_cast<unsigned char>(token[i]);
    if (code >= 128) {  // the alphabet ends at U+0143: two bytes in UTF-8
      if (code < 0xC2 || code > 0xC5 || i + 1 == token.size()) return std::nullopt;
      code = ((code & 31U) << 6) | (static_cast<unsigned char>(token[++i]) & 63U);
    }
    if (kByteOf[code] == kNone) return std::nullopt;
    result.push_back(static_cast<char>(kByteOf[code]));
  }
  return result;
}

struct Merge {
  std::int32_t rank = std::numeric_limits<std::int32_t>::max();
  TokenId result = kNone;
};

/// (left, right) → merge, by open addressing: one load a look-up in nearly all cases.
class MergeTable {
 public:
  explicit MergeTable(std::size_t merges) {
    std::size_t size = 16;
    while (size < merges * 2) size *= 2;
    slots_.resize(size);
  }

  void insert(TokenId left, TokenId right, Merge merge) {
    auto& slot = find(key(left, right));
    if (slot.key == kEmpty) slot = {key(left, right), merge};  // the better rank came first
  }

  [[nodiscard]] Merge operator()(TokenId left, TokenId right) const {
    const auto& slot = const_cast<MergeTable*>(this)->find(key(left, right));
    return slot.merge;
  }

 private:
  static constexpr std::uint64_t kEmpty = ~std::uint64_t{0};
  struct Slot {
    std::uint64_t key = kEmpty;
    Merge merge;
  };
  static std::uint64_t key(TokenId left, TokenId right) {
    return static_cast<std::uint64_t>(static_cast<std::uint32_t>(left)) << 32 |
           static_cast<std::uint32_t>(right);
  }
  Slot& find(std::uint64_t wanted) {
    auto at = (wanted * 0x9E3779B97F4A7C15U) >> 20;
    while (true) {
      auto& slot = slots_[at & (slots_.size() - 1)];
      if (slot.key == wanted || slot.key == kEmpty) return slot;
      ++at;
    }
  }
  std::vector<Slot> slots_;
};

struct BytesHash {
  using is_transparent = void;
  std::size_t operator()(std::string_view text) const {
    return std::hash<std::string_view>{}(text);
  }
};

using BytesMap = std::unordered_map<std::string, TokenId, BytesHash, std::equal_to<>>;

}  // namespace

struct ByteBpeTokenizer::Impl {
  explicit Impl(ByteBpeModel model);

  void encode_plain(std::string_view text, std::vector<TokenId>& ids) const;
  void merge_word(std::string_view word, std::vector<TokenId>& ids) const;
  void merge_short(std::vector<TokenId>& symbols) const;
  void merge_long(std::vector<TokenId>& symbols) const;

  PreTokenizer pre_tokenizer;
  std::vector<std::string> bytes;  // by id; a special token's own text
  std::vector<bool> is_special;
  std::vector<std::pair<std::string, TokenId>> specials;  // longest first
  std::array<TokenId, 256> byte_ids{};
  MergeTable merges;
  BytesMap whole_words;  // words that merge into one token: immutable, so any thread may look
};

ByteBpeTokenizer::Impl::Impl(ByteBpeModel model)
    : pre_tokenizer(model.pre_tokenizer),
      bytes(model.tokens.size()),
      is_special(model.tokens.size(), false),
      merges(model.merges.size()) {
  for (const auto id : model.special_ids) {
    if (id < 0 || static_cast<std::size_t>(id) >= model.tokens.size() ||
        model.tokens[static_cast<std::size_t>(id)].empty()) {
      throw base::UserError("tokenizer: special token " + std::to_string(id) +
                            " is not in the vocabulary of " + std::to_string(model.tokens.size()));
    }
    is_special[static_cast<std::size_t>(id)] = true;
    specials.emplace_back(model.tokens[static_cast<std::size_t>(id)], id);
  }
  std::sort(specials.begin(), specials.end(), [](const auto& a, const auto& b) {
    return a.first.size() != b.first.size() ? a.first.size() > b.first.size() : a < b;
  });

  std::unordered_map<std::string_view, TokenId> by_text;
  byte_ids.fill(kNone);
  for (std::size_t i = 0; i < model.tokens.size(); ++i) {
    const auto& token = model.tokens[i];
    const auto id = static_cast<TokenId>(i);
    bytes[i] = is_special[i] ? token : bytes_of_token(token).value_or(token);
    if (is_special[i]) continue;
    by_text.emplace(token, id);
    if (bytes[i].size() == 1) byte_ids[static_cast<unsigned char>(bytes[i][0])] = id;
  }
  for (std::size_t rank = 0; rank < model.merges.size(); ++rank) {
    const std::string_view merge = model.merges[rank];
    const auto space = merge.find(' ');
    const auto left = by_text.find(merge.substr(0, space));
    const auto right = space == merge.npos ? by_text.end() : by_text.find(merge.substr(space + 1));
    const auto result = left == by_text.end() || right == by_text.end()
                            ? by_text.end()
                            : by_text.find(std::string(left->first) + std::string(right->first));
    if (result == by_text.end()) {
      throw base::UserError("tokenizer: merge " + std::to_string(rank) + ": '" +
                            std::string(merge) + "' names a token that is not in the vocabulary");
    }
    merges.insert(left->second, right->second, {static_cast<std::int32_t>(rank), result->second});
  }
  // HF merges even a word that is a token as a whole; where that leads back to the one token, a
  // look-up gives the same at once.
  std::vector<TokenId> ids;
  for (const auto& [token, id] : by_text) {
    const auto& word = bytes[static_cast<std::size_t>(id)];
    ids.clear();
    merge_word(word, ids);
    if (ids.size() == 1 && ids.front() == id) whole_words.emplace(word, id);
  }
}

void ByteBpeTokenizer::Impl::merge_short(std::vector<TokenId>& symbols) const {
  while (symbols.size() > 1) {
    Merge best;
    std::size_t place = 0;
    for (std::size_t i = 0; i + 1 < symbols.size(); ++i) {
      const auto merge = merges(symbols[i], symbols[i + 1]);
      if (merge.rank < best.rank) {
        best = merge;
        place = i;
      }
    }
    if (best.result == kNone) return;
    symbols[place] = best.result;
    symbols.erase(symbols.begin() + static_cast<std::ptrdiff_t>(place) + 1);
  }
}

void ByteBpeTokenizer::Impl::merge_long(std::vector<TokenId>& symbols) const {
  struct Candidate {
    std::int32_t rank;
    std::int32_t left, right;  // places at the time it was made
    TokenId left_id, right_id;
    bool operator>(const Candidate& other) const {
      return rank != other.rank ? rank > other.rank : left > other.left;
    }
  };
  const auto count = static_cast<std::int32_t>(symbols.size());
  std::vector<std::int32_t> next(symbols.size()), previous(symbols.size());
  std::priority_queue<Candidate, std::vector<Candidate>, std::greater<>> queue;
  const auto offer = [&](std::int32_t left, std::int32_t right) {
    if (left < 0 || right >= count) return;
    const auto merge = merges(symbols[left], symbols[right]);
    if (merge.result != kNone) queue.push({merge.rank, left, right, symbols[left], symbols[right]});
  };
  for (std::int32_t i = 0; i < count; ++i) {
    next[i] = i + 1;
    previous[i] = i - 1;
  }
  for (std::int32_t i = 0; i + 1 < count; ++i) offer(i, i + 1);
  while (!queue.empty()) {
    const auto top = queue.top();
    queue.pop();
    // Stale when one of the two has since become part of another token.
    if (symbols[top.left] != top.left_id || symbols[top.right] != top.right_id ||
        next[top.left] != top.right) {
      continue;
    }
    symbols[top.left] = merges(top.left_id, top.right_id).result;
    symbols[top.right] = kNone;
    next[top.left] = next[top.right];
    if (next[top.left] < count) previous[next[top.left]] = top.left;
    offer(previous[top.left], top.left);
    offer(top.left, next[top.left]);
  }
  std::erase(symbols, kNone);
}

void ByteBpeTokenizer::Impl::merge_word(std::string_view word, std::vector<TokenId>& ids) const {
  std::vector<TokenId> symbols;
  symbols.reserve(word.size());
  for (const char byte : word) {
    const auto id = byte_ids[static_cast<unsigned char>(byte)];
    if (id != kNone) symbols.push_back(id);
  }
  symbols.size() <= kShortWordBytes ? merge_short(symbols) : merge_long(symbols);
  ids.insert(ids.end(), symbols.begin(), symbols.end());
}

void ByteBpeTokenizer::Impl::encode_plain(std::string_view text, std::vector<TokenId>& ids) const {
  detail::for_each_word(text, pre_tokenizer, [&](std::string_view word) {
    if (const auto found = whole_words.find(word); found != whole_words.end()) {
      ids.push_back(found->second);
    } else {
      merge_word(word, ids);
    }
  });
}

ByteBpeTokenizer::ByteBpeTokenizer(ByteBpeModel model)
    : impl_(std::make_unique<Impl>(std::move(model))) {}
ByteBpeTokenizer::~ByteBpeTokenizer() = default;

std::vector<TokenId> ByteBpeTokenizer::encode(std::string_view text) const {
  std::vector<TokenId> ids;
  ids.reserve(text.size() / 3 + 1);
  impl_->encode_plain(text, ids);
  return ids;
}

std::vector<TokenId> ByteBpeTokenizer::encode_template(std::string_view text) const {
  std::vector<TokenId> ids;
  std::size_t plain = 0;
  for (std::size_t at = 0; at < text.size();) {
    const auto rest = text.substr(at);
    const auto found =
        std::find_if(impl_->specials.begin(), impl_->specials.end(),
                     [&](const auto& special) { return rest.starts_with(special.first); });
    if (found == impl_->specials.end()) {
      ++at;
      continue;
    }
    impl_->encode_plain(text.substr(plain, at - plain), ids);
    ids.push_back(found->second);
    at += found->first.size();
    plain = at;
  }
  impl_->encode_plain(text.substr(plain), ids);
  return ids;
}

std::string ByteBpeTokenizer::decode(std::span<const TokenId> ids) const {
  std::string text;
  for (const auto id : ids) {
    if (id < 0 || id >= vocabulary_size()) {
      throw std::invalid_argument("decode: expected ids in [0, " +
                                  std::to_string(vocabulary_size()) + "), got " +
                                  std::to_string(id));
    }
    if (!impl_->is_special[static_cast<std::size_t>(id)])
      text += impl_->bytes[static_cast<std::size_t>(id)];
  }
  return text;
}

std::int32_t ByteBpeTokenizer::vocabulary_size() const {
  return static_cast<std::int32_t>(impl_->bytes.size());
}

TokenId ByteBpeTokenizer::special(std::string_view token) const {
  for (const auto& [text, id] : impl_->specials)
    if (text == token) return id;
  throw std::invalid_argument("special: '" + std::string(token) +
                              "' is no special token of this vocabulary");
}

}  // namespace rookery::text
