#!/usr/bin/env bash
# schemathesis against openapi.yaml on a local server: every route with good, bad and chained requests, for about a minute.
set -euo pipefail
cd "$(dirname "$0")/../.."
server=${1:?the built program of the local server}
export CLEARVIEW_ADMIN_KEY=c2VjcmV0LXNlY3JldC1zZWNyZXQtc2VjcmV0LXNlY3JldC1zZWNyZXQ=
# One address sends all of this, and few users: limits are tested elsewhere.
export CLEARVIEW_IP_PER_MINUTE=1000000 CLEARVIEW_REGISTRATIONS_PER_IP_PER_HOUR=1000000
export CLEARVIEW_PLANS='{"free":{"posts":{"perDay":1000000,"perMinute":1000000}},"pro":{"posts":{"perDay":1000000,"perMinute":1000000}}}'
work=$(mktemp -d)
CLEARVIEW_LOG=off CLEARVIEW_ADMIN_KEYS="{\"contract\":\"$CLEARVIEW_ADMIN_KEY\"}" "$server" --port 0 2>"$work/said" &
pid=$!
trap 'kill -INT $pid; wait $pid || true; rm -rf "$work"' EXIT
for _ in $(seq 100); do
    CLEARVIEW_URL=$(sed -n 's/^ClearView .* answers on \(http[^ ]*\) .*/\1/p' "$work/said")
    [ -n "$CLEARVIEW_URL" ] && break
    sleep 0.1
done
export CLEARVIEW_URL
# Not checked: that good data is accepted. A tier must have a plan, and a user must be there, which no schema can say.
SCHEMATHESIS_HOOKS=tests/contract/hooks.py .venv/bin/schemathesis --config-file tests/contract/schemathesis.toml run openapi.yaml --url "$CLEARVIEW_URL" \
    --max-examples 20 --max-time 60 --seed 7 --suppress-health-check all --generation-database none --no-color \
    --exclude-checks positive_data_acceptance --warnings off
