#!/bin/sh
# First step of the npm commands that set the machine up: brings up what setup/main.ts itself needs, then becomes it.
set -eu
cd "$(dirname "$0")/.."

fail() {
  printf 'set-up stopped: %s\n  What to do: %s\n' "$1" "$2" >&2
  exit 1
}

[ "$(id -u)" -eq 0 ] || fail 'it must be run as root' \
  "run it again with sudo: sudo npm run ${1:-demo}; without root there are: npm run check, npm run unit"

sh setup/supported-debian.sh /etc/os-release || exit 1
command -v npm >/dev/null 2>&1 || fail 'npm is not installed' 'apt-get install nodejs npm'

# npm writes node_modules/.package-lock.json when it has finished, so an interrupted install is never taken for a whole one.
if ! [ node_modules/.package-lock.json -nt package-lock.json ]; then
  mkdir -p build
  echo 'npm packages ...' >&2
  if ! npm ci --no-audit --no-fund --no-progress --loglevel=error >build/npm.log 2>&1; then
    tail -n 20 build/npm.log >&2
    if grep -q ENOSPC build/npm.log; then
      fail 'the disk is full' 'free about 1 GB and run it again'
    fi
    fail 'npm ci failed (its words are above)' 'check the network and the registry that npm is configured for (npm config get registry), then run it again'
  fi
fi

exec sh setup/bun.sh setup/main.ts "$@"
