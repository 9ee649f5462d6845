#!/usr/bin/env bash
# How many requests a server answers in a second, and how long they take: load.sh [URL] [SECONDS] [CONNECTIONS].
# One user and one address send all of it, so the server needs limits that let them:
#   export CLEARVIEW_IP_PER_MINUTE=1000000
#   export CLEARVIEW_PLANS='{"free":{"posts":{"perDay":1000000000,"perMinute":1000000}}}'
set -euo pipefail
url=${1:-http://127.0.0.1:3000}
seconds=${2:-10}
connections=${3:-16}
device=$(openssl rand -hex 16)
token=$(curl -sf "$url/v1/auth/register" -H 'Content-Type: application/json' -d "{\"deviceId\":\"$device\"}" |
    sed 's/.*"accessToken":"\([^"]*\)".*/\1/')
${AUTOCANNON:-npx --yes autocannon@8.0.0} --duration "$seconds" --connections "$connections" --method POST \
    --headers "Authorization=Bearer $token" --headers 'Content-Type=application/json' \
    --body '{"preference":"Hide crypto","posts":[{"id":"1","text":"Buy Bitcoin now, crypto is going to the moon"}]}' \
    ${FORM:---renderStatusCodes} "$url/v1/classify"
