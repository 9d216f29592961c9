#!/bin/sh
# Tells of files that appear in a folder. A process a tick: one line of JSON on stdin, one on stdout. Needs jq.
# The cursor is the time of the newest file that was told of, in seconds since 1970.
set -eu
request=$(cat)

asked() { printf '%s' "$request" | jq -r ".params.$1"; }
replied() { jq -cn --argjson id "$(printf '%s' "$request" | jq .id)" "$@"; exit; }
refused() { replied --argjson code "$1" --arg message "$2" '{$id, error: {$code, $message}}'; }

folder=$(asked config.folder)
[ "$folder" != null ] || refused -32602 '`folder` is missing'    # the job is paused until somebody mends its config
[ -d "$folder" ] || refused -32001 "there is no folder $folder"  # tried again later

since=$(asked 'cursor // empty | @base64d')
if [ -z "$since" ]; then # the first time: what is there already is no news
    replied --arg now "$(date +%s.%N)" '{$id, result: {next_cursor: ($now | @base64)}}'
fi
find "$folder" -maxdepth 1 -type f -newermt "@$since" -printf '%T@\t%f\n' | sort -n | jq -Rcn \
    --argjson id "$(printf '%s' "$request" | jq .id)" \
    --argjson deliver "$(asked config.deliver)" --arg since "$since" '
    [inputs / "\t"] as $new
    | {$id, result: {
        next_cursor: ($new[-1][0] // $since | @base64),
        metrics: {items_seen: ($new | length), items_dispatched: ($new | length)},
        deliver: [$new[] | {channel: $deliver.channel, recipient: $deliver.to, payload: "new file: \(.[1])"}]
    }}'
