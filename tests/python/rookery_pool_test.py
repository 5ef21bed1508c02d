"""launch/python/rookery_pool.py against a live colony: rookery_pool_test.py ROOKERY"""

import os
import sys
import threading
import time
import unittest

try:
    import numpy as np
    import zmq
except ImportError as missing:
    print(f"SKIP: {missing}")
    sys.exit(77)

import live_pool
import rookery_pool

SEED = 20261122


def crc32c_by_bit(data: bytes) -> int:
    value = 0xFFFFFFFF
    for byte in data:
        value ^= byte
        for _ in range(8):
            value = (value >> 1) ^ (0x82F63B78 if value & 1 else 0)
    return value ^ 0xFFFFFFFF


class Crc32cTest(unittest.TestCase):
    def test_has_the_published_check_value(self) -> None:
        self.assertEqual(rookery_pool._crc32c(b"123456789"), 0xE3069283)

    def test_equals_the_bit_by_bit_one_for_every_small_length_and_across_blocks(self) -> None:
        data = np.random.default_rng(SEED).integers(0, 256, 2000, dtype=np.uint8).tobytes()
        for length in [*range(40), 255, 256, 257, 511, 512, 513, 768, 1999]:
            self.assertEqual(rookery_pool._crc32c(data[:length]), crc32c_by_bit(data[:length]))


