#!/usr/bin/env bash
# Runs a script with the first Python that has its packages, else with the last: with_python.sh PEERS SCRIPT ARGUMENT…
# The script exits with 77 when a package is missing.
set -uo pipefail
peers=$1
shift
for python in /usr/bin/python3 python3 "$peers"; do
  command -v "$python" >/dev/null || continue
  PYTHONDONTWRITEBYTECODE=1 "$python" "$@"
  status=$?
  [[ $status == 77 ]] || exit "$status"
done
exit 77
