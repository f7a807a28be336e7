import { afterEach, expect, test } from 'bun:test'
import { closeSync, existsSync, openSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { ownCgroups } from '../../e2e/containerd/cgroups.ts'
import { OwnHost } from './own-host.ts'

const hosts: OwnHost[] = []
function newHost(): OwnHost {
  const host = new OwnHost()
  hosts.push(host)
  return host
}
afterEach(async () => {
  for (const host of hosts.splice(0)) await host[Symbol.asyncDispose]()
})

/** What a shell on the host says, and how it ends. */
async function say(host: OwnHost, script: string): Promise<{ code: number; said: string }> {
  const path = join(host.directory, 'said')
  const output = openSync(path, 'w')
  try {
    const code = await host.run(['sh', '-c', script], output)
    return { code, said: readFileSync(path, 'utf8') }
  } finally {
    closeSync(output)
  }
}

/** One of each kind that a sandbox can leave. */
const plant = `set -e
useradd --no-create-home --no-log-init planted
touch /run/planted /dev/shm/planted /var/lib/kata-ts/planted
ip link add planted type bridge
ip netns add planted
nft add table inet planted
mount -t tmpfs tmpfs /mnt
for procs in $(find /sys/fs/cgroup -maxdepth 2 -name cgroup.procs); do mkdir "$(dirname "$procs")/planted"; done
setsid sleep 4711 >/dev/null 2>&1 &
until pgrep -xf 'sleep 4711' >/dev/null; do sleep 0.05; done
`
const look = `{
grep planted: /etc/passwd /etc/group
find /run /dev/shm /var/lib/kata-ts -name planted
find /sys/fs/cgroup -maxdepth 2 -name planted -not -path '*/kata-ts-e2e*' | head -n 1
ip -o link | grep -o planted
nft list tables | grep planted
grep ' /mnt ' /proc/self/mountinfo
pgrep -xf 'sleep 4711'
} 2>/dev/null | wc -l`
/** Lines of {@link look}; /run/netns has the namespace's name. */
const all = '11\n'

test('what is on it is on no other, nor on the machine; and its end is the end of all of it', async () => {
  const host = newHost()
  const [planted, seen] = ['planted', 'seen'].map((name) => join(host.directory, name))
  const wait = `touch ${planted}; while [ ! -e ${seen} ]; do sleep 0.05; done`
  const first = say(host, `${plant}${look}\n${wait}`)
  while (!existsSync(planted!)) await Bun.sleep(20)
  expect(await say(newHost(), look)).toEqual({ code: 0, said: '0\n' })
  const here = () => Bun.spawnSync(['sh', '-c', look]).stdout.toString()
  // The process is the machine's as well, and so are its cgroups, by their names there.
  expect(here()).toBe('1\n')
  writeFileSync(seen!, '')
  expect(await first).toEqual({ code: 0, said: all })
  expect(here()).toBe('0\n')
}, 60_000)

test('it ends with the code of its program, and leaves neither directory nor cgroup', async () => {
  const host = newHost()
  expect(await say(host, 'cat /proc/self/cgroup; exit 7')).toMatchObject({ code: 7 })
  expect(existsSync(host.directory)).toBe(true)
  await host[Symbol.asyncDispose]()
  expect(existsSync(host.directory)).toBe(false)
  expect(ownCgroups().filter((path) => path.includes(`-${process.pid}-`))).toEqual([])
}, 60_000)

test('it is connected, orphans are waited for, and its cgroups begin with it', async () => {
  const script = `ip route get 198.51.100.1 | grep -o 'dev eth0'
(sh -c 'sleep 0.1 &' &) ; sleep 1
for look in $(seq 200); do dead=$(ps -e -o stat= | grep -c '^Z'); [ "$dead" != 0 ] || break; sleep 0.1; done; echo "$dead"
cut -d: -f3 /proc/self/cgroup | sort -u | tr '\\n' ' '`
  const said = expect.stringMatching(/^dev eth0\n0\n(\/ )?\/init $/)
  expect(await say(newHost(), script)).toEqual({ code: 0, said })
}, 60_000)

test('with the network of whoever made it, it has no other', async () => {
  const host = new OwnHost({ network: 'shared' })
  hosts.push(host)
  const script = 'readlink /proc/self/ns/net'
  const here = Bun.spawnSync(['sh', '-c', script]).stdout.toString()
  expect(await say(host, script)).toEqual({ code: 0, said: here })
  expect((await say(newHost(), script)).said).not.toBe(here)
}, 60_000)

test('a host whose cgroups are read-only, or not mounted, has hosts without cgroups', async () => {
  const inner = `import { ownCgroups } from '../../e2e/containerd/cgroups.ts'
import { OwnHost } from '${import.meta.dir}/own-host.ts'
  await using host = new OwnHost()
  console.log(await host.run(['sh', '-c', 'echo inside; exit 5'], 'inherit'))`
  const nested = `'${process.execPath}' -e "${inner}"`
  const readOnly =
    'for point in /sys/fs/cgroup /sys/fs/cgroup/*/; do mount -o remount,bind,ro "$point" 2>/dev/null; done'
  const script = `${readOnly}; ${nested}; umount -R /sys/fs/cgroup; ${nested}`
  expect(await say(newHost(), script)).toEqual({ code: 0, said: 'inside\n5\ninside\n5\n' })
}, 60_000)

test('it has the environment of this process as it is by then', async () => {
  process.env.WORD_FOR_THE_HOST = 'set since'
  try {
    expect((await say(newHost(), 'echo "$WORD_FOR_THE_HOST"')).said).toBe('set since\n')
  } finally {
    delete process.env.WORD_FOR_THE_HOST
  }
})
