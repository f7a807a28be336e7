#!/bin/sh
# Whether set-up can work on this system: Debian 13 or a relative that has the same packages. Takes the path of an os-release(5) file.
# Says what is missing, and what works instead, before anything is downloaded.
set -eu

fail() {
  printf 'set-up stopped: %s\n  What to do: %s\n' "$1" "$2" >&2
  exit 1
}

bundle='to run kata-ts here, take the bundle, which brings QEMU, virtiofsd and their libraries (docs/how-to/bundle.md);
    to build it, use Debian 13 (trixie) or later on amd64'

[ -r "$1" ] || fail 'this is not Debian' "$bundle"
# shellcheck disable=SC1090
os=$(. "$1" && printf '%s|%s|%s|%s' "${ID:-}" "${ID_LIKE:-}" "${VERSION_ID:-}" "${PRETTY_NAME:-${ID:-unknown}}")
id=${os%%|*} rest=${os#*|}
like=${rest%%|*} rest=${rest#*|}
version=${rest%%|*} name=${rest#*|}

case " $id $like " in
  *' debian '*) ;;
  *) fail "this is not Debian but: $name" "$bundle" ;;
esac
[ "$(uname -m)" = x86_64 ] || fail "this machine is $(uname -m)" 'use Debian 13 (trixie) or later on amd64'

if [ "$id" = debian ]; then
  # Testing and sid have no number.
  case $version in
    [0-9]*) [ "${version%%.*}" -ge 13 ] || fail "this is Debian $version, which has no package virtiofsd (nor have its backports)" "$bundle" ;;
  esac
else
  # A derivative counts its own versions, so apt is asked.
  for package in virtiofsd qemu-system-x86 quickjs; do
    [ -n "$(apt-cache show "$package" 2>/dev/null)" ] ||
      fail "this is $name, whose apt knows no package $package" "apt-get update, if its lists are empty; else $bundle"
  done
  # The machine switches that QEMU is given came with 8.0.
  qemu=$(apt-cache show qemu-system-x86 | sed -n 's/^Version: \([0-9]*:\)\{0,1\}\([0-9]*\).*/\2/p' | sort -n | tail -n 1)
  [ "${qemu:-0}" -ge 8 ] || fail "this is $name, whose QEMU is version ${qemu:-unknown}, older than 8.0" "$bundle"
fi
