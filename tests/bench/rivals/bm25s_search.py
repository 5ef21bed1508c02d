"""bm25s over terms that are handed to it: argv[1] is a folder, argv[2] the backend (numba or numpy).

The folder holds terms.npy (int32, all passages one after the other), ends.npy (int64, where each
ends), vocabulary.json (terms by number) and queries.json (lists of terms, k1 and b).
"""
import json
import pathlib
import sys
import time

import bm25s
import numpy as np
from bm25s.tokenization import Tokenized

import rival

folder, backend = pathlib.Path(sys.argv[1]), sys.argv[2]
state = {}


def build():
    vocabulary = json.loads((folder / "vocabulary.json").read_text())
    asked = json.loads((folder / "queries.json").read_text())
    terms, ends = np.load(folder / "terms.npy"), np.load(folder / "ends.npy")
    passages = [part.tolist() for part in np.split(terms, ends[:-1])]
    index = bm25s.BM25(method="lucene", k1=asked["k1"], b=asked["b"], backend=backend)
    begin = time.perf_counter()
    index.index(Tokenized(ids=passages, vocab={t: n for n, t in enumerate(vocabulary)}),
                show_progress=False)
    seconds = time.perf_counter() - begin
    state["index"], state["queries"] = index, [[query] for query in asked["queries"]]
    size = sum(index.scores[part].nbytes for part in ("data", "indices", "indptr"))
    return {"build_s": seconds, "bytes": size}


def search(k):
    """Times of each query alone, and what it found."""
    times, ids, scores = [], [], []
    for query in state["queries"]:
        begin = time.perf_counter()
        found = state["index"].retrieve(query, k=k, n_threads=0, show_progress=False,
                                        backend_selection=backend)
        times.append((time.perf_counter() - begin) * 1000)
        ids.append(found[0][0].tolist())
        scores.append(found[1][0].tolist())
    return {"ms": times, "ids": ids, "scores": scores}


def answer(request):
    return build() if "build" in request else search(request["k"])


rival.serve(answer)
