#!/bin/sh
# Measures the scaling law and writes it into docs/: cost of a call over the number of calls, the floor beside it.
# Ten minutes, on a machine that does nothing else: benches/scaling.sh [the program]
set -eu
cd "$(dirname "$0")/.."
program=${1:-target/release/trunkline}
calls=${CALLS:-10,50,100,200,400,800}
storm() {
    name=$1
    shift
    # A limit that is broken is a result, too; a storm that did not come leaves no table.
    rm -f "docs/scaling-$name.md" "docs/scaling-$name.svg"
    "$program" storm --spawn --floor --calls "$calls" --ramp 5 --hold 12 --slo none \
        --set media.max_lateness_ms=0 "$@" \
        --table "docs/scaling-$name.md" --picture "docs/scaling-$name.svg" || true
    test -s "docs/scaling-$name.md"
}
storm one-core --cores 0,1
# Two cores for the server, which the storm has to share where there are no more.
storm two-cores --cores 0,0 --set http.workers=2
