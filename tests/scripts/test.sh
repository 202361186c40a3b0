#!/bin/bash
# Runs every test of the workspace and closes with the sum of all results.
set -u

log=$(mktemp)
trap 'rm -f "$log"' EXIT
# Output of tests that passed is shown as well, since a skipped test says why.
${CARGO:-cargo} test --workspace --no-fail-fast "$@" -- --show-output 2>&1 | tee "$log"
status=${PIPESTATUS[0]}

awk '
    /^test result: / { passed += $4; failed += $6; ignored += $8 }
    /^[0-9]+ passed, [0-9]+ failed/ { passed += $1; failed += $3; skipped += $5 }
    / skipped: / && !/^skipped: / && !/^differs: / { skipped++; passed-- }
    END {
        printf "\n"
        if (ignored) printf "%d ignored (run with -- --ignored)\n", ignored
        printf "%d passed, %d failed", passed, failed
        if (skipped) printf ", %d skipped", skipped
        printf "\n"
    }' "$log"
exit "$status"
