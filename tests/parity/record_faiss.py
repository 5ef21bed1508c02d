#!/usr/bin/env python3
"""Writes the small index files of tests/data/faiss with faiss-cpu 1.15.1.

usage: record_faiss.py FOLDER
"""
import pathlib
import sys

import faiss
import numpy as np

ROWS, DIMENSION = 60, 8


def rows():
    """The same numbers as `element` of tests/index_tools/faiss_file_test.cpp."""
    i = np.arange(ROWS)[:, None]
    j = np.arange(DIMENSION)[None, :]
    return (((i * 31 + j * 17 + i * j * 7) % 101 - 50) / 16).astype(np.float32)


def indexes():
    x = rows()
    ids = np.arange(ROWS) * 7 + 3
    faiss.omp_set_num_threads(1)
    yield "flat_ip", faiss.IndexFlatIP(DIMENSION)
    yield "flat_l2", faiss.IndexFlatL2(DIMENSION)
    for name, kind in (("id_map", faiss.IndexIDMap), ("id_map2", faiss.IndexIDMap2)):
        index = kind(faiss.IndexFlatIP(DIMENSION))
        index.add_with_ids(x, ids)
        yield name, index
    yield "hnsw", faiss.IndexHNSWFlat(DIMENSION, 4)
    yield "hnsw_sq", faiss.IndexHNSWSQ(DIMENSION, faiss.ScalarQuantizer.QT_8bit, 4)
    yield "ivf_flat", faiss.index_factory(DIMENSION, "IVF3,Flat")
    yield "sq_fp16", faiss.index_factory(DIMENSION, "SQfp16")
    coarse = faiss.IndexFlatL2(DIMENSION)
    index = faiss.IndexIVFPQ(coarse, DIMENSION, 3, 4, 8)
    # Too few rows to train 256 centres by: each repeats the rows until there are enough.
    index.train(np.tile(x, (8, 1)))
    yield "ivf_pq", index
    yield "pca", faiss.index_factory(DIMENSION, "PCA4,Flat")


def main():
    folder = pathlib.Path(sys.argv[1])
    folder.mkdir(parents=True, exist_ok=True)
    for name, index in indexes():
        if not index.is_trained:
            index.train(rows())
        if index.ntotal == 0:
            index.add(rows())
        faiss.write_index(index, str(folder / name))
        print(name, (folder / name).stat().st_size)
        if name == "ivf_pq":  # what faiss makes of the codes
            index.make_direct_map()
            index.reconstruct_n(0, ROWS).astype("<f4").tofile(folder / "ivf_pq_decoded.f32")


if __name__ == "__main__":
    main()
