#!/usr/bin/env bash
# The console in Debian's Chromium: starts a server as `make run` does, and one with a shared cache and a
# scripted provider, and uses each part of the page.
# Usage: browser.sh SERVER SCREENSHOTS [arguments of browser.js]
set -euo pipefail
server=$(realpath "${1:?the built program of the local server}")
shots=$(realpath -m "${2:?a directory for pictures}")
shift 2
cd "$(dirname "$0")"
work=$(mktemp -d)
port=$(python3 -c 'import socket; s = socket.socket(); s.bind(("127.0.0.1", 0)); print(s.getsockname()[1])')
redis-server --bind 127.0.0.1 --port "$port" --save '' --appendonly no --loglevel warning --dir "$work" >/dev/null &
redis=$!
echo '{"then":{"do":"chat","pauseMs":60}}' >"$work/script.json"
pids=($redis)
trap 'kill -INT "${pids[@]}" 2>/dev/null; wait "${pids[@]}" 2>/dev/null || true; rm -rf "$work"' EXIT

. ./server.sh
start
export PLAIN=$url
CLEARVIEW_CACHE_URL="redis://127.0.0.1:$port" start --script "$work/script.json"
node browser.js "$url" "$shots" "$@"
