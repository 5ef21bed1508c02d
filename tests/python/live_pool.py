"""A small colony of real processes for the tests of the Python client."""

import json
import os
import pathlib
import shutil
import signal
import subprocess
import sys
import tempfile

ROOT = pathlib.Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "launch" / "python"))

import numpy as np  # noqa: E402

DIMENSION = 32
PASSAGES = 600


class LivePool:
    """`shards` × `replicas` over PASSAGES random vectors of length 1; passage i has the id i."""

    def __init__(self, rookery: str, shards: int = 2, replicas: int = 2):
        self.rookery = rookery
        self.folder = pathlib.Path(tempfile.mkdtemp(prefix="rookery-python-"))
        self.environment = {**os.environ, "ROOKERY_HOME": str(self.folder / "home")}
        rng = np.random.default_rng(20261122)
        self.vectors = rng.standard_normal((PASSAGES, DIMENSION)).astype("<f4")
        self.vectors /= np.linalg.norm(self.vectors, axis=1, keepdims=True)
        np.save(self.folder / "vectors.npy", self.vectors)
        with open(self.folder / "passages.jsonl", "w", encoding="utf-8") as file:
            for i in range(PASSAGES):
                row = {"id": f"source-{i}", "title": f"Title {i}", "text": f"the text of {i} é"}
                file.write(json.dumps(row) + "\n")
        self.run(
            "index", "import", "--vectors", self.folder / "vectors.npy", "--passages",
            self.folder / "passages.jsonl", "--out", self.folder / "index", "--shards", shards,
            "--index", "bm25", "--encoder-name", "random",
        )  # fmt: skip
        self.config = self.folder / "colony.yaml"
        self.config.write_text(
            f"colony: python\nindex:\n  path: {self.folder / 'index'}\npool:\n"
            f"  replicas: {replicas}\n"
        )
        self.run("up", self.config)

    def run(self, *arguments: object) -> None:
        command = [self.rookery, *map(str, arguments)]
        done = subprocess.run(command, env=self.environment, capture_output=True, text=True)
        if done.returncode != 0:
            raise RuntimeError(f"{' '.join(command)}: {done.stderr}")

    def record(self) -> dict:
        path = self.folder / "home" / "colonies" / "python" / "head.json"
        return json.loads(path.read_text())

    @property
    def head(self) -> str:
        return self.record()["routing"]

    def status(self) -> dict:
        out = self.folder / "status.json"
        self.run("status", "python", "--json", out)
        return json.loads(out.read_text())

    def kill(self, pid: int) -> None:
        os.kill(pid, signal.SIGKILL)

    def best(self, query: np.ndarray, k: int) -> np.ndarray:
        """The oracle: ids of a full scan in double precision; score falling, then id rising."""
        scores = self.vectors.astype("f8") @ query.astype("f8")
        return np.lexsort((np.arange(PASSAGES), -scores))[:k]

    def close(self) -> None:
        try:
            self.run("down", "python")
        finally:
            shutil.rmtree(self.folder, ignore_errors=True)


def rookery_program() -> str:
    """Of the first argument, which is taken away for unittest. Exits with 77 (skipped) without."""
    if len(sys.argv) < 2:
        print("SKIP: expected the path of the rookery program as the first argument")
        sys.exit(77)
    return sys.argv.pop(1)
