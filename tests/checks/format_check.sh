#!/usr/bin/env bash
# Fails when a source of ours is not formatted: format_check.sh ROOT CLANG_FORMAT
set -euo pipefail
cd "$1"
mapfile -t sources < <(find base text engine index_tools retriever_pool actors models trainer serving \
  launch tests -name '*.[ch]pp' | sort)
if ! "$2" --dry-run -Werror "${sources[@]}" >/dev/null 2>&1; then
  for source in "${sources[@]}"; do
    "$2" --dry-run -Werror "$source" >/dev/null 2>&1 || echo "$source is not formatted" >&2
  done
  echo "remedy: $2 -i FILE" >&2
  exit 1
fi
echo "${#sources[@]} files are formatted"
