#!/bin/sh
# Renders the spoken lines again: the receptionist's clips beside this script, and the demo caller's recordings.
#
#   apt-get install flite sox && src/providers/voice_agent/local/clips/make.sh
#
# A line of lines.txt is `name|text`. Each becomes NAME.ulaw: headerless 8-bit mu-law (ITU-T G.711), mono. Silence at
# both ends is cut to 60 ms, rumble below 100 Hz (which no telephone carries) is filtered out, and the level is set
# to -20 dBFS RMS, about where telephone speech lies, which leaves the peaks well below full scale.
set -eu

here=$(cd "$(dirname "$0")" && pwd)
root=$(cd "$here/../../../../.." && pwd)
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

# render VOICE RATE FOLDER: speaks FOLDER/lines.txt.
render() {
    while IFS='|' read -r name text; do
        [ -n "$name" ] || continue
        flite -voice "$1" -t "$text" -o "$work/spoken.wav"
        sox "$work/spoken.wav" "$work/trimmed.wav" rate -h "$2" highpass 100 \
            silence 1 0.01 0.4% reverse silence 1 0.01 0.4% reverse pad 0.06 0.06
        level=$(sox "$work/trimmed.wav" -n stats 2>&1 | awk '/^RMS lev dB/ { print $4 }')
        gain=$(awk -v level="$level" 'BEGIN { print -20 - level }')
        sox -D "$work/trimmed.wav" -t raw -e mu-law -b 8 -c 1 "$3/$name.ulaw" gain "$gain"
    done < "$3/lines.txt"
}

render slt 16000 "$here"
render rms 8000 "$root/src/cli/demo/voices"
