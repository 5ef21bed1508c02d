#!/usr/bin/env bash
# Fails when CAF's ports are opened or called elsewhere than in actors/control_port.cpp: beside TLS the plain
# functions would stay open. control_port.sh ROOT
set -euo pipefail
cd "$1"
found=$(grep -rnE '(->|\.)(publish|unpublish|remote_actor|remote_spawn|open|remote_group)\(.*(port|Port)|middleman\(\)\.(publish|unpublish|actor_handle|remote_actor|remote_spawn|open|connect)|openssl::(publish|remote_actor)|openssl_manager\(\)\.' \
  actors launch --include='*.cpp' --include='*.hpp' | grep -E 'middleman|openssl' | grep -v '^actors/control_port.cpp:' || true)
if [[ -n $found ]]; then
  echo "a control port is opened beside actors/control_port.cpp:" >&2
  echo "$found" >&2
  exit 1
fi
grep -q 'openssl::publish' actors/control_port.cpp
echo "control ports are opened in one place"
