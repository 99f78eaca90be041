#!/bin/sh
# Makes ready what every other step needs: Bun (from npm, into the build cache) and the npm dependencies.
# Plain sh, because nothing else is there yet. Prints the progress on stderr and Bun's path on stdout.
# usage: setup.sh <bun version>
set -eu
version=$1
cache=${ACTCORE_BUILD_CACHE:-$HOME/.cache/actcore}
home=$cache/bun-$version
bun=$home/node_modules/.bin/bun
repository=$(CDPATH='' cd -- "$(dirname -- "$0")/../.." && pwd)

# The engines' own module says which Go it needs, so that the number stands once.
go_needed=$(awk '$1 == "go" { print $2 }' "$repository/deploy/engines/go.mod")
fail() {
  echo "error: $1" >&2
  echo "Try: install git, make, Node 20 or newer with npm, and Go $go_needed or newer, then run make again" >&2
  exit 1
}

missing=
for program in git make node npm go; do
  command -v "$program" >/dev/null 2>&1 || missing="$missing $program"
done
[ -z "$missing" ] || fail "not installed:$missing"

node_found=$(node --version)
[ "$(echo "${node_found#v}" | cut -d. -f1)" -ge 20 ] || fail "found Node $node_found"
# Go says itself, on stderr, whether it is new enough for the module or can fetch the one that is.
(cd "$repository/deploy/engines" && go list -m >/dev/null) || fail "this Go cannot build the engines"

if [ ! -x "$bun" ]; then
  echo "  installing Bun $version from npm …" >&2
  draft=$home.tmp-$$
  trap 'rm -rf "$draft"' EXIT
  mkdir -p "$draft"
  npm install --prefix "$draft" --no-save --no-audit --no-fund --loglevel=error "bun@$version" >&2
  # npm may refuse to run the package's install script; it only puts the binary of this platform in place.
  "$draft/node_modules/.bin/bun" --version >/dev/null 2>&1 || (cd "$draft/node_modules/bun" && node install.js >&2)
  found=$("$draft/node_modules/.bin/bun" --version)
  if [ "$found" != "$version" ]; then
    echo "error: asked npm for Bun $version, received $found" >&2
    exit 1
  fi
  # Of two set-ups at once the first to finish wins.
  mv -T "$draft" "$home" 2>/dev/null || [ -x "$bun" ] || mv "$draft" "$home"
fi

# The stamp holds what was installed last, so that a second call costs nothing.
stamp=$repository/node_modules/.actcore-lock
if ! cat "$repository/bun.lock" "$repository"/deploy/patches/*.patch | cmp -s - "$stamp"; then
  echo "  installing the dependencies …" >&2
  (cd "$repository" && "$bun" install --frozen-lockfile >&2)
  # Bun drops a patch without a word when package.json asks for another version than the patch is made for.
  for patch in "$repository"/deploy/patches/*.patch; do
    package=$(basename "${patch%@*}")
    (cd "$repository" && GIT_CEILING_DIRECTORIES=$(dirname "$repository") \
      git apply --reverse --check --directory="node_modules/$package" "$patch") || {
      echo "error: node_modules/$package is not patched as deploy/patches/$(basename "$patch") says" >&2
      echo "Try: see in deploy/patches/README.md whether the new version still needs the patch" >&2
      exit 1
    }
  done
  cat "$repository/bun.lock" "$repository"/deploy/patches/*.patch >"$stamp"
fi
echo "$bun"
