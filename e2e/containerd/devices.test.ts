// test:vmm: every VMM
/** Character devices as CRI asks for them: the guest's own, for containers that ask, and nothing of the host's. */
import { afterAll, afterEach, beforeAll, describe, expect, setDefaultTimeout, test } from 'bun:test'
import { readFileSync, writeFileSync } from 'node:fs'
import { defaultRunDir } from '../../src/sandbox/records/paths.ts'
import { podTest } from '../harness/cannot.ts'
import { type HostState, hostState } from '../harness/host/host.ts'
import { expectNothingLeft } from '../harness/host/nothing-left.ts'
import { slow } from '../harness/time.ts'
import { Containerd } from './containerd.ts'
import { type ContainerOptions, ownPids, type Pod } from './cri.ts'

setDefaultTimeout(slow(90_000))

let before: HostState
let containerd: Containerd
let pod: Pod
beforeAll(async () => {
  before = hostState(defaultRunDir)
  containerd = await Containerd.start()
  pod = await containerd.cri.runPod()
}, slow(120_000))
// A machine may have room for a few containers only.
afterEach(() => pod.clear())
afterAll(async () => {
  await containerd?.close()
  await expectNothingLeft(before, defaultRunDir)
}, slow(60_000))

const sleep = ['sh', '-c', 'exec sleep 1000']
const sh = (id: string, script: string) => pod.exec(id, ['sh', '-c', script])
const withCapability = (capability: string, more: ContainerOptions = {}): ContainerOptions => ({
  ...more,
  linux: {
    resources: {},
    securityContext: { ...ownPids, capabilities: { addCapabilities: [capability] } },
  },
})
const hostPath = (path: string, containerPath = path) => ({ mounts: [{ hostPath: path, containerPath }] })
const device = (path: string) => ({ devices: [{ hostPath: path, containerPath: path, permissions: 'rwm' }] })

describe('/dev/kmsg', () => {
  /** Reads the log until now; `cat` would wait for more. */
  const log = (path: string) => `timeout 5 cat ${path} 2>&1; true`

  test.each([
    ['as a hostPath', hostPath('/dev/kmsg')],
    ['as a hostPath under another name', hostPath('/dev/kmsg', '/host/log')],
    ['as a device', device('/dev/kmsg')],
  ])('%s is the log of the guest’s kernel, and never the host’s', async (_, asked) => {
    const path = 'mounts' in asked ? asked.mounts[0]!.containerPath : '/dev/kmsg'
    const id = await pod.start(sleep, withCapability('SYSLOG', asked))
    const { stdout } = await sh(id, log(path))
    const guest = (await sh(id, 'cat /proc/version')).stdout.trim()
    expect(stdout).toContain(guest.slice(0, 40))
    const host = readFileSync('/proc/version', 'utf8').slice(0, 40)
    if (!guest.startsWith(host)) expect(stdout).not.toContain(host)
  })

  test('what a container writes there is in the guest’s log, and not in the host’s', async () => {
    const words = `written by a container ${crypto.randomUUID()}`
    const id = await pod.start(sleep, withCapability('SYSLOG', hostPath('/dev/kmsg')))
    expect(await sh(id, `echo ${words} > /dev/kmsg`)).toMatchObject({ stderr: '', exitCode: 0 })
    expect((await sh(id, log('/dev/kmsg'))).stdout).toContain(words)
    const { stdout } = Bun.spawnSync(['timeout', '2', 'cat', '/dev/kmsg'])
    expect(stdout.toString()).not.toContain(words)
  })

  test('without CAP_SYSLOG it is not read, as on a host that restricts its log', async () => {
    const id = await pod.start(sleep, hostPath('/dev/kmsg'))
    expect((await sh(id, log('/dev/kmsg'))).stdout).toContain('Operation not permitted')
  })
})

describe('/dev/net/tun', () => {
  const make = 'tunctl -t tun7 && cat /sys/class/net/tun7/tun_flags'

  for (const [how, asked] of [
    ['as a hostPath', hostPath('/dev/net/tun')],
    ['as a device', device('/dev/net/tun')],
  ] as const)
    podTest(`${how} makes interfaces with CAP_NET_ADMIN`, async () => {
      const id = await pod.start(sleep, withCapability('NET_ADMIN', asked))
      const { stdout, stderr, exitCode } = await sh(id, `${make}; tunctl -d tun7`)
      expect({ stderr, exitCode }).toEqual({ stderr: '', exitCode: 0 })
      expect(stdout).toContain('0x')
      expect(readFileSync('/proc/net/dev', 'utf8')).not.toContain('tun7')
    })

  podTest('without CAP_NET_ADMIN it makes none', async () => {
    const id = await pod.start(sleep, device('/dev/net/tun'))
    expect((await sh(id, make)).exitCode).not.toBe(0)
    expect((await sh(id, 'ls /sys/class/net')).stdout).not.toContain('tun7')
  })
})

// runc is what a kubelet expects.
test.each(['runc', 'kata-ts'])('%s: without asking, a container has neither', async (handler) => {
  const mine = handler === 'kata-ts' ? pod : await containerd.cri.runPod({ handler })
  const id = await mine.start(sleep, withCapability('NET_ADMIN'))
  const { stdout } = await mine.exec(id, [
    'sh',
    '-c',
    'ls /dev/kmsg /dev/net/tun /dev/fuse 2>/dev/null; true',
  ])
  expect(stdout).toBe('')
  if (mine !== pod) await mine.remove()
})

test('a file of the host beside them is still the host’s', async () => {
  const file = `${containerd.files.root}/beside`
  writeFileSync(file, 'of the host')
  const id = await pod.start(sleep, { mounts: [{ hostPath: file, containerPath: '/dev/beside' }] })
  expect((await sh(id, 'cat /dev/beside')).stdout).toBe('of the host')
})
