#!/usr/bin/env bash
# Fails when a test or benchmark is built by no target: listed_tests.sh ROOT
set -euo pipefail
cd "$1/tests"
count=0
missing=0
while read -r file; do
  count=$((count + 1))
  list=$(dirname "$file")/CMakeLists.txt
  if ! { [[ -f $list ]] && grep -qE "(^|[[:space:](])$(basename "$file" .cpp)(\.cpp)?([[:space:])]|$)" "$list"; }; then
    echo "tests/$file is listed by no CMakeLists.txt" >&2
    missing=1
  fi
done < <(find . -name '*_test.cpp' -o -name '*_bench.cpp' | sed 's|^\./||' | sort)
echo "$count test files"
exit "$missing"
