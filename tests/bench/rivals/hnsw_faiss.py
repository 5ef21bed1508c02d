"""faiss-cpu's HNSW over vectors.npy and queries.npy of the folder argv[1]."""
import sys
import time

import faiss
import numpy as np

import rival

rows = np.load(f"{sys.argv[1]}/vectors.npy")
queries = np.load(f"{sys.argv[1]}/queries.npy")
state = {}


def build(request):
    faiss.omp_set_num_threads(request["threads"])
    index = faiss.IndexHNSWFlat(rows.shape[1], request["m"], faiss.METRIC_INNER_PRODUCT)
    index.hnsw.efConstruction = request["ef_construction"]
    begin = time.perf_counter()
    index.add(rows)
    state["index"] = index
    return {"seconds": time.perf_counter() - begin, "version": faiss.__version__,
            "options": faiss.get_compile_options()}


def answer(request):
    if request["do"] == "build":
        return build(request)
    index = state["index"]
    faiss.omp_set_num_threads(request["threads"])
    index.hnsw.efSearch = request["ef"]
    if request["do"] == "ids":
        return {"ids": index.search(queries, request["k"])[1].reshape(-1).tolist()}
    batch, count = request["batch"], request["queries"]
    parts = [queries[i:i + batch] for i in range(0, count, batch)]
    begin = time.perf_counter()
    for part in parts:
        index.search(part, request["k"])
    return {"ms": (time.perf_counter() - begin) * 1000 / count}


rival.serve(answer)
