"""launch/python/rookery_rag.py with a tiny RAG model of transformers over a live colony, against
transformers' own retriever over a faiss index of the same vectors: rookery_rag_test.py ROOKERY

Needs the environment of `launch/setup --peers`."""

import json
import os
import sys
import tempfile
import unittest

os.environ.setdefault("HF_HUB_OFFLINE", "1")
try:
    import datasets
    import faiss  # noqa: F401
    import numpy as np
    import torch
    import transformers
    import transformers.models.rag.retrieval_rag as hf
except ImportError as missing:
    print(f"SKIP: {missing}")
    sys.exit(77)

import live_pool
import rookery_pool
import rookery_rag

QUESTIONS = ["who wrote the text of 12", "where is text 400"]
LETTERS = "abcdefghijklmnopqrstuvwxyz0123456789"


def tiny_tokenizers(folder: str):
    words = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", *LETTERS, *("##" + c for c in LETTERS)]
    with open(os.path.join(folder, "vocab.txt"), "w", encoding="utf-8") as file:
        file.write("\n".join(words))
    question = transformers.DPRQuestionEncoderTokenizer(os.path.join(folder, "vocab.txt"))
    symbols = ["<s>", "<pad>", "</s>", "<unk>", "<mask>", "\u0120", "/", *LETTERS]
    symbols += [letter.upper() for letter in LETTERS if letter.isalpha()]
    with open(os.path.join(folder, "vocab.json"), "w", encoding="utf-8") as file:
        json.dump({symbol: i for i, symbol in enumerate(symbols)}, file)
    with open(os.path.join(folder, "merges.txt"), "w", encoding="utf-8") as file:
        file.write("#version: 0.2\n")
    generator = transformers.BartTokenizer(
        os.path.join(folder, "vocab.json"), os.path.join(folder, "merges.txt")
    )
    return question, generator


def tiny_config(question, generator) -> transformers.RagConfig:
    encoder = transformers.DPRConfig(
        vocab_size=len(question), hidden_size=live_pool.DIMENSION, num_hidden_layers=1,
        num_attention_heads=4, intermediate_size=64, projection_dim=0,
    )  # fmt: skip
    bart = transformers.BartConfig(
        vocab_size=len(generator), d_model=16, encoder_layers=1, decoder_layers=1,
        encoder_attention_heads=2, decoder_attention_heads=2, encoder_ffn_dim=32,
        decoder_ffn_dim=32, max_position_embeddings=300, dropout=0.0,
        bos_token_id=0, pad_token_id=1, eos_token_id=2, decoder_start_token_id=2,
        forced_eos_token_id=2,
    )  # fmt: skip
    return transformers.RagConfig(
        question_encoder=encoder.to_dict(), generator=bart.to_dict(), n_docs=3,
        retrieval_vector_size=live_pool.DIMENSION, max_combined_length=64,
        bos_token_id=0, pad_token_id=1, eos_token_id=2, decoder_start_token_id=2,
        index_name="custom", vocab_size=len(generator),
    )  # fmt: skip


