"""What the Python retrievers of `rookery bench blog` share: faiss-cpu's flat index over vectors.npy.

HF's retrievers search in sequential chunks of 8 and read the vectors of the documents afterwards.
"""
import time

import faiss
import numpy as np


class FlatSearch:
    """`mode` "default" changes nothing but the threads, "best" tries BLAS, chunks and threads."""

    def __init__(self, folder, k, threads, mode, batch):
        self.vectors = np.load(folder + "/vectors.npy", mmap_mode="r")
        self.index = faiss.IndexFlatIP(self.vectors.shape[1])
        self.index.add(np.ascontiguousarray(self.vectors))
        self.k, self.threads, self.chunk = k, threads, 8
        faiss.omp_set_num_threads(threads)
        if mode == "best":
            self.tune(np.load(folder + "/queries.npy", mmap_mode="r")[:batch])

    def find(self, queries):
        step = self.chunk or len(queries)
        ids = np.concatenate([self.index.search(queries[i:i + step], self.k)[1]
                              for i in range(0, len(queries), step)])
        return ids, np.asarray(self.vectors[ids])

    def tune(self, queries):
        queries = np.ascontiguousarray(queries)
        default, best = faiss.cvar.distance_compute_blas_threshold, None
        settings = [(chunk, threshold, threads) for chunk in (8, 0) for threshold in (1, default)
                    for threads in {1, self.threads}]
        for setting in settings:
            self.apply(setting)
            times = []
            for _ in range(3):
                begin = time.perf_counter()
                self.find(queries)
                times.append(time.perf_counter() - begin)
            if best is None or min(times) < best[0]:
                best = (min(times), setting)
        self.apply(best[1])

    def apply(self, setting):
        self.chunk, faiss.cvar.distance_compute_blas_threshold, threads = setting
        faiss.omp_set_num_threads(threads)


class Steps:
    """A trainer: answers {"step", "compute_ms", "check"} as `retrieve(queries)` allows."""

    def __init__(self, folder, rank, ranks, batch, retrieve):
        self.queries = np.load(folder + "/queries.npy", mmap_mode="r")
        self.rank, self.ranks, self.batch, self.retrieve = rank, ranks, batch, retrieve

    def __call__(self, request):
        first = (request["step"] * self.ranks + self.rank) * self.batch
        rows = [(first + i) % len(self.queries) for i in range(self.batch)]
        queries = np.ascontiguousarray(self.queries[rows])
        begin = time.perf_counter()
        ids, vectors = self.retrieve(queries)
        answer = {"s": time.perf_counter() - begin}
        if request.get("check"):
            ends = vectors.reshape(-1, vectors.shape[-1])[:, [0, -1]]
            answer.update(ids=ids.reshape(-1).tolist(), ends=ends.reshape(-1).tolist())
        time.sleep(request.get("compute_ms", 0) / 1000)
        return answer
