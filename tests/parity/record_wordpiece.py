"""Records what transformers' BertTokenizerFast does to real passages and to awkward texts.

Run with the Python of `launch/setup --peers`; writes tests/data/minilm_wordpiece.json.
"""

import json
import os
import struct

from transformers import AutoTokenizer

from minilm_wheel import passages, unpack_minilm

AWKWARD = [
    "", " ", "a", "Hello, World!", "don't we'll they've I'm it's", "U.S.A. costs $3.50 (50%)...",
    "naïve café Zoë Ångström", "Straße ẞ İstanbul ΣΊΣΥΦΟΣ", "東京は日本の首都です", "한국어 텍스트",
    "tab\tnew\nline\r\nvertical\x0bform\x0c\x00nul\x7fdel", "soft\u00adhyphen zero\u200bwidth\ufeff",
    "no-break\u00a0space\u2003em\u3000ideographic", "emoji 😀👍🏽 end", "x" * 100, "y" * 101,
    "supercalifragilisticexpialidocious antidisestablishmentarianism", "e\u0301 combining a\u0308\u0304",
    "“curly” ‘quotes’ — dash – en … dots", "١٢٣ ½ ² ③", "पूरे भारत में", "ไทย", "a\u037eb ;", "[unbroken] <tag> #hash @at _under_",
    "ﬁ ligature Ⅷ ℃ K", "1,234,567.89 3rd 20th-century", "\u2028line\u2029paragraph\u0085next",
    "caractères accentués à Noël", "¿Qué tal, señor?", "Ελληνικά Русский עברית العربية",
]


def fnv1a(ids):
    value = 0x811C9DC5
    for byte in struct.pack(f"<{len(ids)}i", *ids):
        value = (value ^ byte) * 0x01000193 % 2**32
    return f"{value:08x}"


def main():
    folder, model = unpack_minilm()
    with folder:
        tokenizer = AutoTokenizer.from_pretrained(model)

        def plain(text):
            return tokenizer(text, add_special_tokens=False)["input_ids"]

        sets = []
        for language, step, count in [("en-us", 10, 1000), ("es-es", 50, 100), ("fr-fr", 50, 100)]:
            texts = passages(language, step, count)
            sets.append({"language": language, "step": step,
                         "fnv1a": [fnv1a(plain(text)) for text in texts]})
        first = passages("en-us", 10, 3)
        record = {
            "passages": sets,
            "texts": [{"text": text, "ids": plain(text),
                       "decoded": tokenizer.decode(plain(text), skip_special_tokens=True)}
                      for text in AWKWARD],
            "first_passages": [plain(text) for text in first],
            "first_passage_cut": tokenizer(first[0], truncation=True, max_length=16)["input_ids"],
        }
    out = os.path.join(os.path.dirname(__file__), "..", "data", "minilm_wordpiece.json")
    with open(out, "w") as file:
        json.dump(record, file, indent=0)


main()