class RagRetrieverTest(unittest.TestCase):
    @classmethod
    def setUpClass(cls) -> None:
        cls.colony = live_pool.LivePool(ROOKERY)
        cls.pool = rookery_pool.connect(cls.colony.head)
        cls.folder = tempfile.TemporaryDirectory()
        cls.question, cls.generator = tiny_tokenizers(cls.folder.name)
        cls.config = tiny_config(cls.question, cls.generator)
        cls.ours = rookery_rag.RagRetriever(cls.config, cls.question, cls.generator, cls.pool)
        table = datasets.Dataset.from_dict(
            {
                "title": [f"Title {i}" for i in range(live_pool.PASSAGES)],
                "text": [f"the text of {i} \u00e9" for i in range(live_pool.PASSAGES)],
                "embeddings": cls.colony.vectors.tolist(),
            }
        )
        table.add_faiss_index("embeddings", metric_type=faiss.METRIC_INNER_PRODUCT)
        cls.theirs = transformers.RagRetriever(
            cls.config,
            cls.question,
            cls.generator,
            index=hf.CustomHFIndex(live_pool.DIMENSION, table),
        )

    @classmethod
    def tearDownClass(cls) -> None:
        cls.pool.close()
        cls.colony.close()
        cls.folder.cleanup()

    def model(self, retriever) -> transformers.RagSequenceForGeneration:
        torch.manual_seed(7)
        return transformers.RagSequenceForGeneration(config=self.config, retriever=retriever).eval()

    def batch(self):
        inputs = self.question(QUESTIONS, return_tensors="pt", padding=True)
        labels = self.generator(["alpha", "omega"], return_tensors="pt", padding=True)["input_ids"]
        return {**inputs, "labels": labels}

    def test_retrieves_what_the_faiss_index_does(self) -> None:
        rng = np.random.default_rng(3)
        queries = rng.standard_normal((11, live_pool.DIMENSION)).astype("f4")
        vectors, ids, documents = self.ours.retrieve(queries, 3)
        want_vectors, want_ids, want_documents = self.theirs.retrieve(queries, 3)
        np.testing.assert_array_equal(ids, want_ids)
        np.testing.assert_array_equal(vectors, want_vectors)
        for got, want in zip(documents, want_documents):
            self.assertEqual(got["title"], want["title"])
            self.assertEqual(got["text"], want["text"])
        again = self.ours.index.get_doc_dicts(ids)
        self.assertEqual([d["text"] for d in again], [d["text"] for d in documents])
        got_ids, got_vectors = self.ours.index.get_top_docs(queries, 3)
        np.testing.assert_array_equal(got_ids, want_ids)
        np.testing.assert_array_equal(got_vectors, want_vectors)

    def test_gives_the_model_the_same_loss_and_gradients(self) -> None:
        ours, theirs = self.model(self.ours), self.model(self.theirs)
        got, want = ours(**self.batch()), theirs(**self.batch())
        torch.testing.assert_close(got.loss, want.loss, rtol=0, atol=0)
        torch.testing.assert_close(got.doc_scores, want.doc_scores, rtol=0, atol=0)
        got.loss.sum().backward()
        want.loss.sum().backward()
        for (name, mine), (_, other) in zip(ours.named_parameters(), theirs.named_parameters()):
            if other.grad is not None:
                torch.testing.assert_close(mine.grad, other.grad, rtol=0, atol=0, msg=name)

    def test_a_tiny_model_learns_through_it(self) -> None:
        model = self.model(self.ours)
        model.train()
        optimizer = torch.optim.Adam(model.parameters(), lr=1e-2)
        losses = []
        for _ in range(15):
            optimizer.zero_grad()
            loss = model(**self.batch()).loss.sum()
            loss.backward()
            optimizer.step()
            losses.append(loss.item())
        self.assertLess(losses[-1], 0.8 * losses[0])
        with torch.no_grad():
            inputs = self.question(QUESTIONS, return_tensors="pt", padding=True)
            text = model.eval().generate(
                inputs["input_ids"], attention_mask=inputs["attention_mask"], max_length=8
            )
        self.assertEqual(text.shape[0], len(QUESTIONS))

    def test_two_lines_of_a_script_change(self) -> None:
        saved = os.path.join(self.folder.name, "model")
        self.config.save_pretrained(saved)
        transformers.RagTokenizer(self.question, self.generator).save_pretrained(saved)
        retriever = rookery_rag.RagRetriever.from_pretrained(saved, pool=self.colony.head)
        queries = np.eye(live_pool.DIMENSION, dtype="f4")[:2]
        np.testing.assert_array_equal(
            retriever.retrieve(queries, 3)[1], self.ours.retrieve(queries, 3)[1]
        )
        retriever.index.pool.close()

    def test_refuses_what_cannot_work(self) -> None:
        other = tiny_config(self.question, self.generator)
        other.retrieval_vector_size = 768
        with self.assertRaisesRegex(ValueError, "expected 32, the dimension of the pool's index"):
            rookery_rag.RagRetriever(other, self.question, self.generator, self.pool)
        with self.assertRaisesRegex(ValueError, "pool: expected tcp"):
            rookery_rag.RagRetriever(self.config, self.question, self.generator)
        with self.assertRaisesRegex(ValueError, "n_docs: expected at most 600"):
            self.ours.retrieve(np.eye(live_pool.DIMENSION, dtype="f4")[:1], 700)
        with self.assertRaisesRegex(KeyError, "no passage 4711"):
            self.ours.index.get_doc_dicts(np.array([[1, 4711]]))


if __name__ == "__main__":
    ROOKERY = live_pool.rookery_program()
    unittest.main(verbosity=2)
