/**
 * Networks that pods make themselves: packet filters by an init container, bridges of containers within the pod, WireGuard between pods; and
 * file systems that a pod mounts over its network.
 */
import { afterAll, afterEach, beforeAll, expect, setDefaultTimeout, test } from 'bun:test'
import { generateKeyPairSync } from 'node:crypto'
import { existsSync } from 'node:fs'
import { ContainerState } from '../../src/protocol/generated/cri/runtime.ts'
import { defaultRunDir } from '../../src/sandbox/records/paths.ts'
import { type HostState, hostState } from '../harness/host/host.ts'
import { expectNothingLeft } from '../harness/host/nothing-left.ts'
import { eventually, scratch } from '../harness/kata.ts'
import { serveNfs } from '../harness/network/nfs.ts'
import { hasSamba, serveSmb } from '../harness/network/smb.ts'
import { networkTool } from '../harness/network/tool.ts'
import { slow } from '../harness/time.ts'
import { bridgeAddress, bridgeName } from './configuration.ts'
import { Containerd } from './containerd.ts'
import { type ContainerOptions, ownPids, type Pod } from './cri.ts'

setDefaultTimeout(slow(90_000))

const tools = scratch()
let before: HostState
let containerd: Containerd
let [one, other]: Pod[] = []
beforeAll(async () => {
  networkTool('wireguard', tools.path)
  before = hostState(defaultRunDir)
  containerd = await Containerd.start()
  // As a kubelet says it of a pod that has a privileged container among others.
  one = await containerd.cri.runPod({
    config: { linux: { cgroupParent: '/kata-ts-e2e', securityContext: { privileged: true } } },
  })
  other = await containerd.cri.runPod()
}, slow(120_000))
afterEach(() => Promise.all([one, other].map((pod) => pod?.clear())))
afterAll(async () => {
  await containerd?.close()
  tools[Symbol.dispose]()
  await expectNothingLeft(before, defaultRunDir)
}, slow(60_000))

/** Of the pods' network, and far from the addresses that its plugin begins with. */
const smbAddress = '10.89.7.250'
const host = [{ hostPath: '/usr', containerPath: '/host', readonly: true }]
const withCapabilities = (...addCapabilities: string[]): ContainerOptions => ({
  mounts: [...host, { hostPath: tools.path, containerPath: '/tools', readonly: true }],
  linux: { resources: {}, securityContext: { ...ownPids, capabilities: { addCapabilities } } },
})
const library = '/host/lib/x86_64-linux-gnu'
/** The host's own program, with its libraries. */
const program = (words: string) =>
  `XTABLES_LOCKFILE=/lock XTABLES_LIBDIR=${library}/xtables ${library}/ld-linux-x86-64.so.2 --library-path ${library} /host/sbin/${words}`
const start = (pod: Pod, script: string, options: ContainerOptions = {}) =>
  pod.start(['sh', '-c', script], options)
const say = async (pod: Pod, id: string, script: string) => {
  const { stdout, stderr, exitCode } = await pod.exec(id, ['sh', '-c', script])
  return exitCode === 0 ? stdout : `exit code ${exitCode}: ${stderr}`
}

/** Runs a container to its end, as kubelet runs an init container. Returns its exit code. */
async function init(pod: Pod, script: string, options: ContainerOptions): Promise<number> {
  const containerId = await start(pod, script, options)
  return eventually('its end', async () => {
    const { status } = await containerd.cri.calls.containerStatus({ containerId })
    return status?.state === ContainerState.CONTAINER_EXITED ? [status.exitCode] : undefined
  }).then(([code]) => code!)
}

const served = 8000
const restored = (port: number) => `*nat
-A PREROUTING -p tcp --dport ${port} -j REDIRECT --to-ports ${served}
-A OUTPUT -p tcp --dport ${port} -j REDIRECT --to-ports ${served}
COMMIT`
const ruleset = (port: number) => `table ip mesh {
chain in { type nat hook prerouting priority -100; tcp dport ${port} redirect to :${served}; }
chain out { type nat hook output priority -100; tcp dport ${port} redirect to :${served}; }
}`
const filters: [name: string, port: number, words: string, rules: string][] = [
  ['iptables-restore over nftables', 8081, 'xtables-nft-multi iptables-restore -n', restored(8081)],
  [
    'iptables-restore over the legacy tables',
    8082,
    'xtables-legacy-multi iptables-restore -n',
    restored(8082),
  ],
  ['nft', 8083, 'nft -f -', ruleset(8083)],
]
const absent = filters.filter(([, , words]) => !existsSync(`/usr/sbin/${words.split(' ')[0]}`))
const without = absent.length > 0 ? ' (skipped: this host has no iptables or no nft)' : ''

test.skipIf(without !== '').each(filters)(
  `an init container redirects a port of the pod by %s, for a container without capabilities${without}`,
  async (_, port, words, rules) => {
    const pod = one!
    const server = await start(pod, `echo served >/index.html; exec httpd -f -p ${served} -h /`)
    const ask = () => say(pod, server, `wget -qO- -T 5 http://127.0.0.1:${port}/`)
    expect(await ask()).toContain('refused')
    const script = `cat >/rules <<'END'\n${rules}\nEND\n${program(words)} </rules`
    expect(await init(pod, script, withCapabilities('NET_ADMIN', 'NET_RAW'))).toBe(0)
    expect(await ask()).toBe('served\n')
    const fromHost = await fetch(`http://${await pod.address()}:${port}/`)
    expect(await fromHost.text()).toBe('served\n')
  },
)

