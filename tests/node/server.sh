# Sourced by the scripts beside it, which set `server`, `work` and `pids`.

# Starts a server with the variables that are set; its address is in `url`.
start() {
    : >"$work/said"
    # One address sends all of this.
    CLEARVIEW_LOG=off CLEARVIEW_IP_PER_MINUTE=1000000 "$server" --port 0 "$@" 2>"$work/said" &
    pids+=($!)
    for _ in $(seq 100); do
        url=$(sed -n 's/^ClearView .* answers on \(http[^ ]*\) .*/\1/p' "$work/said")
        [ -n "$url" ] && break
        sleep 0.1
    done
    : "${url:?the server did not start: $(cat "$work/said")}"
}
