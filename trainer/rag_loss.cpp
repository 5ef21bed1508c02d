#include "trainer/rag_loss.hpp"

#include <sstream>
#include <stdexcept>

namespace rookery::trainer {
namespace {

struct Terms {
  torch::Tensor lp_BKTV;       ///< log-softmax over the vocabulary
  torch::Tensor targets_BT;    ///< int64
  torch::Tensor mask_BT;       ///< bool: the target counts
  torch::Tensor prior_BK;      ///< log-softmax over the documents
  torch::Tensor prior_used_B;  ///< bool: RAG-Sequence adds the prior to this question
  torch::Tensor scored_BT;     ///< bool: like mask, less an excluded BOS
  double label_smoothing;
};

torch::Tensor pick_targets(const Terms& t) {
  const auto sizes = t.lp_BKTV.sizes();
  const torch::Tensor index =
      t.targets_BT.unsqueeze(1).unsqueeze(-1).expand({sizes[0], sizes[1], sizes[2], 1});
  return t.lp_BKTV.gather(-1, index).squeeze(-1);
}

torch::Tensor only(const torch::Tensor& values, const torch::Tensor& wanted) {
  return values.masked_fill(wanted.logical_not(), 0);  // a selection: nan behind the mask is gone
}

torch::Tensor mix(const torch::Tensor& nll_B, const torch::Tensor& smooth_B, const Terms& t) {
  if (t.label_smoothing == 0) return nll_B;
  const auto vocabulary = static_cast<double>(t.lp_BKTV.size(-1));
  return (1 - t.label_smoothing) * nll_B + t.label_smoothing / vocabulary * smooth_B;
}

torch::Tensor sequence_loss(const Terms& t) {
  const torch::Tensor prior_BK = only(t.prior_BK, t.prior_used_B.unsqueeze(1));
  const torch::Tensor own_BK = only(pick_targets(t), t.scored_BT.unsqueeze(1)).sum(-1) + prior_BK;
  const torch::Tensor nll_B = -own_BK.logsumexp(-1);
  if (t.label_smoothing == 0) return nll_B;
  const auto vocabulary = static_cast<double>(t.lp_BKTV.size(-1));
  const torch::Tensor all_BK =
      only(t.lp_BKTV.sum(-1), t.mask_BT.unsqueeze(1)).sum(-1) + vocabulary * prior_BK;
  return mix(nll_B, -all_BK.logsumexp(-1), t);
}

torch::Tensor token_loss(const Terms& t) {
  const torch::Tensor prior_BK1 = t.prior_BK.unsqueeze(-1);
  const torch::Tensor nll_B = -only((pick_targets(t) + prior_BK1).logsumexp(1), t.mask_BT).sum(-1);
  if (t.label_smoothing == 0) return nll_B;
  const torch::Tensor marginal_BTV = (t.lp_BKTV + prior_BK1.unsqueeze(-1)).logsumexp(1);
  return mix(nll_B, -only(marginal_BTV.sum(-1), t.mask_BT).sum(-1), t);
}

torch::Tensor loss_of(RagMethod method, const Terms& terms) {
  return method == RagMethod::kSequence ? sequence_loss(terms) : token_loss(terms);
}

void check_shapes(const torch::Tensor& logits, const torch::Tensor& labels,
                  const torch::Tensor& scores) {
  const bool sound = logits.dim() == 4 && labels.dim() == 2 && scores.dim() == 2 &&
                     labels.size(0) == logits.size(0) && labels.size(1) == logits.size(2) &&
                     scores.size(0) == logits.size(0) && scores.size(1) == logits.size(1);
  if (sound) return;
  std::ostringstream text;
  text << "rag loss: expected logits [B, K, T, V], labels [B, T] and scores [B, K], got "
       << logits.sizes() << ", " << labels.sizes() << " and " << scores.sizes();
  throw std::invalid_argument(text.str());
}

}  // namespace

RagMethod rag_method(const std::string& name) {
  if (name == "rag_sequence") return RagMethod::kSequence;
  if (name == "rag_token") return RagMethod::kToken;
  throw std::invalid_argument("expected rag_sequence or rag_token, got '" + name + "'");
}

torch::Tensor rag_loss(RagMethod method, const torch::Tensor& logits_BKTV,
                       const torch::Tensor& labels_BT, const torch::Tensor& scores_BK,
                       const RagLossOptions& options) {
  check_shapes(logits_BKTV, labels_BT, scores_BK);
  const std::int64_t batch = labels_BT.size(0), length = labels_BT.size(1);
  const torch::Tensor targets_BT =
      torch::cat({labels_BT.slice(1, 1), torch::full({batch, 1}, options.pad, torch::kInt64)}, 1);
  Terms terms{.lp_BKTV = logits_BKTV.log_softmax(-1),
              .targets_BT = targets_BT,
              .mask_BT = targets_BT != options.pad,
              .prior_BK = scores_BK.log_softmax(-1),
              .prior_used_B = torch::zeros({batch}, torch::kBool),
              .scored_BT = {},
              .label_smoothing = options.label_smoothing};
  if (length > 1) terms.prior_used_B = terms.mask_BT.select(1, 1);
  terms.scored_BT = terms.mask_BT.clone();
  const bool all_start_with_bos =
      options.bos && (targets_BT.select(1, 0) == *options.bos).all().item<bool>();
  if (options.exclude_bos && all_start_with_bos) terms.scored_BT.select(1, 0).fill_(false);
  const torch::Tensor loss_B = loss_of(method, terms);
  return options.reduce ? loss_B.sum() : loss_B;
}

torch::Tensor answer_loss(RagMethod method, const torch::Tensor& logits_BKTV,
                          const torch::Tensor& targets_BT, const torch::Tensor& mask_BT,
                          const torch::Tensor& scores_BK, double label_smoothing) {
  check_shapes(logits_BKTV, targets_BT, scores_BK);
  return loss_of(method, {.lp_BKTV = logits_BKTV.log_softmax(-1),
                          .targets_BT = targets_BT,
                          .mask_BT = mask_BT,
                          .prior_BK = scores_BK.log_softmax(-1),
                          .prior_used_B = torch::ones({targets_BT.size(0)}, torch::kBool),
                          .scored_BT = mask_BT,
                          .label_smoothing = label_smoothing});
}

}  // namespace rookery::trainer
