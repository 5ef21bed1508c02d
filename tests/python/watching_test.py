"""docs/watching.md against live processes: metrics by name, pages by path; traces of one query."""

import json
import pathlib
import re
import sys
import unittest
import urllib.error
import urllib.request

try:
    import live_pool
except ImportError as error:
    print(f"SKIP: {error}")
    sys.exit(77)

ROOKERY = live_pool.rookery_program()
PAGE = (live_pool.ROOT / "docs" / "watching.md").read_text(encoding="utf-8")


def get(url: str) -> tuple[int, str]:
    try:
        with urllib.request.urlopen(url, timeout=30) as answer:
            return answer.status, answer.read().decode()
    except urllib.error.HTTPError as error:
        return error.code, error.read().decode()


def documented(role: str) -> set[str]:
    rows = re.findall(r"^\| `((?:rookery|process)_\w+)` \| ([\w, ]+) \|", PAGE, re.MULTILINE)
    return {name for name, where in rows if where == "all" or role in where.split(", ")}


def families(text: str) -> set[str]:
    return set(re.findall(r"^# TYPE (\w+) ", text, re.MULTILINE))


class WatchingTest(unittest.TestCase):
    @classmethod
    def setUpClass(cls) -> None:
        cls.pool = live_pool.LivePool(ROOKERY)
        logs = cls.pool.folder / "home" / "colonies" / "python" / "logs"

        def address(name: str) -> str:
            return re.findall(r"http://([0-9.:]+)", (logs / f"{name}.log").read_text())[-1]

        cls.processes = {
            "head": cls.pool.record()["http"],
            "node": address("node-1"),
            "agent": address("agent"),
        }

    @classmethod
    def tearDownClass(cls) -> None:
        cls.pool.close()

    def test_every_live_metric_is_documented_for_its_process(self) -> None:
        for role, address in self.processes.items():
            status, text = get(f"http://{address}/metrics")
            self.assertEqual(status, 200)
            unknown = families(text) - documented(role)
            self.assertEqual(unknown, set(), f"docs/watching.md lacks metrics of the {role}")

    def test_every_documented_metric_is_in_the_sources(self) -> None:
        sources = "".join(
            file.read_text(encoding="utf-8")
            for folder in ("base", "actors", "retriever_pool", "serving")
            for file in (live_pool.ROOT / folder).rglob("*.cpp")
        )
        for name in documented("node") | documented("head") | documented("client"):
            self.assertTrue(f'"{name}"' in sources, f"{name} is documented, but nothing has it")

    def test_every_process_lives_and_is_ready(self) -> None:
        for role, address in self.processes.items():
            self.assertEqual(get(f"http://{address}/healthz"), (200, "ok\n"), role)
            self.assertEqual(get(f"http://{address}/readyz")[0], 200, role)

    def test_the_head_has_the_documented_pages(self) -> None:
        for path in re.findall(r"^\| `(/[^`]+)` \|", PAGE, re.MULTILINE):
            plain = path.replace("MS", "0").replace("SEQ", "0")
            self.assertEqual(get(f"http://{self.processes['head']}{plain}")[0], 200, path)


class TraceTest(unittest.TestCase):
    def test_traces_of_a_colony_lie_side_by_side(self) -> None:
        pool = live_pool.LivePool(ROOKERY, shards=1, replicas=1)
        self.addCleanup(pool.close)
        pool.run("down", "python")
        traces = pool.folder / "traces"
        pool.run("up", pool.config, "--trace", traces)
        pool.run("query", "python", "text", "--kind", "bm25", "--trace", traces / "query.json")
        pool.run("down", "python")
        out = pool.folder / "all.json"
        with open(traces / "agent.node-1.json", "a", encoding="utf-8") as file:
            file.write('{"cut short')  # as by a crash
        pool.run("trace", *sorted(traces.glob("*.json")), "--out", out)
        events = json.loads(out.read_text())
        names = {e["args"]["name"] for e in events if e["name"] == "process_name"}
        self.assertLessEqual({"rookery query", "node-1"}, names)
        spans = [e for e in events if e["ph"] == "X"]
        self.assertIn("retrieve", {e["name"] for e in spans})
        pool.run("up", pool.config)


if __name__ == "__main__":
    unittest.main()
