#!/bin/sh
# Starts the server, or another command of mlxk: `start --model NAME` and `start pull NAME` both work.
set -eu

folder=${MLXK_MODELS:-/models}
if ! [ -w "$folder" ]; then
    echo "error: \`$folder\` can't be written by user $(id -u); mount a volume there, or one that this user owns" >&2
    exit 1
fi

case "${1:-}" in
    '' | -*)
        # A key belongs into a file that only the container sees, not into its environment.
        if [ -n "${MLXK_API_KEY_FILE:-}" ]; then
            set -- --api-key-file "$MLXK_API_KEY_FILE" "$@"
        fi
        exec mlxk server "$@"
        ;;
    *)
        exec mlxk "$@"
        ;;
esac
