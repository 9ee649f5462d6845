#!/usr/bin/env bash
# ClearView with everything that the console can break: a shared cache of its own and a scripted provider, which answers by simple
# rules. Usage: demo.sh SERVER [options of the server]. Ctrl-C ends all of it, and nothing is kept.
set -euo pipefail
server=${1:?the built program of the local server}
shift
work=$(mktemp -d)
port=$(python3 -c 'import socket; s = socket.socket(); s.bind(("127.0.0.1", 0)); print(s.getsockname()[1])')
# In a group of its own: Ctrl-C reaches the server first, which then says goodbye to its cache.
setsid redis-server --bind 127.0.0.1 --port "$port" --save '' --appendonly no --loglevel warning --dir "$work" >/dev/null &
redis=$!
trap 'kill $redis; wait $redis || true; rm -rf "$work"' EXIT
echo '{"then":{"do":"chat","pauseMs":60}}' >"$work/script.json"
export CLEARVIEW_CACHE_URL="redis://127.0.0.1:$port" CLEARVIEW_LOG="${CLEARVIEW_LOG:-warn}"
"$server" --script "$work/script.json" "$@" || exit $?
