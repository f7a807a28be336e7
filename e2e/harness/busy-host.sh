#!/bin/sh
# Others at work on the host, until they are told to stop: containers of runc, accounts, bridges, a QEMU. $1 is a directory
# of theirs, $2 a shell that is linked statically. Each says on its first round that it came through, in a file there.
set -u
dir=$1
shell=$2
mkdir -p "$dir/done"
n=0

containers() {
  bundle=$dir/bundle$n
  mkdir -p "$dir/lower/bin" "$bundle/rootfs" "$bundle/upper" "$bundle/work"
  cp -n "$shell" "$dir/lower/bin/sh"
  mount -t overlay -o "lowerdir=$dir/lower,upperdir=$bundle/upper,workdir=$bundle/work" overlay "$bundle/rootfs" || return 1
  (cd "$bundle" && runc spec && sed -i -e 's/"terminal": true/"terminal": false/' -e 's/"cwd": "\/"/"cwd": "\/", "oomScoreAdj": 0/' \
    -e "s|\"linux\": {|\"linux\": { \"cgroupsPath\": \"/somebodys-$n\",|" -e 's/"sh"$/"sh", "-c", "true"/' config.json)
  runc --root "$dir/runc" run --bundle "$bundle" "somebodys-$n" </dev/null >"$dir/runc.log" 2>&1
  code=$?
  umount "$bundle/rootfs"
  rm -rf "$bundle"
  return $code
}

accounts() {
  useradd --system --no-create-home "somebody$n" && groupadd --system "somebodys$n" && gpasswd -a "somebody$n" "somebodys$n" >/dev/null
  code=$?
  # Every other one stays, as those of packages do.
  [ $((n % 2)) -eq 1 ] || userdel "somebody$n"
  return $code
}

links() {
  ip link add "somebr$n" type bridge && ip link add "somev$n" type veth peer name "somew$n" && ip link set "somev$n" master "somebr$n"
  code=$?
  sleep 0.3
  ip link del "somev$n"
  [ $((n % 2)) -eq 1 ] || ip link del "somebr$n"
  return $code
}

machine() {
  timeout 2 qemu-system-x86_64 -accel tcg -machine q35 -m 64 -nodefaults -display none \
    -object memory-backend-file,id=m,size=64M,mem-path="/dev/shm/somebodys$n",share=on -machine memory-backend=m 2>"$dir/qemu.log"
  [ $? -eq 124 ]
}

loop() {
  while [ ! -e "$dir/stop" ]; do
    "$1" && touch "$dir/done/$1"
    n=$((n + 1))
    sleep 0.1
  done
}

for what in containers accounts links machine; do loop $what & done
wait
for name in $(grep -o '^somebody[0-9]*' /etc/passwd); do userdel "$name"; done
for name in $(grep -o '^somebodys[0-9]*' /etc/group); do groupdel "$name"; done
for name in $(ip -o link | grep -o 'somebr[0-9]*'); do ip link del "$name"; done
rm -f /dev/shm/somebodys[0-9]*
