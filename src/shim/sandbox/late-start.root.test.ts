/** StartSandbox in a shim that is older than its pod: what its client mounted after that is shown to the shim first. */
import { afterAll, beforeAll, beforeEach, expect, test } from 'bun:test'
import { existsSync, mkdirSync, mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { readLateMounts } from '../../bundle/late-mounts.ts'
import type { Sandbox } from '../../sandbox/sandbox.ts'
import { poll } from '../../time.ts'
import { Pod } from '../daemon/pod.ts'
import type { MountShower } from '../late-mounts.ts'
import { SandboxService } from './sandbox-service.ts'

const directory = mkdtempSync(`${tmpdir()}/late-start-`)
const namespaces = `${directory}/netns`
const podId = { sandboxId: 'pod' }

/** Has a mount of its own, in which the pod's network namespace is. */
let client: Bun.Subprocess
let bundle: string
beforeAll(async () => {
  mkdirSync(namespaces)
  const script = `mount -t tmpfs tmpfs ${namespaces} && touch ${namespaces}/own && exec sleep 1000`
  client = Bun.spawn(['unshare', '--mount', '--propagation', 'private', 'sh', '-c', script])
  const isThere = () => existsSync(`/proc/${client.pid}/root${namespaces}/own`)
  await poll(() => isThere() || undefined, { timeoutMs: 10_000 })
})
afterAll(async () => {
  client.kill()
  await client.exited
  rmSync(directory, { recursive: true })
})
beforeEach(() => {
  bundle = mkdtempSync(`${directory}/bundle-`)
})

/** A pod whose network namespace is at `netnsPath`; what happens, in order. */
async function described(netnsPath: string, showMounts?: MountShower) {
  const came: string[] = []
  const never = new Promise<never>(() => {})
  const machine = { pid: 4242, died: never, stopped: never, watchOom: async () => {} }
  const pod = new Pod({
    id: 'pod',
    createSandbox: async () => {
      came.push('machine')
      return machine as unknown as Sandbox
    },
    onDied: () => {},
    onLeft: () => {},
    oom: { isKnown: () => false, onOom: () => {} },
  })
  const service = new SandboxService({
    pod,
    runtimeOptions: () => undefined,
    networkStats: async () => [],
    onShutdown: () => {},
    ...(showMounts && {
      showMounts: (...asked: Parameters<MountShower>) => {
        came.push(`show ${asked[1]}`)
        return showMounts(...asked)
      },
    }),
  })
  await service.createSandbox({
    ...podId,
    bundlePath: bundle,
    rootfs: [],
    options: undefined,
    netnsPath,
    annotations: {},
  })
  const start = () => service.startSandbox(podId, { onCancel: () => {}, peer: client.pid })
  return { came, start }
}

test('its network namespace, where the shim does not see it', async () => {
  const { came, start } = await described(`${namespaces}/own`, async () => undefined)
  await start()
  expect(came).toEqual([`show ${client.pid}`, 'machine'])
  expect(readLateMounts(bundle)).toEqual([namespaces])
})

test('nothing, where it sees all, and where it is no older than its pod', async () => {
  const seen = await described('/proc/self/ns/net', async () => undefined)
  await seen.start()
  const younger = await described(`${namespaces}/own`)
  await younger.start()
  expect([seen.came, younger.came]).toEqual([['machine'], ['machine']])
})

test('no machine starts for one that cannot be shown', async () => {
  const { came, start } = await described(`${namespaces}/own`, async () => ({
    point: namespaces,
    errno: 'EPERM',
  }))
  const failure = await start().catch((error) => error)
  expect(failure).toMatchObject({ code: 'SHARE_SOURCE_HIDDEN' })
  expect(came).toEqual([`show ${client.pid}`])
})
