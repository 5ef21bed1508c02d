"""A trainer that asks Ray's retrieval actors: FOLDER ADDRESS ACTORS RANK RANKS BATCH SEED.

Any actor, by chance, one blocking call (HF's RagRayDistributedRetriever).
"""
import random
import sys

import ray

import blog_search
import rival

folder, address = sys.argv[1:3]
actors, rank, ranks, batch, seed = (int(x) for x in sys.argv[3:8])
ray.init(address=address, namespace="rag", log_to_driver=False, configure_logging=False)
workers = [ray.get_actor(f"retrieval_worker_{i}") for i in range(actors)]
choose = random.Random(seed * 1000 + rank)


def retrieve(queries):
    worker = workers[choose.randrange(actors)]
    return ray.get(worker.retrieve.remote(queries))


rival.serve(blog_search.Steps(folder, rank, ranks, batch, retrieve))
