"""A client of a Rookery retrieval pool, for Python programs such as PyTorch training scripts.

Needs Python 3.9, numpy and pyzmq; nothing of the C++ build. The messages are those of docs/wire.md.

    import numpy, rookery_pool

    with rookery_pool.connect("tcp://10.0.0.5:7071") as pool:
        queries = numpy.random.rand(8, pool.description().dimension).astype("float32")
        answer = pool.retrieve(queries, k=5, vectors=True)
        answer.rows[0].ids          # int64, best document first
        answer.rows[0].passages[0]  # Passage(source_id, title, text)

An answer is complete and from one generation of the index, or a `RetrievalError` comes before the
deadline. Replicas of a shard hold the same bytes, so that routing, retries and hedging change no
result. One thread of the pool owns all sockets; any number of threads may call `retrieve`. After a
fork the child opens connections of its own at its first call.
"""

from __future__ import annotations

import collections
import concurrent.futures
import dataclasses
import itertools
import json
import os
import pathlib
import random
import struct
import threading
import time
from typing import Any, Iterable, Mapping, Optional, Sequence

import numpy as np
import zmq
import zmq.utils.monitor

__all__ = [
    "Answer",
    "Description",
    "Keys",
    "Lease",
    "Passage",
    "Pool",
    "PoolOptions",
    "RetrievalError",
    "Row",
    "connect",
]

KINDS = {"exact": 1, "int8": 2, "hnsw": 3, "ivfpq": 4, "bm25": 5}
PRIORITIES = {"verification": 0, "training": 1, "prefetch": 2}
K_MAX = 1024
BATCH_MAX = 1024


class RetrievalError(Exception):
    """No complete answer came. `fault` is "invalid" (the request is wrong), "unavailable",
    "deadline", "overloaded" or "internal"; all but "invalid" may be tried again later."""

    def __init__(self, fault: str, message: str):
        super().__init__(message)
        self.fault = fault


@dataclasses.dataclass(frozen=True)
class Passage:
    source_id: str
    title: str
    text: str


@dataclasses.dataclass(frozen=True)
class Row:
    """What one query found, best document first: score falling, then id rising."""

    ids: np.ndarray  # int64 [hits], at most k: fewer where the index is smaller
    scores: np.ndarray  # float32 [hits]
    vectors: Optional[np.ndarray] = None  # float32 [hits, dimension], if they were asked for
    passages: Optional[list[Passage]] = None  # if they were asked for
    values: Optional[np.ndarray] = None  # int32 [hits], of a kNN datastore


@dataclasses.dataclass(frozen=True)
class Answer:
    rows: list[Row]  # row i answers query i
    generation: str
    shards: int
    attempts: int  # messages sent, over all shards
    hedges: int  # of them, copies sent to a second replica
    search_time: float  # seconds, of the slowest shard
    total_time: float  # seconds, as the caller saw it

    def stacked(self) -> tuple[np.ndarray, np.ndarray]:
        """Ids and scores as [batch, k] arrays. ValueError where rows differ in length."""
        counts = {len(row.ids) for row in self.rows}
        if len(counts) > 1:
            raise ValueError(f"stacked: expected rows of one length, got {sorted(counts)}")
        ids = np.stack([row.ids for row in self.rows])
        return ids, np.stack([row.scores for row in self.rows])


@dataclasses.dataclass(frozen=True)
class Description:
    """What is being searched."""

    index: str
    generation: str
    metric: str
    dimension: int
    shards: int
    passages: int
    sources: int
    kinds: tuple[str, ...]
    default_kind: str
    encoder_name: str
    encoder_hash: str
    pooling: str
    normalised: bool


@dataclasses.dataclass(frozen=True)
class Keys:
    """CURVE keys, Z85 text of 40 characters each."""

    server_public: str
    public_key: str
    secret_key: str


@dataclasses.dataclass(frozen=True)
class PoolOptions:
    index: str = ""  # the name of the index; empty: the colony's default one
    connect_timeout: float = 5.0  # seconds, until the head has given a first routing view
    attempt_timeout: float = 0.5  # seconds, of a first attempt; doubles with each silent one
    attempts_max: int = 4  # refusals and silences per shard; broken connections are not counted
    hedge_budget: float = 0.05  # second copies per query, on average; 0: never
    hedge_delay_min: float = 0.005  # seconds; a copy is sent after max(this, the shard's p95)
    keys: Optional[Keys] = None
    seed: int = 1  # of the choice between replicas; changes no result


def connect(head: str, **options: Any) -> "Pool":
    """Opens a pool. `head` is the routing endpoint of a head (`tcp://HOST:PORT`, what `rookery up`
    and `rookery status` show), or the name of a colony of this host. `options` are the fields of
    `PoolOptions`. Raises `RetrievalError` ("unavailable") when no head answers in time."""
    return Pool(head, PoolOptions(**options))


# --- messages (docs/wire.md) -------------------------------------------------------------------

_MAGIC = 0x59524B52
_VERSION = 1
_HEADER = struct.Struct("<IHHBBBBIQQQQ32s32sQII")
_ANSWER_BYTES_MAX = 256 << 20
_QUERY, _ANSWER, _ERROR, _PING, _PONG, _VIEW_REQUEST, _VIEW_ANSWER, _CANCEL = range(1, 9)
_LEASE, _LEASE_ANSWER = 9, 10
_LEASE_MS = 10_000
_COMPLETE = 1
_PASSAGES, _VECTORS, _SEARCH, _TEXTS, _IDS, _FILTER = 1, 2, 4, 8, 16, 32
_VALUES = 4
_FAULTS = {
    1: "internal", 2: "internal", 3: "invalid", 4: "invalid", 5: "unavailable",
    6: "overloaded", 7: "unavailable", 8: "deadline", 9: "unavailable", 10: "internal",
}  # fmt: skip


class _WireError(Exception):
    """What a peer sent is no message of ours, or damaged."""


