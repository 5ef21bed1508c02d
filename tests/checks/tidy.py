#!/usr/bin/env python3
"""Runs clang-tidy over units of a compilation database, remembering those that were clean.

A unit is run again when it, a header of ours that it includes (also through others), .clang-tidy or
the version of clang-tidy has changed.
"""
import argparse
import concurrent.futures
import hashlib
import json
import os
import pathlib
import re
import subprocess
import sys
import time

# Tests are left out: they are half of the units, and GoogleTest's macros make most of the noise.
FOLDERS = "base text engine index_tools retriever_pool actors models trainer serving launch".split()
TORCH = re.compile(r"^(models|trainer|tests/models|tests/trainer|launch/rookery_torch|launch/torch|serving/gpu)")
INCLUDE = re.compile(r'^\s*#\s*include\s*"([^"]+)"', re.MULTILINE)


def headers_of(root, path, seen):
    for name in INCLUDE.findall(path.read_text()):
        header = root / name
        if header not in seen and header.is_file():
            seen.add(header)
            headers_of(root, header, seen)
    return seen


def key_of(root, path, common):
    digest = hashlib.sha256(common)
    for part in [path, *sorted(headers_of(root, path, set()))]:
        digest.update(part.relative_to(root).as_posix().encode() + b"\0" + part.read_bytes() + b"\0")
    return digest.hexdigest()


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--root", type=pathlib.Path, required=True)
    parser.add_argument("--build", required=True, help="folder of compile_commands.json")
    parser.add_argument("--tidy", default="clang-tidy")
    parser.add_argument("--cache", type=pathlib.Path, required=True)
    parser.add_argument("--jobs", type=int, default=2)
    parser.add_argument("--torch", action="store_true", help="the units that include libtorch instead of the others")
    parser.add_argument("--only", default="", help="only units whose path begins so")
    options = parser.parse_args()
    root = options.root.resolve()

    version = subprocess.run([options.tidy, "--version"], capture_output=True, check=True).stdout
    common = version + (root / ".clang-tidy").read_bytes() + pathlib.Path(__file__).read_bytes()
    units = {}
    for entry in json.loads((pathlib.Path(options.build) / "compile_commands.json").read_text()):
        path = pathlib.Path(entry["directory"], entry["file"]).resolve()
        if not path.is_relative_to(root):
            continue
        name = path.relative_to(root).as_posix()
        if (name.split("/")[0] in FOLDERS and bool(TORCH.match(name)) == options.torch
                and name.startswith(options.only) and path.is_file()):
            units[name] = options.cache / key_of(root, path, common)
    options.cache.mkdir(parents=True, exist_ok=True)
    stale = sorted(name for name, mark in units.items() if not mark.exists())
    print(f"clang-tidy: {len(units)} units, {len(units) - len(stale)} clean since last time", flush=True)

    def run(name):
        begin = time.monotonic()
        done = subprocess.run(
            [options.tidy, "--quiet", "-p", options.build, f"--header-filter={re.escape(str(root))}/(?!build).*",
             "--extra-arg=-Wno-unknown-warning-option", "--extra-arg=-Wno-error", str(root / name)],
            capture_output=True, text=True, cwd=root)
        # Only findings count: what clang itself warns of is the compiler's job, and our build's.
        clean = done.returncode == 0 and "warning: " not in done.stdout
        if clean:
            units[name].touch()
        return name, clean, done.stdout + ("" if clean else done.stderr), time.monotonic() - begin

    failed = []
    with concurrent.futures.ThreadPoolExecutor(options.jobs) as pool:
        for name, clean, text, seconds in pool.map(run, stale):
            print(f"{'clean' if clean else 'FAILED'}  {name}  {seconds:.1f} s", flush=True)
            if not clean:
                failed.append(name)
                print(text.replace(str(root) + os.sep, ""), flush=True)
    print(f"{len(failed)} units with findings")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