class LiveTest(unittest.TestCase):
    @classmethod
    def setUpClass(cls) -> None:
        cls.colony = live_pool.LivePool(ROOKERY)
        cls.pool = rookery_pool.connect(cls.colony.head)

    @classmethod
    def tearDownClass(cls) -> None:
        cls.pool.close()
        cls.colony.close()

    def queries(self, count: int, seed: int = SEED) -> np.ndarray:
        shape = (count, live_pool.DIMENSION)
        return np.random.default_rng(seed).standard_normal(shape).astype("f4")

    def expect_right(self, queries: np.ndarray, answer: rookery_pool.Answer, k: int = 5) -> None:
        self.assertEqual(len(answer.rows), len(queries))
        for query, row in zip(queries, answer.rows):
            self.assertEqual(row.ids.tolist(), self.colony.best(query, k).tolist())

    def fault(self, *arguments: object, **options: object) -> tuple[str, str]:
        with self.assertRaises(rookery_pool.RetrievalError) as caught:
            self.pool.retrieve(*arguments, **options)
        return caught.exception.fault, str(caught.exception)

    def test_describes_the_index(self) -> None:
        description = self.pool.description()
        self.assertEqual(description.dimension, live_pool.DIMENSION)
        self.assertEqual(description.passages, live_pool.PASSAGES)
        self.assertEqual(description.shards, 2)
        self.assertEqual(description.kinds, ("exact", "bm25"))

    def test_finds_what_a_full_scan_finds_with_texts_and_vectors(self) -> None:
        queries = self.queries(16)
        answer = self.pool.retrieve(queries, k=7, vectors=True)
        self.expect_right(queries, answer, 7)
        for row in answer.rows:
            np.testing.assert_array_equal(row.vectors, self.colony.vectors[row.ids])
            first = int(row.ids[0])
            self.assertEqual(
                row.passages[0],
                rookery_pool.Passage(f"source-{first}", f"Title {first}", f"the text of {first} é"),
            )
        self.assertEqual(answer.stacked()[0].shape, (16, 7))
        self.assertEqual(answer.generation, self.pool.description().generation)

    def test_leaves_out_what_was_not_asked_for(self) -> None:
        row = self.pool.retrieve(self.queries(1), passages=False).rows[0]
        self.assertIsNone(row.passages)
        self.assertIsNone(row.vectors)

    def test_searches_texts_and_looks_ids_up(self) -> None:
        found = self.pool.retrieve(texts=["text of 77"], kind="bm25", k=1)
        self.assertEqual(found.rows[0].passages[0].title, "Title 77")
        rows = self.pool.retrieve(ids=[5, 99_999, 7]).rows
        self.assertEqual([row.ids.tolist() for row in rows], [[5], [], [7]])

    def test_keeps_to_a_filter(self) -> None:
        query = self.queries(1)
        best = self.colony.best(query[0], 3).tolist()
        denied = self.pool.retrieve(query, k=2, filter={"deny_ids": best[:1]})
        self.assertEqual(denied.rows[0].ids.tolist(), best[1:])
        allowed = self.pool.retrieve(query, k=5, filter={"allow_titles": [f"Title {best[2]}"]})
        self.assertEqual(allowed.rows[0].ids.tolist(), best[2:])

    def test_answers_many_threads_and_many_open_calls(self) -> None:
        queries = self.queries(8)
        wrong: list[str] = []

        def ask() -> None:
            for _ in range(20):
                try:
                    self.expect_right(queries, self.pool.retrieve(queries, passages=False))
                except (AssertionError, rookery_pool.RetrievalError) as error:
                    wrong.append(str(error))

        threads = [threading.Thread(target=ask) for _ in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        self.assertEqual(wrong, [])
        for future in [self.pool.submit(queries) for _ in range(30)]:
            self.expect_right(queries, future.result())

    def test_names_what_is_wrong_with_a_request(self) -> None:
        queries = self.queries(2)
        self.assertEqual(
            self.fault(queries[:, :3]), ("invalid", "queries: expected [batch, 32], got [2, 3]")
        )
        self.assertEqual(
            self.fault(queries, k=0), ("invalid", "k: expected a number in [1, 1024], got 0")
        )
        spoilt = queries.copy()
        spoilt[1, 4] = np.nan
        self.assertIn("row 1", self.fault(spoilt)[1])
        self.assertEqual(self.fault()[1], "expected exactly one of queries, texts and ids")
        self.assertIn("expected one of", self.fault(queries, kind="annoy")[1])
        self.assertEqual(self.fault(queries, kind="hnsw")[0], "invalid")  # the server's word
        self.assertEqual(self.fault(queries, priority="soon")[0], "invalid")
        self.assertEqual(self.fault(queries, filter={"allow": [1]})[0], "invalid")
        self.assertEqual(self.fault(queries, generation="0000")[0], "unavailable")
        self.assertEqual(self.fault(queries, deadline=0.0)[0], "deadline")

    def test_holds_a_generation_by_a_lease(self) -> None:
        queries = self.queries(2)
        with self.pool.lease() as lease:
            self.assertEqual(lease.generation, self.pool.description().generation)
            answer = self.pool.retrieve(queries, generation=lease.generation)
            self.expect_right(queries, answer)
            self.assertEqual(answer.generation, lease.generation)

    def test_works_after_a_fork(self) -> None:
        queries = self.queries(3)
        self.pool.retrieve(queries)
        child = os.fork()
        if child == 0:
            try:
                self.expect_right(queries, self.pool.retrieve(queries))
                self.pool.close()
                os._exit(0)
            except BaseException as error:
                print(error, file=sys.stderr)
                os._exit(1)
        self.assertEqual(os.waitpid(child, 0)[1], 0)
        self.expect_right(queries, self.pool.retrieve(queries))

    def test_loses_nothing_when_nodes_die_and_the_head_goes(self) -> None:
        queries = self.queries(4)
        members = self.colony.status()["members"]
        for pid in [members[0]["pid"], members[-1]["pid"], self.colony.record()["process"]["pid"]]:
            self.colony.kill(pid)
            for _ in range(50):
                self.expect_right(queries, self.pool.retrieve(queries, passages=False))
        self.colony.run("up", self.colony.config)  # starts the head again: the pool follows it
        deadline = time.monotonic() + 20
        while not self.colony.status()["complete"] and time.monotonic() < deadline:
            self.expect_right(queries, self.pool.retrieve(queries, passages=False))
        self.assertTrue(self.colony.status()["complete"])
        self.expect_right(queries, self.pool.retrieve(queries))

    def test_says_that_nobody_answers(self) -> None:
        with self.assertRaises(rookery_pool.RetrievalError) as caught:
            rookery_pool.connect("tcp://127.0.0.1:1", connect_timeout=0.2)
        self.assertIn("expected a head that answers within 0.2 s", str(caught.exception))
        with self.assertRaises(rookery_pool.RetrievalError) as caught:
            rookery_pool.connect(self.colony.head, index="other", connect_timeout=0.2)
        self.assertIn("with an index 'other'", str(caught.exception))
        with self.assertRaises(rookery_pool.RetrievalError) as caught:
            rookery_pool.connect("no-such-colony")
        self.assertIn("start it with: rookery up", str(caught.exception))


class HostilePeerTest(unittest.TestCase):
    """A head and a node of our own that send what they like."""

    def test_survives_damaged_messages(self) -> None:
        print(f"seed {SEED}")
        rng = np.random.default_rng(SEED)
        context = zmq.Context()
        router = context.socket(zmq.ROUTER)
        port = router.bind_to_random_port("tcp://127.0.0.1")
        stop = threading.Event()

        def babble() -> None:
            while not stop.is_set():
                if not router.poll(20):
                    continue
                client, frame, body = router.recv_multipart()
                header = rookery_pool._decode_header(frame)
                reply = rookery_pool._Header(7, request=header.request)
                text = rng.integers(0, 256, int(rng.integers(0, 300)), dtype=np.uint8).tobytes()
                good = rookery_pool._encode_header(reply, len(text), rookery_pool._crc32c(text))
                bad = bytearray(good)
                bad[int(rng.integers(0, len(bad)))] ^= 1 << int(rng.integers(0, 8))
                for frames in ([bytes(bad), text], [good, text + b"x"], [good], [b"", b""]):
                    router.send_multipart([client, *frames])
                router.send_multipart([client, good, text])

        thread = threading.Thread(target=babble)
        thread.start()
        try:
            with self.assertRaises(rookery_pool.RetrievalError) as caught:
                rookery_pool.connect(f"tcp://127.0.0.1:{port}", connect_timeout=0.5)
            self.assertEqual(caught.exception.fault, "unavailable")
        finally:
            stop.set()
            thread.join()
            router.close(0)
            context.term()


if __name__ == "__main__":
    ROOKERY = live_pool.rookery_program()
    unittest.main(verbosity=2)
