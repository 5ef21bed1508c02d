#!/usr/bin/env python3
"""Fails when an include crosses a border between folders that the design does not allow.

usage: include_borders.py ROOT             check the tree
       include_borders.py ROOT --self-test  show that violations are caught
"""
import pathlib
import re
import sys

# What a folder links, one way; whatever those link may be included too.
LINKS = {
    "base": [],
    "text": ["base"],
    "engine": ["base", "text"],
    "index_tools": ["base", "text", "engine"],
    "retriever_pool": ["base", "text", "index_tools"],
    "actors": ["base", "retriever_pool"],
    "models": ["base", "text", "engine"],
    "trainer": ["models", "retriever_pool"],
    "serving": ["engine", "retriever_pool"],
    "launch": ["actors", "models", "trainer", "serving"],
}
# Third party, by the beginning of the header's name, and the only folders that may know it.
OWNERS = {
    "yaml-cpp/": ["base"],
    "boost/": ["base"],
    "openssl/": ["base"],
    "zip.h": ["base"],
    "unicode/": ["text"],
    "libstemmer": ["text"],
    "sentencepiece": ["text"],
    "faiss/": ["index_tools"],
    "zmq": ["retriever_pool", "launch"],
    "caf/": ["actors"],
    "torch/": ["models", "trainer"],
    "ATen/": ["models", "trainer"],
    "c10/": ["models", "trainer"],
    "gloo/": ["trainer"],
    "CLI/": ["launch"],
    "gtest/": [],
    "gmock/": [],
    "benchmark/": [],
}
INCLUDE = re.compile(r'^\s*#\s*include\s*(["<])([^">]+)[">]', re.MULTILINE)


def allowed(folder):
    reached = {folder}
    for link in LINKS[folder]:
        reached |= allowed(link)
    return reached


def torch_part(name):
    """Files that are compiled into rookery-torch only may know libtorch and the models."""
    return name.startswith(("serving/gpu", "launch/torch", "launch/rookery_torch"))


def complaints(name, text):
    """What is wrong with the includes of the file `name`, a path from the root."""
    folder = name.split("/")[0]
    for bracket, header in INCLUDE.findall(text):
        if bracket == "<":
            for prefix, owners in OWNERS.items():
                torch = prefix in ("torch/", "ATen/", "c10/") and torch_part(name)
                if header.startswith(prefix) and folder not in owners and not torch:
                    yield f"{name}: <{header}> belongs to {', '.join(owners) or 'tests'} only"
        elif "/" not in header:
            yield f'{name}: "{header}": ours are included by their path from the root'
        else:
            parts = header.split("/")
            models = parts[0] == "models" and torch_part(name)
            if parts[0] not in allowed(folder) and not models:
                yield f'{name}: "{header}" crosses a border: {folder} may not include {parts[0]}'
            elif parts[0] == "models" and folder == "launch" and not models:
                yield f'{name}: "{header}" would bring libtorch into the torch-free executable'
            elif "detail" in parts and parts[0] != folder:
                yield f'{name}: "{header}" is private to {parts[0]}'


def check(root):
    files = [f for folder in LINKS for f in sorted((root / folder).rglob("*.[ch]pp"))]
    found = [c for f in files for c in complaints(f.relative_to(root).as_posix(), f.read_text())]
    print("\n".join(found + [f"{len(files)} files, {len(found)} forbidden includes"]))
    return 1 if found or not files else 0


def self_test():
    bad = {
        "index_tools/a.cpp": '#include "retriever_pool/b.hpp"',
        "base/a.hpp": '#include "text/b.hpp"',
        "retriever_pool/a.cpp": "#include <caf/all.hpp>",
        "engine/a.cpp": "#include <torch/torch.h>",
        "serving/a.cpp": '#  include "models/b.hpp"',
        "launch/a.cpp": "#include <yaml-cpp/yaml.h>",
        "trainer/a.cpp": '#include "engine/detail/b.hpp"',
        "actors/a.cpp": '#include "tests/support/temp_folder.hpp"',
        "text/a.cpp": '#include "sibling.hpp"',
        "models/a.cpp": "#include <gtest/gtest.h>",
    }
    good = {
        "trainer/a.cpp": '#include "retriever_pool/b.hpp"\n#include <torch/torch.h>\n#include "base/c.hpp"',
        "engine/a.cpp": '#include "engine/detail/b.hpp"\n#include <vector>\n#include <sys/mman.h>',
        "launch/rookery_torch_main.cpp": '#include "models/b.hpp"\n#include <CLI/CLI.hpp>',
    }
    missed = [name for name, text in bad.items() if not list(complaints(name, text))]
    wrong = [c for name, text in good.items() for c in complaints(name, text)]
    print(f"missed: {missed}, wrongly refused: {wrong}")
    return 1 if missed or wrong else 0


if __name__ == "__main__":
    sys.exit(self_test() if "--self-test" in sys.argv else check(pathlib.Path(sys.argv[1])))