class _Crc32c:
    """CRC-32C (Castagnoli) by numpy: a table for each place of a 256-byte block gives the blocks'
    remainders at once, which are then joined in pairs. Appending n zero bytes to a message is a
    linear map of its remainder; it is kept as four tables of 256."""

    _POLYNOMIAL = 0x82F63B78
    _BLOCK = 256

    def __init__(self) -> None:
        table = np.arange(256, dtype=np.uint32)
        for _ in range(8):
            table = np.where(table & 1, (table >> 1) ^ np.uint32(self._POLYNOMIAL), table >> 1)
        self._byte = table.astype(np.uint32)
        places = [self._byte]  # of the last byte of a block
        for _ in range(self._BLOCK - 1):
            last = places[-1]
            places.append(self._byte[last & 0xFF] ^ (last >> np.uint32(8)))
        self._places = np.concatenate(places[::-1])
        self._offsets = (np.arange(self._BLOCK, dtype=np.intp) * 256)[:, None]
        shift = [places[i] for i in (3, 2, 1, 0)]  # by 4 bytes: of the remainder's low byte first
        self._shifts: list[list[np.ndarray]] = []  # by 256, 512, 1024, … bytes
        for _ in range(6):
            shift = [self._apply(shift, part) for part in shift]
        while len(self._shifts) < 40:
            self._shifts.append(shift)
            shift = [self._apply(shift, part) for part in shift]

    @staticmethod
    def _apply(shift: list[np.ndarray], remainders: np.ndarray) -> np.ndarray:
        moved: np.ndarray = shift[0][remainders & 0xFF]
        for place in (1, 2, 3):
            moved = moved ^ shift[place][(remainders >> np.uint32(8 * place)) & 0xFF]
        return moved

    def __call__(self, data: Any) -> int:
        message = np.frombuffer(data, dtype=np.uint8)
        if message.size < 4:
            value = 0xFFFFFFFF
            for byte in message.tolist():
                value = int(self._byte[(value ^ byte) & 0xFF]) ^ (value >> 8)
            return value ^ 0xFFFFFFFF
        # Zeros in front change nothing when the start value is folded into the first four bytes.
        blocks = -(-message.size // self._BLOCK)
        padded = np.zeros(blocks * self._BLOCK, dtype=np.uint8)
        begin = padded.size - message.size
        padded[begin:] = message
        padded[begin : begin + 4] ^= 0xFF
        rows = padded.reshape(blocks, self._BLOCK)
        remainders = np.empty(blocks, dtype=np.uint32)
        for first in range(0, blocks, 256):  # pieces that stay in the cache
            # One column a block, so that numpy joins long rows.
            places = rows[first : first + 256].T + self._offsets
            np.bitwise_xor.reduce(
                self._places.take(places), axis=0, out=remainders[first : first + 256]
            )
        for shift in self._shifts:
            if remainders.size == 1:
                break
            if remainders.size % 2:
                remainders = np.concatenate((np.zeros(1, dtype=np.uint32), remainders))
            remainders = self._apply(shift, remainders[0::2]) ^ remainders[1::2]
        return int(remainders[0]) ^ 0xFFFFFFFF


_crc32c = _Crc32c()


@dataclasses.dataclass
class _Header:
    type: int
    priority: int = 0
    dtype: int = 0
    coverage: int = 0
    attempt: int = 0
    request: tuple[int, int] = (0, 0)
    remaining_us: int = 0
    trace: int = 0
    index: str = ""
    generation: str = ""
    body_bytes: int = 0
    body_crc: int = 0


def _encode_header(header: _Header, body_bytes: int, body_crc: int) -> bytes:
    fields = [
        _MAGIC, _VERSION, _HEADER.size, header.type, header.priority, header.dtype,
        header.coverage, header.attempt, *header.request, header.remaining_us, header.trace,
        header.index.encode(), header.generation.encode(), body_bytes, body_crc, 0,
    ]  # fmt: skip
    fields[-1] = _crc32c(_HEADER.pack(*fields))
    return _HEADER.pack(*fields)


def _decode_header(frame: bytes) -> _Header:
    if not _HEADER.size <= len(frame) <= 4096:
        raise _WireError(f"header: expected 128 to 4096 bytes, got {len(frame)}")
    fields = _HEADER.unpack_from(frame)
    if fields[0] != _MAGIC:
        raise _WireError("header: wrong magic number")
    if not 1 <= fields[1] <= _VERSION + 1:
        raise _WireError(f"header: expected version 1 to {_VERSION + 1}, got {fields[1]}")
    blank = frame[: _HEADER.size - 4] + bytes(4) + frame[_HEADER.size :]
    if fields[2] != len(frame) or fields[-1] != _crc32c(blank):
        raise _WireError("header: does not match its checksum")
    index, generation = (name.rstrip(b"\0").decode("ascii", "replace") for name in fields[12:14])
    header = _Header(fields[3], *fields[4:8])
    header.request, header.index, header.generation = (fields[8], fields[9]), index, generation
    header.remaining_us, header.trace = fields[10:12]
    header.body_bytes, header.body_crc = fields[14:16]
    if header.body_bytes > _ANSWER_BYTES_MAX:
        raise _WireError(f"header: a body of {header.body_bytes} bytes")
    return header


def _check_body(header: _Header, body: memoryview) -> None:
    if len(body) != header.body_bytes or _crc32c(body) != header.body_crc:
        raise _WireError("body: does not match its length or checksum")


class _Reader:
    """Takes arrays from a body, each checked against the bytes that are there."""

    def __init__(self, body: memoryview):
        self._body, self._at = body, 0

    def array(self, dtype: str, count: int) -> np.ndarray:
        kind = np.dtype(dtype)
        end = self._at + kind.itemsize * count
        if end > len(self._body):
            raise _WireError("answer: shorter than it says")
        values = np.frombuffer(self._body, kind, count, self._at) if count else np.empty(0, kind)
        self._at = end
        return values

    def number(self, dtype: str) -> int:
        return int(self.array(dtype, 1)[0])

    def text(self, length: int) -> str:
        return bytes(self.array("u1", length)).decode("utf-8", "replace")

    def finish(self) -> None:
        if self._at != len(self._body):
            raise _WireError("answer: longer than it says")


def _put_texts(parts: list[bytes], texts: Sequence[str]) -> None:
    encoded = [text.encode() for text in texts]
    parts.append(np.array([len(text) for text in encoded], "<u4").tobytes())
    parts.extend(encoded)


_FILTER_LISTS = (
    "allow_ids", "deny_ids", "allow_titles", "deny_titles", "allow_topics", "deny_topics",
)  # fmt: skip


@dataclasses.dataclass
class _Query:
    """A request as it travels, and what its answers must look like."""

    body: bytes
    crc: int
    batch: int
    k: int
    passages: bool
    vectors: bool
    dimension: int  # of the index
    look_up: bool


def _encode_query(
    description: Description,
    queries: Any,
    texts: Optional[Sequence[str]],
    ids: Optional[Iterable[int]],
    k: int,
    passages: bool,
    vectors: bool,
    kind: Optional[str],
    tuning: Sequence[int],
    filter: Optional[Mapping[str, Sequence[Any]]],
) -> _Query:
    def invalid(message: str) -> RetrievalError:
        return RetrievalError("invalid", message)

    if sum(given is not None for given in (queries, texts, ids)) != 1:
        raise invalid("expected exactly one of queries, texts and ids")
    if not 1 <= k <= K_MAX:
        raise invalid(f"k: expected a number in [1, {K_MAX}], got {k}")
    if kind is not None and kind not in KINDS:
        raise invalid(f"kind: expected one of {', '.join(KINDS)}, got '{kind}'")
    flags = (_PASSAGES if passages else 0) | (_VECTORS if vectors else 0)
    parts: list[bytes] = []
    if kind is not None or any(tuning):
        flags |= _SEARCH
        parts.append(struct.pack("<4I", KINDS[kind] if kind else 0, *tuning))
    dimension = 0
    if queries is not None:
        array = np.ascontiguousarray(queries, dtype="<f4")
        if array.ndim != 2 or array.shape[1] != description.dimension:
            raise invalid(
                f"queries: expected [batch, {description.dimension}], got {list(array.shape)}"
            )
        bad = np.flatnonzero(~np.isfinite(array).all(axis=1))
        if bad.size:
            raise invalid(f"queries: row {bad[0]} holds a value that is no finite number")
        batch, dimension = array.shape
        parts.append(array.tobytes())
    elif texts is not None:
        flags |= _TEXTS
        batch = len(texts)
        _put_texts(parts, texts)
    else:
        flags |= _IDS
        wanted = np.asarray(list(ids or ()), dtype="<i8")
        batch, k = len(wanted), 1
        parts.append(wanted.tobytes())
    if not 1 <= batch <= BATCH_MAX:
        raise invalid(f"expected a batch of 1 to {BATCH_MAX} queries, got {batch}")
    if filter:
        unknown = set(filter) - set(_FILTER_LISTS)
        if unknown:
            raise invalid(
                f"filter: expected {', '.join(_FILTER_LISTS)}, got '{sorted(unknown)[0]}'"
            )
        flags |= _FILTER
        lists = [list(filter.get(name, ())) for name in _FILTER_LISTS]
        parts.append(np.array([len(entries) for entries in lists], "<u4").tobytes())
        parts.extend(np.array(entries, "<i8").tobytes() for entries in lists[:2])
        for entries in lists[2:]:
            _put_texts(parts, entries)
    body = struct.pack("<4I", batch, dimension, k, flags) + b"".join(parts)
    return _Query(
        body, _crc32c(body), batch, k, passages, vectors, description.dimension, flags & _IDS != 0
    )


def _decode_answer(query: _Query, body: memoryview) -> tuple[list[Row], int]:
    """The rows of one shard, and its search time in microseconds."""
    reader = _Reader(body)
    batch, dimension, flags, _ = (int(value) for value in reader.array("<u4", 4))
    wanted = (_PASSAGES if query.passages else 0) | (_VECTORS if query.vectors else 0)
    if batch != query.batch or flags & ~_VALUES != wanted:
        raise _WireError("answer: to another question")
    if dimension != (query.dimension if query.vectors else 0):
        raise _WireError("answer: of another dimension")
    search_us = reader.number("<u8")
    reader.number("<u8")  # time in the queue
    counts = reader.array("<u4", batch).astype(np.int64)
    if (counts > query.k).any():
        raise _WireError("answer: more hits than were asked for")
    hits = int(counts.sum())
    ids, scores = reader.array("<i8", hits), reader.array("<f4", hits)
    if not np.isfinite(scores).all():
        raise _WireError("answer: a score that is no number")
    values = reader.array("<i4", hits) if flags & _VALUES else None
    vectors = reader.array("<f4", hits * dimension).reshape(hits, dimension) if dimension else None
    passages = None
    if query.passages:
        lengths = reader.array("<u4", 3 * hits).tolist()
        texts = [reader.text(length) for length in lengths]
        passages = [Passage(*texts[i : i + 3]) for i in range(0, len(texts), 3)]
    reader.finish()
    rows = []
    ends = np.cumsum(counts)
    for begin, end in zip((ends - counts).tolist(), ends.tolist()):
        part = slice(begin, end)
        falling = scores[part][:-1] - scores[part][1:]
        if ((falling < 0) | ((falling == 0) & (ids[part][:-1] >= ids[part][1:]))).any():
            raise _WireError("answer: hits out of order")
        rows.append(
            Row(
                ids[part],
                scores[part],
                None if vectors is None else vectors[part],
                None if passages is None else passages[part],
                None if values is None else values[part],
            )
        )
    return rows, search_us


def _merge_row(shards: Sequence[Row], k: int) -> Row:
    """The k best hits of all shards, in the one order of results."""
    if len(shards) == 1:
        return shards[0]
    ids = np.concatenate([row.ids for row in shards])
    scores = np.concatenate([row.scores for row in shards])
    order = np.lexsort((ids, -scores))[:k]

    def joined(parts: list[Optional[np.ndarray]]) -> Optional[np.ndarray]:
        there = [part for part in parts if part is not None]
        return np.concatenate(there)[order] if len(there) == len(parts) else None

    passages = None
    if all(row.passages is not None for row in shards):
        together = list(itertools.chain.from_iterable(row.passages or () for row in shards))
        passages = [together[i] for i in order]
    return Row(
        ids[order],
        scores[order],
        joined([row.vectors for row in shards]),
        passages,
        joined([row.values for row in shards]),
    )


# --- the pool's one thread ---------------------------------------------------------------------


def _dealer(context: "zmq.Context[Any]", keys: Optional[Keys]) -> "zmq.Socket[bytes]":
    socket: "zmq.Socket[bytes]" = context.socket(zmq.DEALER)
    for option, value in (
        (zmq.LINGER, 0),
        (zmq.SNDHWM, 64),
        (zmq.RCVHWM, 64),
        (zmq.MAXMSGSIZE, _ANSWER_BYTES_MAX + 4096),
        (zmq.IMMEDIATE, 1),  # nothing queues up for a server that is not there
        (zmq.HANDSHAKE_IVL, 3000),
        (zmq.HEARTBEAT_IVL, 250),
        (zmq.HEARTBEAT_TIMEOUT, 1000),
        (zmq.RECONNECT_IVL, 50),
        (zmq.RECONNECT_IVL_MAX, 2000),
    ):
        socket.setsockopt(option, value)
    if keys is not None:
        socket.curve_serverkey = keys.server_public.encode()
        socket.curve_publickey = keys.public_key.encode()
        socket.curve_secretkey = keys.secret_key.encode()
    return socket


class _Link:
    """A connection to one server, and a monitor that tells when it comes and goes."""

    def __init__(self, context: "zmq.Context[Any]", endpoint: str, keys: Optional[Keys]):
        self.endpoint = endpoint
        self.connected = False
        self.socket = _dealer(context, keys)
        self.monitor = self.socket.get_monitor_socket(
            zmq.EVENT_HANDSHAKE_SUCCEEDED | zmq.EVENT_DISCONNECTED
        )
        self.socket.connect(endpoint)

    def send(self, header: _Header, body: bytes, crc: int) -> bool:
        """False when the message cannot be handed over now."""
        try:
            frame = _encode_header(header, len(body), crc)
            self.socket.send_multipart([frame, body], zmq.NOBLOCK, copy=True)
            return True
        except zmq.Again:
            return False

    def receive(self) -> Optional[tuple[_Header, memoryview]]:
        """The next sound message, or None when none waits. Raises `_WireError` for others."""
        try:
            frames = self.socket.recv_multipart(zmq.NOBLOCK, copy=False)
        except zmq.Again:
            return None
        if len(frames) != 2:
            raise _WireError("expected two frames")
        header, body = _decode_header(frames[0].bytes), frames[1].buffer
        _check_body(header, body)
        return header, body

    def changed(self) -> bool:
        """Follows the monitor; true when the connection has just broken."""
        broke = False
        while self.monitor.poll(0):
            event = zmq.utils.monitor.recv_monitor_message(self.monitor)["event"]
            self.connected = event == zmq.EVENT_HANDSHAKE_SUCCEEDED
            broke = broke or not self.connected
        return broke

    def close(self) -> None:
        self.socket.disable_monitor()
        self.monitor.close(0)
        self.socket.close(0)


@dataclasses.dataclass
class _Attempt:
    call: "_Call"
    shard: int
    replica: "_Replica"
    sent: float
    until: float
    hedge: bool
    silent: bool = False  # its time is up; an answer that comes late still counts


@dataclasses.dataclass
class _Replica:
    shard: int
    generation: str
    node: str
    link: _Link
    ready: bool = True
    latency: float = 20e-6  # moving average, seconds; a newcomer is thought fast
    failures: int = 0  # in a row
    out_until: float = 0.0  # ejected until then
    attempts: dict[tuple[int, int], _Attempt] = dataclasses.field(default_factory=dict)

    def cost(self) -> float:
        return (len(self.attempts) + 1) * self.latency

    def answered(self, took: float) -> None:
        self.latency = 0.9 * self.latency + 0.1 * took if self.latency > 20e-6 else took
        self.failures = 0
        self.out_until = 0.0

    def failed(self, now: float) -> None:
        """Three failures in a row put it out of rotation, for 1 s, 2 s … 30 s."""
        self.failures += 1
        if self.failures >= 3:
            self.out_until = now + min(2.0 ** (self.failures - 3), 30.0)


@dataclasses.dataclass
class _Part:
    """One shard's part of a call."""

    rows: Optional[list[Row]] = None
    open: list[_Attempt] = dataclasses.field(default_factory=list)
    tried: set[int] = dataclasses.field(default_factory=set)  # replicas of this round, by id()
    failures: int = 0
    rounds: int = 0
    not_before: float = 0.0
    fault: str = "unavailable"
    trouble: str = "no replica could be asked"


class _Call:
    def __init__(
        self, serial: int, query: _Query, priority: int, pinned: str, begin: float, deadline: float
    ):
        self.serial, self.query, self.priority, self.pinned = serial, query, priority, pinned
        self.begin, self.deadline = begin, deadline
        self.future: "concurrent.futures.Future[Answer]" = concurrent.futures.Future()
        self.generation = ""
        self.plan = 0
        self.parts: list[_Part] = []
        self.attempts = self.hedges = self.search_us = 0


class Lease:
    """Keeps a generation served while it is open; see `Pool.lease`. A context manager."""

    def __init__(self, loop: "_Loop", number: int, generation: str, index: str):
        self.generation = generation
        self._loop, self._number, self._index = loop, number, index
        self._next = 0.0  # when the head is asked (again)
        self._ended = False
        self._refused: Optional[RetrievalError] = None
        self._answered = threading.Event()

    def close(self) -> None:
        """The generation may go. Without it the lease runs out ten seconds after its process."""
        self._ended, self._next = True, 0.0
        self._loop.wake()

    def __enter__(self) -> "Lease":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


class _Loop(threading.Thread):
    """Owns every socket, follows the routing view and carries each call through."""

    _TICK = 0.2

    def __init__(self, head: str, options: PoolOptions):
        super().__init__(name="rookery-pool", daemon=True)
        self.options = options
        self.client = random.SystemRandom().getrandbits(64)
        self.random = random.Random(options.seed)
        self.context = zmq.Context()
        self.lock = threading.Lock()  # guards fresh, view_came's content and the bell's sending end
        self.fresh: list[_Call] = []
        self.closing = False
        self.view_came = threading.Event()
        self.description: Optional[Description] = None
        bell = f"inproc://rookery-bell-{id(self)}"
        self.ear = self.context.socket(zmq.PAIR)
        self.ear.bind(bell)
        self.bell = self.context.socket(zmq.PAIR)
        self.bell.connect(bell)
        self.head = _Link(self.context, head, options.keys)
        self.asked_view = 0.0
        self.known = (0, 0)  # term and epoch of the newest view
        self.view: dict[str, Any] = {}
        self.replicas: list[_Replica] = []
        self.calls: dict[int, _Call] = {}
        self.plans = itertools.count(1)
        self.leases: dict[int, Lease] = {}
        self.latencies: dict[int, collections.deque[float]] = {}
        self.hedge_tokens = 1.0 if options.hedge_budget > 0 else 0.0
        self.start()

    # any thread

    def submit(self, call: _Call) -> None:
        with self.lock:
            if self.closing:
                raise RetrievalError("unavailable", "the pool is closed")
            self.fresh.append(call)
            self.bell.send(b"", zmq.NOBLOCK)

    def wake(self) -> None:
        with self.lock:
            if not self.closing:
                self.bell.send(b"", zmq.NOBLOCK)

    def close(self) -> None:
        with self.lock:
            if self.closing:
                return
            self.closing = True
            self.bell.send(b"", zmq.NOBLOCK)
        self.join()

    # the thread

    def run(self) -> None:
        try:
            while not self.closing:
                self._wait()
                now = time.monotonic()
                self._follow_head(now)
                self._renew_leases(now)
                for replica in self.replicas:
                    self._read(replica, now)
                self._take_calls()
                for call in list(self.calls.values()):
                    self._advance(call, time.monotonic())
        finally:
            self._take_calls()
            for call in list(self.calls.values()):
                self._fail(call, "unavailable", "the pool is closing")
            for link in [self.head, *(replica.link for replica in self.replicas)]:
                link.close()
            with self.lock:
                self.bell.close(0)
            self.ear.close(0)
            self.context.term()

    def _wait(self) -> None:
        now = time.monotonic()
        until = now + self._TICK
        for call in self.calls.values():
            until = min(until, call.deadline)
            for part in call.parts:
                if part.rows is not None:
                    continue
                if part.not_before > now:
                    until = min(until, part.not_before)
                for attempt in part.open:
                    if not attempt.silent:
                        until = min(until, attempt.until)
                if self._may_hedge(part):
                    until = min(until, self._hedge_time(part))
        poller = zmq.Poller()
        poller.register(self.ear, zmq.POLLIN)
        for link in [self.head, *(replica.link for replica in self.replicas)]:
            poller.register(link.socket, zmq.POLLIN)
            poller.register(link.monitor, zmq.POLLIN)
        poller.poll(int(max(0.0, until - now) * 1000 + 0.999))
        while self.ear.poll(0):
            self.ear.recv()

    def _take_calls(self) -> None:
        with self.lock:
            fresh, self.fresh = self.fresh, []
        for call in fresh:
            self.calls[call.serial] = call

    def _follow_head(self, now: float) -> None:
        broke = self.head.changed()
        if broke or not self.head.connected:
            self.asked_view = 0.0
        try:
            while (message := self.head.receive()) is not None:
                header, body = message
                if header.request == (self.client, 0):
                    self.asked_view = 0.0
                    if header.type == _VIEW_ANSWER and len(body):
                        self._apply(json.loads(bytes(body)), now)
                else:
                    self._take_lease_answer(header, body, now)
        except (_WireError, ValueError, KeyError, TypeError):
            self.asked_view = now - 9.0  # ask again in a while
        if self.head.connected and now - self.asked_view > 11.0:
            known = struct.pack("<2Q", *self.known)
            question = _Header(_VIEW_REQUEST, request=(self.client, 0), remaining_us=10_000_000)
            if self.head.send(question, known, _crc32c(known)):
                self.asked_view = now

    def _renew_leases(self, now: float) -> None:
        """Every third of their time; a new head learns of them so."""
        if not self.head.connected:
            for lease in list(self.leases.values()):
                lease._next = 0.0
            return
        for number, lease in list(self.leases.items()):
            if lease._next > now or lease._refused is not None:
                continue
            body = struct.pack("<QQII", number, _LEASE_MS, 1 if lease._ended else 0, 0)
            header = _Header(_LEASE, request=(self.client, number), remaining_us=10_000_000)
            header.index, header.generation = lease._index, lease.generation
            lease._next = now + (1.0 if self.head.send(header, body, _crc32c(body)) else 0.1)
            if lease._ended:
                del self.leases[number]

    def _take_lease_answer(self, header: _Header, body: memoryview, now: float) -> None:
        lease = self.leases.get(header.request[1])
        if lease is None or header.request[0] != self.client:
            return
        if header.type == _LEASE_ANSWER and len(body) == 24:
            granted = struct.unpack_from("<QQ", body)[1] / 1000
            lease._next = now + min(max(granted / 3, 0.02), _LEASE_MS / 3000)
            lease._answered.set()
        elif header.type == _ERROR and not lease._answered.is_set():
            code, _, length = struct.unpack_from("<3I", body)
            text = bytes(body[12 : 12 + length]).decode("utf-8", "replace")
            lease._refused = RetrievalError(_FAULTS.get(code, "internal"), text)
            lease._answered.set()

    def _live(self, view: Mapping[str, Any]) -> Optional[Mapping[str, Any]]:
        generations: Sequence[Mapping[str, Any]] = view.get("generations", ())
        for generation in generations:
            if generation["role"] != "live":
                continue
            if self.options.index in ("", generation["index_name"]):
                return generation
        return None

    def _served(self, view: Mapping[str, Any]) -> bool:
        live = self._live(view)
        if live is None:
            return False
        ready = {
            member["shard"]
            for member in view["members"]
            if member["state"] == "ready"
            and member["index"] == live["index_name"]
            and member["generation"] == live["index"]["generation"]
        }
        return len(ready) >= int(live["shards"]) > 0

    def _apply(self, view: dict[str, Any], now: float) -> None:
        stamp = (int(view["term"]), int(view["epoch"]))
        if stamp <= self.known:
            return
        self.known = stamp
        # A head that has just started does not know all nodes yet: the old view still serves.
        if self.view and view["term"] != self.view["term"]:
            if self._served(self.view) and not self._served(view):
                return
        live = self._live(view)
        kept: list[_Replica] = []
        for member in view["members"]:
            if not member["endpoint"] or member["state"] not in ("ready", "draining"):
                continue
            if live is None or member["index"] != live["index_name"]:
                continue
            place = (member["endpoint"], member["shard"], member["generation"])
            known = [r for r in self.replicas if (r.link.endpoint, r.shard, r.generation) == place]
            ready = member["state"] == "ready"
            if known:
                known[0].ready = ready
                kept.append(known[0])
            elif ready:
                link = _Link(self.context, member["endpoint"], self.options.keys)
                kept.append(_Replica(member["shard"], member["generation"], member["node"], link))
        for replica in self.replicas:
            if replica not in kept:
                self._release(replica, f"{replica.node} left the routing view", now)
                replica.link.close()
        self.replicas = kept
        self.view = view
        if live is not None:
            self.description = _describe(live)
            self.view_came.set()

    def _release(self, replica: _Replica, why: str, now: float) -> None:
        """What was in flight there is asked of others."""
        for attempt in replica.attempts.values():
            part = self._part(attempt)
            if part is not None and attempt in part.open:
                part.open.remove(attempt)
                part.trouble = why
        replica.attempts.clear()

    def _part(self, attempt: _Attempt) -> Optional[_Part]:
        call = attempt.call
        if call.serial not in self.calls or attempt.shard >= len(call.parts):
            return None
        part = call.parts[attempt.shard]
        return part if part.rows is None else None

    def _read(self, replica: _Replica, now: float) -> None:
        while True:
            try:
                message = replica.link.receive()
            except _WireError:
                continue  # the attempt's time will run out, another replica is asked
            if message is None:
                break
            header, body = message
            key = (header.request[1], header.attempt)
            attempt = replica.attempts.pop(key, None)
            if attempt is None or header.request[0] != self.client:
                continue  # late or twice: whoever asked has what they wanted
            self._take(replica, attempt, header, body, now)
        if replica.link.changed():
            self._release(replica, f"the connection to {replica.node} broke", now)

    def _take(
        self, replica: _Replica, attempt: _Attempt, header: _Header, body: memoryview, now: float
    ) -> None:
        part = self._part(attempt)
        call = attempt.call
        if header.type == _ERROR:
            code, retry_ms, length = struct.unpack_from("<3I", body)
            text = bytes(body[12 : 12 + length]).decode("utf-8", "replace")
            fault = _FAULTS.get(code, "internal")
            if fault not in ("unavailable", "overloaded", "invalid"):
                replica.failed(now)
            if part is None:
                return
            part.open.remove(attempt)
            part.fault, part.trouble = fault, text
            if fault == "invalid":
                self._fail(call, fault, text)
                return
            if fault != "unavailable":
                part.failures += 1
            part.not_before = max(part.not_before, now)
            if retry_ms and len(part.tried) >= len(self._usable(call, attempt.shard)):
                part.not_before = now + min(retry_ms, 200) / 1000
            return
        replica.answered(now - attempt.sent)
        latencies = self.latencies.setdefault(attempt.shard, collections.deque(maxlen=512))
        latencies.append(now - attempt.sent)
        if part is None:
            return
        part.open.remove(attempt)
        try:
            if header.type != _ANSWER or header.coverage != _COMPLETE:
                raise _WireError("expected a complete answer")
            if header.generation != call.generation:
                raise _WireError(f"expected generation {call.generation}, got {header.generation}")
            rows, search_us = _decode_answer(call.query, body)
        except _WireError as error:
            replica.failed(now)
            part.failures += 1
            part.fault, part.trouble = "internal", f"{replica.node}: {error}"
            return
        part.rows = rows
        call.search_us = max(call.search_us, search_us)
        for loser in part.open:
            self._cancel(loser)
        part.open.clear()

    def _cancel(self, attempt: _Attempt) -> None:
        attempt.replica.attempts.pop((attempt.call.serial, self._number(attempt)), None)
        header = _Header(_CANCEL, request=(self.client, attempt.call.serial))
        attempt.replica.link.send(header, b"", _crc32c(b""))

    @staticmethod
    def _number(attempt: _Attempt) -> int:
        for key, value in attempt.replica.attempts.items():
            if value is attempt:
                return key[1]
        return 0

    # one call

    def _start(self, call: _Call) -> bool:
        """Plans the call on the generation that it is pinned to, or on the live one."""
        live = self._live(self.view)
        chosen = live
        if call.pinned and live is not None:
            chosen = None
            for generation in self.view["generations"]:
                same = generation["index_name"] == live["index_name"]
                if same and generation["index"]["generation"] == call.pinned:
                    chosen = generation
        if chosen is None or chosen["shards"] < 1:
            if call.pinned and live is not None:
                self._fail(call, "unavailable", f"generation {call.pinned} is not served")
            return False
        call.generation = chosen["index"]["generation"]
        call.plan = next(self.plans)
        call.parts = [_Part() for _ in range(chosen["shards"])]
        return True

    def _usable(self, call: _Call, shard: int) -> list[_Replica]:
        return [
            replica
            for replica in self.replicas
            if replica.shard == shard
            and replica.generation == call.generation
            and replica.ready
            and replica.link.connected
        ]

    def _advance(self, call: _Call, now: float) -> None:
        if not call.parts and not self._start(call):
            if call.serial in self.calls and now >= call.deadline:
                self._fail(call, "unavailable", "the head gave no routing view with shards")
            return
        for shard, part in enumerate(call.parts):
            if part.rows is not None:
                continue
            for attempt in part.open:
                if not attempt.silent and now >= attempt.until:
                    attempt.silent = True
                    attempt.replica.failed(now)
                    part.failures += 1
                    part.fault, part.trouble = "deadline", f"{attempt.replica.node} was silent"
            if part.failures >= self.options.attempts_max and not part.open:
                self._fail(call, part.fault, f"shard {shard} gave no answer: {part.trouble}")
                return
            asking = any(not attempt.silent for attempt in part.open)
            if not asking and now >= part.not_before:
                if part.failures < self.options.attempts_max:
                    self._ask(call, shard, part, now)
                if call.serial not in self.calls:
                    return
            elif self._may_hedge(part) and now >= self._hedge_time(part):
                self._hedge(call, shard, part, now)
            if not call.parts:
                return self._advance(call, now)  # begun anew on another generation
        if all(part.rows is not None for part in call.parts):
            self._finish(call, now)
        elif now >= call.deadline:
            late = next(s for s, part in enumerate(call.parts) if part.rows is None)
            part = call.parts[late]
            fault = "deadline" if part.open else part.fault
            self._fail(
                call, fault, f"shard {late} gave no answer before the deadline ({part.trouble})"
            )

    def _ask(self, call: _Call, shard: int, part: _Part, now: float) -> None:
        usable = self._usable(call, shard)
        candidates = [replica for replica in usable if id(replica) not in part.tried]
        # Ejected ones are asked when there is nobody else, or when most are (panic rule).
        healthy = [replica for replica in candidates if now >= replica.out_until]
        if healthy and 2 * len(healthy) >= len(candidates):
            candidates = healthy
        while candidates:
            pair = self.random.sample(candidates, min(2, len(candidates)))
            replica = min(pair, key=_Replica.cost)
            if self._send(call, shard, part, replica, now, False):
                return
            candidates.remove(replica)
        if usable:  # all of this round were asked: pause, then begin a new one
            part.tried.clear()
            part.not_before = now + min(0.002 * 2**part.rounds, 0.2)
            part.rounds += 1
        elif not any(r.shard == shard and r.generation == call.generation for r in self.replicas):
            live = self._live(self.view)
            moved = live is not None and live["index"]["generation"] != call.generation
            if moved and not call.pinned:
                self._cancel_all(call)
                call.parts = []  # the colony has moved on: begin anew, so that shards never mix

    def _may_hedge(self, part: _Part) -> bool:
        return (
            part.rows is None
            and len(part.open) == 1
            and not part.open[0].hedge
            and not part.open[0].silent
            and self.hedge_tokens >= 1.0
        )

    def _hedge_time(self, part: _Part) -> float:
        attempt = part.open[0]
        latencies = self.latencies.get(attempt.shard, ())
        if len(latencies) < 20:
            return float("inf")
        p95 = sorted(latencies)[int(0.95 * (len(latencies) - 1))]
        return attempt.sent + max(self.options.hedge_delay_min, p95)

    def _hedge(self, call: _Call, shard: int, part: _Part, now: float) -> None:
        others = [
            replica
            for replica in self._usable(call, shard)
            if replica is not part.open[0].replica and now >= replica.out_until
        ]
        if others and self._send(call, shard, part, min(others, key=_Replica.cost), now, True):
            self.hedge_tokens -= 1.0
            call.hedges += 1

    def _send(
        self, call: _Call, shard: int, part: _Part, replica: _Replica, now: float, hedge: bool
    ) -> bool:
        call.attempts += 1
        # Attempts of an earlier plan had the same numbers: their answers must not count for this.
        number = (call.plan & 0xFFFF) << 16 | (call.attempts & 0xFFFF)
        live = self._live(self.view)
        header = _Header(
            _QUERY,
            priority=call.priority,
            attempt=number,
            request=(self.client, call.serial),
            remaining_us=max(0, int((call.deadline - now) * 1e6)),
            index=live["index_name"] if live else "",
            generation=call.generation,
        )
        if not replica.link.send(header, call.query.body, call.query.crc):
            call.attempts -= 1
            return False
        timeout = self.options.attempt_timeout * 2 ** min(part.failures, 6)
        attempt = _Attempt(call, shard, replica, now, now + timeout, hedge)
        replica.attempts[(call.serial, number)] = attempt
        part.open.append(attempt)
        part.tried.add(id(replica))
        if not hedge:
            self.hedge_tokens = min(self.hedge_tokens + self.options.hedge_budget, 10.0)
        return True

    def _forget(self, call: _Call) -> None:
        self.calls.pop(call.serial, None)
        self._cancel_all(call)

    def _cancel_all(self, call: _Call) -> None:
        for part in call.parts:
            for attempt in part.open:
                self._cancel(attempt)
            part.open.clear()

    def _fail(self, call: _Call, fault: str, message: str) -> None:
        self._forget(call)
        call.future.set_exception(RetrievalError(fault, message))

    def _finish(self, call: _Call, now: float) -> None:
        self._forget(call)
        shards = [part.rows or [] for part in call.parts]
        rows = [_merge_row(row, call.query.k) for row in zip(*shards)]
        call.future.set_result(
            Answer(
                rows, call.generation, len(shards), call.attempts, call.hedges,
                call.search_us / 1e6, now - call.begin,
            )  # fmt: skip
        )


def _describe(generation: Mapping[str, Any]) -> Description:
    index = generation["index"]
    return Description(
        index=generation["index_name"],
        generation=index["generation"],
        metric=index["metric"],
        dimension=int(index["dimension"]),
        shards=int(generation["shards"]),
        passages=int(index["passages"]),
        sources=int(index["sources"]),
        kinds=tuple(index.get("kinds", ())),
        default_kind=index.get("default_kind", "exact"),
        encoder_name=index["encoder_name"],
        encoder_hash=index["encoder_hash"],
        pooling=index["pooling"],
        normalised=bool(index["normalised"]),
    )


# --- what users hold -----------------------------------------------------------------------------


class Pool:
    """A client of one colony; see `connect`. A context manager; `close` ends its thread."""

    def __init__(self, head: str, options: PoolOptions = PoolOptions()):
        self._head = _routing_endpoint(head)
        self._options = options
        self._serials = itertools.count(1)
        self._lock = threading.Lock()
        self._process = -1
        self._loop: Optional[_Loop] = None
        self._running()

    def _running(self) -> _Loop:
        with self._lock:
            # Sockets and threads do not survive a fork: the child makes its own.
            if self._loop is None or self._process != os.getpid():
                self._loop = _Loop(self._head, self._options)
                self._process = os.getpid()
            loop = self._loop
        if not loop.view_came.wait(self._options.connect_timeout):
            self.close()
            raise RetrievalError(
                "unavailable",
                f"{self._head}: expected a head that answers within "
                f"{self._options.connect_timeout:g} s, got no routing view"
                + (f" with an index '{self._options.index}'" if self._options.index else "")
                + "; is the colony up? see rookery status",
            )
        return loop

    def description(self) -> Description:
        """The live generation of the index, as of the newest routing view."""
        description = self._running().description
        assert description is not None
        return description

    def retrieve(
        self,
        queries: Any = None,
        *,
        texts: Optional[Sequence[str]] = None,
        ids: Optional[Iterable[int]] = None,
        k: int = 5,
        passages: bool = True,
        vectors: bool = False,
        kind: Optional[str] = None,
        ef_search: int = 0,
        nprobe: int = 0,
        candidates: int = 0,
        filter: Optional[Mapping[str, Sequence[Any]]] = None,
        priority: str = "training",
        generation: str = "",
        deadline: float = 2.0,
    ) -> Answer:
        """Finds the `k` best passages for each query. Exactly one of: `queries`, float32
        [batch, dimension]; `texts`, for bm25; `ids`, to look passages up (rows of one hit of score
        0, or of none). `kind`: "exact", "int8", "hnsw", "ivfpq" or "bm25"; the pool's own unless
        given. `filter`: lists `allow_ids`, `deny_ids`, `allow_titles`, `deny_titles`,
        `allow_topics`, `deny_topics`. `priority`: "verification", "training" or "prefetch".
        `generation`: only this one may answer. `deadline`: seconds from now; the call returns or
        raises `RetrievalError` by then."""
        return self.submit(
            queries, texts=texts, ids=ids, k=k, passages=passages, vectors=vectors, kind=kind,
            ef_search=ef_search, nprobe=nprobe, candidates=candidates, filter=filter,
            priority=priority, generation=generation, deadline=deadline,
        ).result()  # fmt: skip

    def submit(
        self,
        queries: Any = None,
        *,
        texts: Optional[Sequence[str]] = None,
        ids: Optional[Iterable[int]] = None,
        k: int = 5,
        passages: bool = True,
        vectors: bool = False,
        kind: Optional[str] = None,
        ef_search: int = 0,
        nprobe: int = 0,
        candidates: int = 0,
        filter: Optional[Mapping[str, Sequence[Any]]] = None,
        priority: str = "training",
        generation: str = "",
        deadline: float = 2.0,
    ) -> "concurrent.futures.Future[Answer]":
        """As `retrieve`, without waiting: to search for the next batch while this one computes."""
        begin = time.monotonic()
        if priority not in PRIORITIES:
            names = ", ".join(PRIORITIES)
            raise RetrievalError("invalid", f"priority: expected one of {names}, got '{priority}'")
        loop = self._running()
        query = _encode_query(
            self.description(), queries, texts, ids, k, passages, vectors, kind,
            (ef_search, nprobe, candidates), filter,
        )  # fmt: skip
        call = _Call(
            next(self._serials), query, PRIORITIES[priority], generation, begin, begin + deadline
        )
        loop.submit(call)
        return call.future

    def lease(self, timeout: float = 5.0) -> Lease:
        """Keeps the live generation served, also after the colony has swapped to another, until the
        lease is closed: a run that must not see a swap takes one at its start and asks with
        `generation=lease.generation`. Raises `RetrievalError` when the head does not grant it."""
        loop, description = self._running(), self.description()
        lease = Lease(loop, next(self._serials), description.generation, description.index)
        loop.leases[lease._number] = lease
        loop.wake()
        if not lease._answered.wait(timeout):
            lease.close()
            raise RetrievalError("unavailable", f"{self._head}: no lease within {timeout:g} s")
        if lease._refused is not None:
            del loop.leases[lease._number]
            raise lease._refused
        return lease

    def close(self) -> None:
        """Ends open calls with "unavailable"."""
        loop, self._loop = self._loop, None
        if loop is not None and self._process == os.getpid():
            loop.close()

    def __enter__(self) -> "Pool":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


def _routing_endpoint(head: str) -> str:
    """`tcp://…` as it is; else a colony of this host, whose head's record tells."""
    if "://" in head:
        return head
    home = os.environ.get("ROOKERY_HOME") or "~/.local/share/rookery"
    record = pathlib.Path(home).expanduser() / "colonies" / head / "head.json"
    try:
        return str(json.loads(record.read_text())["routing"])
    except (OSError, ValueError, KeyError):
        raise RetrievalError(
            "unavailable",
            f"expected tcp://HOST:PORT or a colony that runs on this host, got '{head}' "
            f"(no {record}); start it with: rookery up CONFIG",
        ) from None
