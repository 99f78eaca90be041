#!/bin/sh
# What the machine can say about the code without running it. Every check runs, also after one has failed.
# The workflow bundle comes first, because the types need what it generates; it refuses forbidden imports (I9).
cd "$(dirname -- "$0")/../.." || exit 1
status=0
check() {
  title=$1
  shift
  if "$@"; then
    echo "ok: $title"
  else
    echo "FAILED: $title"
    status=1
  fi
}
check "workflow bundle" bun deploy/build/generate.ts
check types tsc --project .
check lint biome check
[ ! -e test/unit/import-rules.test.ts ] || check "import rules" bun test ./test/unit/import-rules.test.ts
exit $status
