#!/bin/sh
# Becomes `bun "$@"` with the Bun that npm installed: no set-up, no root. The one place that knows where npm puts it.
set -eu
cd "$(dirname "$0")/.."
# .npmrc lets no package run a script of its own, so Bun stays where npm puts it. The last path is that of an older install.
for bun in node_modules/@oven/bun-*/bin/bun node_modules/bun/bin/bun.exe; do
  if [ -x "$bun" ] && "$bun" --version >/dev/null 2>&1; then
    exec "$bun" "$@"
  fi
done
printf '%s\n  What to do: %s\n' 'npm has not installed Bun' \
  'npm ci; if that was done, optional dependencies must not be omitted (npm config get omit)' >&2
exit 1
