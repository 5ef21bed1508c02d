"""Ray with ACTORS retrieval actors, each with a full index: FOLDER ACTORS THREADS BATCH K MODE.

Says "ready ADDRESS PID PID …" and stays until its input ends.
"""
import os
import sys

import ray

import rival

folder, actors, threads, batch, k, mode = sys.argv[1], *(int(x) for x in sys.argv[2:6]), sys.argv[6]
here = os.path.dirname(os.path.abspath(__file__))
context = ray.init(namespace="rag", include_dashboard=False, log_to_driver=False,
                   configure_logging=False, num_cpus=max(2, actors),
                   object_store_memory=128 << 20, _node_ip_address="127.0.0.1",
                   runtime_env={"env_vars": {"OMP_NUM_THREADS": str(threads), "PYTHONPATH": here}})


@ray.remote(num_cpus=0)
class RetrievalWorker:
    def __init__(self):
        import blog_search
        self.search = blog_search.FlatSearch(folder, k, threads, mode, batch)

    def pid(self):
        return os.getpid()

    def retrieve(self, queries):
        return self.search.find(queries)


workers = [RetrievalWorker.options(name=f"retrieval_worker_{i}").remote() for i in range(actors)]
pids = ray.get([worker.pid.remote() for worker in workers])
rival.serve(lambda request: {}, hello=" ".join([context.address_info["gcs_address"], *map(str, pids)]))
