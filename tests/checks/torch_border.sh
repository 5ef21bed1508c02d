#!/usr/bin/env bash
# Fails unless libtorch is among an executable's libraries exactly when it should be:
# torch_border.sh with|without EXECUTABLE
set -euo pipefail
libraries=$(ldd "$2")
if grep -qE 'libtorch|libc10' <<<"$libraries"; then found=with; else found=without; fi
echo "$(basename "$2") is $found libtorch"
[[ $found == "$1" ]]
