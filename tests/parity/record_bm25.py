"""Records what bm25s (method lucene) says of a few sentences that are analysed already.

Run with the Python of `launch/setup --peers`; writes tests/data/bm25.json.
"""

import json
import pathlib

import bm25s
from bm25s.tokenization import Tokenized

# Terms as text::EnglishAnalyzer gives them: the test checks that it does.
PASSAGES = [
    ("Owls", "The barn owl hunts at night, and owls see well in the dark.",
     "owl barn owl hunt night owl see well dark"),
    ("Lighthouse", "A lighthouse keeper lit the lamp every night.",
     "lighthous lighthous keeper lit lamp everi night"),
    ("", "Keepers of bees keep their bees' hives dry.", "keeper bee keep bee hive dry"),
    ("Night trains", "Night trains hardly run; a night train's berth is dear.",
     "night train night train hardli run night train berth dear"),
    ("Dark matter", "What is dark matter? Nobody has seen dark matter, by night or by day.",
     "dark matter what dark matter nobodi ha seen dark matter night dai"),
    ("Short", "Dry.", "short dry"),
]
QUERIES = [("owls at night", "owl night"), ("the keeper of the dark night", "keeper dark night"),
           ("night night night train", "night night night train"), ("dry hives", "dry hive"),
           ("matter", "matter")]
PARAMETERS = [(0.9, 0.4), (1.2, 0.75), (1.5, 1.0), (0.0, 0.4), (2.0, 0.0)]


def main():
    passages = [terms.split() for _, _, terms in PASSAGES]
    vocabulary = {term: n for n, term in enumerate(sorted({t for p in passages for t in p}))}
    ids = [[vocabulary[term] for term in passage] for passage in passages]
    runs = []
    for k1, b in PARAMETERS:
        index = bm25s.BM25(method="lucene", k1=k1, b=b, dtype="float64")
        index.index(Tokenized(ids=ids, vocab=vocabulary), show_progress=False)
        scores = [[float(s) for s in index.get_scores(terms.split())] for _, terms in QUERIES]
        runs.append({"k1": k1, "b": b, "scores": scores})
    out = pathlib.Path(__file__).parents[1] / "data" / "bm25.json"
    out.write_text(json.dumps({
        "bm25s": bm25s.__version__,
        "passages": [{"title": t, "text": x, "terms": terms} for t, x, terms in PASSAGES],
        "queries": [{"text": text, "terms": terms} for text, terms in QUERIES],
        "runs": runs,
    }, indent=1, ensure_ascii=False) + "\n")


main()
