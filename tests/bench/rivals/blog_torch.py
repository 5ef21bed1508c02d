"""The rank-0 retriever over torch.distributed: FOLDER BATCH K MODE, one process a rank.

Every rank sends its queries to rank 0, which searches them alone and scatters ids, then vectors.
RANK, WORLD_SIZE, MASTER_ADDR and MASTER_PORT as from torchrun.
"""
import os
import sys

import numpy as np
import torch
import torch.distributed as dist

import blog_search
import rival

folder, batch, k, mode = sys.argv[1], int(sys.argv[2]), int(sys.argv[3]), sys.argv[4]
dist.init_process_group("gloo")
rank, ranks = dist.get_rank(), dist.get_world_size()
torch.set_num_threads(1)
search = None
if rank == 0:
    search = blog_search.FlatSearch(folder, k, int(os.environ["OMP_NUM_THREADS"]), mode, batch * ranks)
dist.barrier()


def retrieve(queries):
    if ranks == 1:
        return search.find(queries)
    mine = torch.from_numpy(queries)
    if rank == 0:
        parts = [torch.empty_like(mine) for _ in range(ranks)]
        dist.gather(mine, parts)
        ids, vectors = search.find(torch.cat(parts).numpy())
        id_parts = list(torch.from_numpy(ids).chunk(ranks))
        vector_parts = list(torch.from_numpy(vectors).chunk(ranks))
    else:
        dist.gather(mine)
        id_parts = vector_parts = None
    got_ids = torch.empty((batch, k), dtype=torch.int64)
    got_vectors = torch.empty((batch, k, queries.shape[1]))
    dist.scatter(got_ids, id_parts)
    dist.scatter(got_vectors, vector_parts)
    return got_ids.numpy(), got_vectors.numpy()


rival.serve(blog_search.Steps(folder, rank, ranks, batch, retrieve))