test('a privileged container has a bridge of its own, whose namespaces reach each other and, masqueraded, what is outside', async () => {
  const pod = one!
  const linux = { resources: {}, securityContext: { ...ownPids, privileged: true } }
  const id = await start(pod, 'exec sleep 1000', { mounts: host, linux })
  const made = await say(
    pod,
    id,
    `set -e
    ip link add inner0 type bridge; ip addr add 10.99.0.1/24 dev inner0; ip link set inner0 up
    for n in 2 3; do
      unshare -n sleep 1000 & echo $! >/ns$n
      until [ "$(readlink /proc/$(cat /ns$n)/ns/net)" != "$(readlink /proc/self/ns/net)" ]; do sleep 0.1; done
      ${program('../bin/ip link add v$n type veth peer name e$n netns $(cat /ns$n)')}
      brctl addif inner0 v$n; ip link set v$n up
      nsenter -t $(cat /ns$n) -n sh -c "ip addr add 10.99.0.$n/24 dev e$n; ip link set e$n up; ip route add default via 10.99.0.1"
    done
    echo 1 >/proc/sys/net/ipv4/ip_forward
    ${program('xtables-nft-multi iptables -t nat -A POSTROUTING -s 10.99.0.0/24 ! -o inner0 -j MASQUERADE')}
    echo made`,
  )
  expect(made).toBe('made\n')
  const ping = (to: string) => say(pod, id, `nsenter -t $(cat /ns2) -n ping -c 2 -W 5 ${to}`)
  expect(await ping('10.99.0.3')).toContain('2 packets received')
  expect(await ping(bridgeAddress)).toContain('2 packets received')
  expect(await ping('10.99.0.9')).toContain('exit code 1')
})

/** Raw keys in hex. */
function keys(): { own: string; open: string } {
  const { d, x } = generateKeyPairSync('x25519').privateKey.export({ format: 'jwk' })
  const hex = (text = '') => Buffer.from(text, 'base64url').toString('hex')
  return { own: hex(d), open: hex(x) }
}

test('two pods reach each other by WireGuard, and not with the key of another', async () => {
  const pods = [one!, other!]
  const pairs = [keys(), keys()]
  const ids = await Promise.all(
    pods.map((pod) => start(pod, 'exec sleep 1000', withCapabilities('NET_ADMIN'))),
  )
  const configure = async (at: number, peerKey: string) => {
    const [mine, theirs] = [`10.98.0.${at + 1}`, `10.98.0.${2 - at}`]
    const endpoint = await pods[1 - at]!.address()
    return say(
      pods[at]!,
      ids[at]!,
      `ip link del wg0 2>/dev/null; ip link add wg0 type wireguard && ip addr add ${mine}/24 dev wg0 &&
      /tools/wireguard wg0 ${pairs[at]!.own} 51820 ${peerKey} ${endpoint} 51820 ${theirs} && ip link set wg0 up && echo up`,
    )
  }
  const ping = () => say(pods[0]!, ids[0]!, 'ping -c 3 -W 3 10.98.0.2')
  const [a, b] = pairs.map(({ open }) => open)
  expect([await configure(0, b!), await configure(1, keys().open)]).toEqual(['up\n', 'up\n'])
  expect(await ping()).toContain('exit code 1')
  expect([await configure(0, b!), await configure(1, a!)]).toEqual(['up\n', 'up\n'])
  expect(await ping()).toMatch(/[23] packets received/)
})

test('a privileged container mounts a directory of an NFS server, reads and writes', async () => {
  const pod = one!
  const linux = { resources: {}, securityContext: { ...ownPids, privileged: true } }
  const id = await start(pod, 'exec sleep 1000', { linux })
  using server = await serveNfs(bridgeAddress, 'note', 'kept by the server\n')
  const options = [
    ...['vers=3', 'proto=tcp', 'mountproto=tcp', 'nolock', 'soft', 'timeo=100', `addr=${bridgeAddress}`],
    ...[`port=${server.port}`, `mountport=${server.port}`],
  ]
  const mounted = `mkdir -p /n && mount -t nfs -o ${options.join()} ${bridgeAddress}:/shared /n`
  expect(await say(pod, id, `${mounted} && cat /n/note && ls /n && grep -c ' /n nfs ' /proc/mounts`)).toBe(
    'kept by the server\nnote\n1\n',
  )
  expect(await say(pod, id, 'echo from the pod >/n/note && umount /n && echo done')).toBe('done\n')
  expect(server.text()).toBe('from the pod\n')
})

test.skipIf(!hasSamba)(
  `a privileged container mounts a share of an SMB server, with a password and encrypted, reads and writes${hasSamba ? '' : ' (skipped: `npm test` could not fetch Samba)'}`,
  async () => {
    const pod = one!
    const linux = { resources: {}, securityContext: { ...ownPids, privileged: true } }
    const id = await start(pod, 'exec sleep 1000', { linux })
    const place = { bridge: bridgeName, address: smbAddress }
    await using server = await serveSmb(place, 'note', 'kept by the server\n')
    const mount = (options: string) => `mkdir -p /s && mount -t cifs -o ${options} ${server.share} /s`
    // The control: who does not know the password gets nothing.
    const wrong = server.options.replace(/password=[^,]+/, 'password=wrong')
    expect(await say(pod, id, mount(wrong))).toContain('Permission denied')
    expect(
      await say(
        pod,
        id,
        `${mount(server.options)} && cat /s/note && ls /s && grep -c ' /s cifs .*,seal' /proc/mounts`,
      ),
    ).toBe('kept by the server\nnote\n1\n')
    expect(await say(pod, id, 'echo from the pod >/s/note && umount /s && echo done')).toBe('done\n')
    expect(server.text('note')).toBe('from the pod\n')
  },
)
