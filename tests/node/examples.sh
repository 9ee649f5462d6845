#!/usr/bin/env bash
# The examples against a local server, and the types made of openapi.yaml. Usage: examples.sh SERVER PYTHON
set -euo pipefail
server=$(realpath "${1:?the built program of the local server}")
python=$(realpath -s "${2:?a Python with the clients of tests/requirements.txt}")
cd "$(dirname "$0")"
root=$(realpath ../..)
work=$(mktemp -d)
pids=()
trap 'kill -INT "${pids[@]}"; wait "${pids[@]}" || true; rm -rf "$work"' EXIT

. ./server.sh
start

echo 'examples: types of openapi.yaml'
mkdir -p out
node_modules/.bin/openapi-typescript "$root/openapi.yaml" --output out/api.d.ts >/dev/null
node_modules/.bin/tsc --project types.json

echo 'examples: typescript/clearview.ts'
node_modules/.bin/tsc --project "$root/examples/typescript"
node --import ./webcrypto.js client.js "$url"
said=$(node --import ./webcrypto.js "$root/examples/typescript/out/feed.js" "$url")
grep -q '^HIDE Buy Bitcoin now' <<<"$said" && grep -q '^ALLOW My sourdough' <<<"$said" && grep -q '^998 of 1000 posts left' <<<"$said" || { echo "feed.ts said: $said" >&2; exit 1; }

echo 'examples: python'
register() {
    local device
    device=$(openssl rand -hex 16)
    curl -s "$url/v1/auth/register" -H 'Content-Type: application/json' -d "{\"deviceId\":\"$device\"}" | sed 's/.*"accessToken":"\([^"]*\)".*/\1/'
}
said=$("$python" "$root/examples/python/rerank.py" "$url" "$(register)")
head -1 <<<"$said" | grep -q 'To reset your password' || { echo "rerank.py said: $said" >&2; exit 1; }
# A chat needs a model.
echo '{"then":{"do":"chat","pauseMs":5}}' >"$work/script.json"
start --script "$work/script.json"
said=$("$python" "$root/examples/python/chat.py" "$url" "$(register)")
tail -1 <<<"$said" | grep -q 'tokens read, .* written' || { echo "chat.py said: $said" >&2; exit 1; }
echo 'examples: load'
export CLEARVIEW_PLANS='{"free":{"posts":{"perDay":1000000000,"perMinute":1000000}}}'
start
said=$(AUTOCANNON=node_modules/.bin/autocannon FORM=--json "$root/examples/load/load.sh" "$url" 2 8 2>/dev/null)
answered=$(node -e 'const { "2xx": good, non2xx, errors } = JSON.parse(process.argv[1]); console.log(non2xx + errors === 0 ? good : 0)' "$said")
[ "$answered" -gt 0 ] || { echo "load.sh said: $said" >&2; exit 1; }
echo 'examples: all run'
