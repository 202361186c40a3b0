#!/bin/sh
# Runs the hook matrix and the tests of the lifecycle, processes, namespaces and cgroups on a real cgroup v2 kernel:
# Debian's user-mode-linux, which boots this machine's files (tests/uml/run.sh). About three minutes.
set -eu
cd "$(dirname "$0")/../.."

cargo=${CARGO:-cargo}
runtime=${LXCRI_TEST_RUNTIME:?names the runtime under test}
list=$(mktemp)
trap 'rm -f "$list"' EXIT
$cargo test --no-run -p lxcri-tests --message-format=json 2>/dev/null >"$list"
status=0
for test in matrix lifecycle process namespaces cgroups; do
    program=$(jq -r "select(.reason == \"compiler-artifact\" and .target.name == \"$test\" and .executable != null) | .executable" "$list")
    set -- --test-threads=1
    [ "$test" = matrix ] && set --
    echo "== $test"
    tests/uml/run.sh env LXCRI_TEST_RUNTIME="$runtime" LXCRI_TEST_MUST_RUN="${LXCRI_TEST_MUST_RUN:-}" "$program" "$@" || status=$?
done
exit "$status"
