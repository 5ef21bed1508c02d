"""`RagRetriever` of transformers over a Rookery pool: the model and the training loop stay as they
are, the index lives in the pool instead of in rank 0 or in Ray actors.

    from rookery_rag import RagRetriever                                    # instead of transformers
    retriever = RagRetriever.from_pretrained("facebook/rag-sequence-nq", pool="tcp://10.0.0.5:7071")
    model = RagSequenceForGeneration.from_pretrained("facebook/rag-sequence-nq", retriever=retriever)

Every rank opens its own connections; nothing is gathered, and no process group is needed. Needs
transformers with RAG (up to 4.57) and torch beside what rookery_pool needs; faiss and datasets are
not used.
"""

from __future__ import annotations

import os
from typing import Any, Optional, Union

import numpy as np
import transformers.models.rag.retrieval_rag as hf
from transformers import RagConfig, RagTokenizer

import rookery_pool

__all__ = ["PoolIndex", "RagRetriever"]


class PoolIndex(hf.Index):
    """transformers' `Index` over a pool. Documents are dicts of `title`, `text`, `id` and
    `embeddings`, in lists of one entry a document, as the HF index gives them."""

    def __init__(self, pool: rookery_pool.Pool, priority: str = "training", deadline: float = 30.0):
        self.pool, self.priority, self.deadline = pool, priority, deadline

    def find(self, queries: np.ndarray, n_docs: int) -> tuple[np.ndarray, np.ndarray, list[dict]]:
        """Vectors [batch, n_docs, dimension], ids [batch, n_docs] and texts, in one request. Raises
        ValueError where the index holds fewer than `n_docs` passages."""
        answer = self.pool.retrieve(
            queries, k=n_docs, vectors=True, priority=self.priority, deadline=self.deadline
        )
        short = [i for i, row in enumerate(answer.rows) if len(row.ids) < n_docs]
        if short:
            found = len(answer.rows[short[0]].ids)
            raise ValueError(f"n_docs: expected at most {found}, what the index has, got {n_docs}")
        vectors = np.stack([row.vectors for row in answer.rows])
        return vectors, answer.stacked()[0], [_documents(row) for row in answer.rows]

    def get_top_docs(self, question_hidden_states: np.ndarray, n_docs: int = 5):
        vectors, ids, _ = self.find(question_hidden_states, n_docs)
        return ids, vectors

    def get_doc_dicts(self, doc_ids: np.ndarray) -> list[dict]:
        wanted = np.asarray(doc_ids, dtype=np.int64)
        found: dict[int, Any] = {}
        unique = np.unique(wanted)
        for begin in range(0, len(unique), rookery_pool.BATCH_MAX):
            part = unique[begin : begin + rookery_pool.BATCH_MAX]
            rows = self.pool.retrieve(
                ids=part.tolist(), vectors=True, priority=self.priority, deadline=self.deadline
            ).rows
            found.update((int(row.ids[0]), row) for row in rows if len(row.ids))
        dicts = []
        for row_ids in wanted.tolist():
            missing = [number for number in row_ids if number not in found]
            if missing:
                raise KeyError(f"the index has no passage {missing[0]}")
            rows = [found[number] for number in row_ids]
            dicts.append(
                {
                    "embeddings": [row.vectors[0] for row in rows],
                    "id": row_ids,
                    "text": [row.passages[0].text for row in rows],
                    "title": [row.passages[0].title for row in rows],
                }
            )
        return dicts

    def is_initialized(self) -> bool:
        return True

    def init_index(self) -> None:
        self.pool.description()


def _documents(row: rookery_pool.Row) -> dict:
    return {
        "embeddings": list(row.vectors),
        "id": row.ids.tolist(),
        "text": [passage.text for passage in row.passages],
        "title": [passage.title for passage in row.passages],
    }


class RagRetriever(hf.RagRetriever):
    """Takes the place of `transformers.RagRetriever`. `pool` is what `rookery_pool.connect` takes,
    or an open `rookery_pool.Pool`; unset, the environment's ROOKERY_POOL."""

    def __init__(
        self,
        config: RagConfig,
        question_encoder_tokenizer: Any,
        generator_tokenizer: Any,
        pool: Union[str, rookery_pool.Pool, None] = None,
        index: Optional[PoolIndex] = None,
        init_retrieval: bool = True,
    ):
        if index is None:
            pool = pool or os.environ.get("ROOKERY_POOL", "")
            if not pool:
                raise ValueError("pool: expected tcp://HOST:PORT or a colony's name, got nothing")
            index = PoolIndex(rookery_pool.connect(pool) if isinstance(pool, str) else pool)
        dimension = index.pool.description().dimension
        if dimension != config.retrieval_vector_size:
            raise ValueError(
                f"retrieval_vector_size: expected {dimension}, the dimension of the pool's index, "
                f"got {config.retrieval_vector_size}"
            )
        # What the parent's constructor sets, without the check for the datasets library.
        self._init_retrieval = init_retrieval
        self.index = index
        self.generator_tokenizer = generator_tokenizer
        self.question_encoder_tokenizer = question_encoder_tokenizer
        self.n_docs = config.n_docs
        self.batch_size = config.retrieval_batch_size
        self.config = config
        self.ctx_encoder_tokenizer = None
        self.return_tokenized_docs = False
        if init_retrieval:
            self.init_retrieval()

    def init_retrieval(self, distributed_port: Optional[int] = None) -> None:
        """Every rank may call it, with or without the port that the distributed retrievers want."""
        self.index.init_index()

    @classmethod
    def from_pretrained(
        cls,
        retriever_name_or_path: str,
        indexed_dataset: None = None,
        *,
        pool: Union[str, rookery_pool.Pool, None] = None,
        **kwargs: Any,
    ) -> "RagRetriever":
        """As transformers' own. Keywords that choose an index there (`index_name`, `index_path`,
        `passages_path`, `dataset`) only become fields of the configuration."""
        if indexed_dataset is not None:
            raise ValueError(
                "indexed_dataset: the pool has the passages; import them with: rookery index import"
            )
        config = kwargs.pop("config", None) or RagConfig.from_pretrained(
            retriever_name_or_path, **kwargs
        )
        tokenizers = RagTokenizer.from_pretrained(retriever_name_or_path, config=config)
        return cls(config, tokenizers.question_encoder, tokenizers.generator, pool=pool)

    def retrieve(
        self, question_hidden_states: np.ndarray, n_docs: int
    ) -> tuple[np.ndarray, np.ndarray, list[dict]]:
        """Embeddings [batch, n_docs, dimension], ids [batch, n_docs] and document dicts: the whole
        batch in one request, texts and vectors with it."""
        return self.index.find(np.asarray(question_hidden_states, dtype=np.float32), n_docs)
