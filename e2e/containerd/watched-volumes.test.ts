/** Volumes that kubelet changes while containers run: they raise inotify events, as under runc. */
import { afterAll, beforeAll, expect, setDefaultTimeout, test } from 'bun:test'
import { chmodSync, mkdirSync, readdirSync, readlinkSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { readFacts } from '../../src/sandbox/records/facts.ts'
import { defaultRunDir, sandboxPaths } from '../../src/sandbox/records/paths.ts'
import { type HostState, hostState } from '../harness/host/host.ts'
import { expectNothingLeft } from '../harness/host/nothing-left.ts'
import { eventually, scratch } from '../harness/kata.ts'
import { slow } from '../harness/time.ts'
import { publish } from './atomic-writer.ts'
import { Containerd } from './containerd.ts'
import type { Pod } from './cri.ts'

setDefaultTimeout(slow(120_000))

const area = scratch()
const host = (name: string) => join(area.path, name)
const volume = (kind: string) => host(`pods/uid/volumes/kubernetes.io~${kind}/v`)
const watcher = host('watcher')
let before: HostState
let containerd: Containerd
let pod: Pod

const bind = (hostPath: string, containerPath: string) => ({ hostPath, containerPath, readonly: true })
const many = (text: string) =>
  Object.fromEntries(Array.from({ length: 17 }, (_, index) => [`key-${index}`, text]))
const sh = async (id: string, script: string) => (await pod.exec(id, ['sh', '-c', script])).stdout
/** Empty for a descriptor that was closed meanwhile. */
function linkAt(path: string): string {
  try {
    return readlinkSync(path)
  } catch {
    return ''
  }
}
/** Waits until the script prints it. */
const prints = (id: string, script: string, text: string) =>
  eventually(text, async () => (await sh(id, script)).includes(text) || undefined, slow(30_000))
const fileSystemOf = (id: string, path: string) =>
  sh(id, `grep ' ${path} ' /proc/mounts | cut -d' ' -f3 | tail -1`)

beforeAll(async () => {
  before = hostState(defaultRunDir)
  const source = join(import.meta.dir, 'watcher.c')
  const { exitCode, stderr } = Bun.spawnSync(['gcc', '-Os', '-static', '-s', '-o', watcher, source], {
    env: { PATH: process.env.PATH ?? '' },
  })
  if (exitCode !== 0) throw new Error(`gcc: ${stderr}`)
  containerd = await Containerd.start()
  pod = await containerd.cri.runPod()
})
afterAll(async () => {
  await containerd?.close()
  area[Symbol.dispose]()
  await expectNothingLeft(before, defaultRunDir)
})

test('an update of a ConfigMap raises the events of kubelet’s atomic writer, and all of it is there then', async () => {
  const directory = volume('configmap')
  publish(directory, { key: 'one', gone: 'x' })
  const script =
    '/watcher /settings ..data > /out; cat /settings/key >> /out; ls -l /settings/..data/ >> /out; exec sleep 1000'
  const id = await pod.start(['sh', '-c', script], {
    mounts: [bind(directory, '/settings'), bind(watcher, '/watcher')],
  })
  await prints(id, 'cat /out', 'watching')
  expect(await sh(id, 'cat /settings/key; readlink /settings/key')).toBe('one..data/key\n')
  expect(await fileSystemOf(id, '/settings')).toBe('tmpfs\n')
  const written = await pod.exec(id, ['sh', '-c', 'echo x > /settings/new'])
  expect(written.stderr).toContain('Read-only file system')
  publish(directory, { key: 'two', added: 'y' })
  await prints(id, 'cat /out', 'move to ..data')
  await prints(id, 'cat /out', 'two')
  // The list is written by the next command.
  await prints(id, 'cat /out', ' added\n')
  const out = await sh(id, 'cat /out')
  // The version is complete before the link leads to it.
  expect(out).toMatch(/create \.\.2026_(.|\n)*move to \.\.data\n/)
  expect(out).toMatch(/ added\n/)
  // What is no more goes with the next look.
  await prints(id, 'ls -A /settings | grep -c .', '4')
  expect(await sh(id, 'ls -A /settings | grep -v 2026')).toBe('..data\nadded\nkey\n')
  await pod.clear()
})

test('every kind of volume that kubelet changes follows, for each container that mounts it', async () => {
  const kinds = ['secret', 'projected', 'downward-api']
  for (const kind of kinds) publish(volume(kind), { key: 'one' })
  const mounts = kinds.map((kind) => bind(volume(kind), `/${kind}`))
  const ids = [
    await pod.start(['sleep', '1000'], { mounts }),
    await pod.start(['sleep', '1000'], { mounts: mounts.slice(0, 1) }),
  ] as const
  for (const kind of kinds) publish(volume(kind), { key: 'two' })
  for (const kind of kinds) await prints(ids[0], `cat /${kind}/key`, 'two')
  await prints(ids[1], 'cat /secret/key', 'two')
  // The end of one leaves the others' alone.
  await containerd.cri.calls.stopContainer({ containerId: ids[0], timeout: 0n })
  await containerd.cri.calls.removeContainer({ containerId: ids[0] })
  publish(volume('secret'), { key: 'three' })
  await prints(ids[1], 'cat /secret/key', 'three')
  await pod.clear()
})

test('a Secret keeps its modes and owners, in every version', async () => {
  const directory = volume('secret')
  const access = { mode: 0o400, owner: 1000 }
  publish(directory, { token: 'one' }, access)
  chmodSync(directory, 0o3775)
  const linux = { resources: {}, securityContext: { runAsUser: { value: 1000n } } }
  const mounts = [bind(directory, '/secret')]
  const id = await pod.start(['sleep', '1000'], { mounts, linux })
  const facts = 'stat -L -c "%a %u %g" /secret/token /secret; cat /secret/token'
  expect(await sh(id, facts)).toBe('400 1000 1000\n3775 0 0\none')
  publish(directory, { token: 'two' }, access)
  await prints(id, 'cat /secret/token', 'two')
  expect(await sh(id, facts)).toBe('400 1000 1000\n3775 0 0\ntwo')
  const other = { resources: {}, securityContext: { runAsUser: { value: 2000n } } }
  const stranger = await pod.start(['sleep', '1000'], { mounts, linux: other })
  expect((await pod.exec(stranger, ['cat', '/secret/token'])).stderr).toContain('Permission denied')
  await pod.clear()
})

test('a larger one is shared and follows without events, which is said once; so is a subPath', async () => {
  const directory = host('pods/uid/volumes/kubernetes.io~configmap/large')
  publish(directory, many('one'))
  const part = host('pods/uid/volume-subpaths/v/c/0')
  mkdirSync(join(part, '..'), { recursive: true })
  writeFileSync(part, 'part')
  const mounts = [bind(directory, '/large'), bind(part, '/part')]
  const id = await pod.start(['sleep', '1000'], { mounts })
  await pod.start(['sleep', '1000'], { mounts })
  expect(await sh(id, 'cat /large/key-16 /part')).toBe('onepart')
  expect(await fileSystemOf(id, '/large')).toBe('virtiofs\n')
  publish(directory, many('two'))
  await prints(id, 'cat /large/key-16', 'two')
  const said = `${directory} has more than 16 files or 1024 KiB`
  expect(containerd.log().split(said)).toHaveLength(2)
  await pod.clear()
})

test('no file server holds on to what an update has replaced', async () => {
  const directory = volume('secret')
  publish(directory, { token: 'one' })
  const id = await pod.start(['sleep', '1000'], { mounts: [bind(directory, '/secret')] })
  const { virtiofsdPids } = readFacts(sandboxPaths(defaultRunDir, 'k8s.io', pod.id).facts)!
  const held = () =>
    virtiofsdPids
      .flatMap((pid) => readdirSync(`/proc/${pid}/fd`).map((fd) => linkAt(`/proc/${pid}/fd/${fd}`)))
      .filter((path) => path.startsWith(`/${id}-`))
  expect(held().some((path) => path.endsWith('/token'))).toBe(true)
  for (const token of ['two', 'three', 'four']) {
    publish(directory, { token })
    await prints(id, 'cat /secret/token', token)
  }
  const isFree = () => !held().some((path) => path.endsWith(' (deleted)')) || undefined
  await eventually('what was replaced to be let go', isFree, slow(30_000)).catch(() => {})
  expect(held().filter((path) => path.endsWith(' (deleted)'))).toEqual([])
  await pod.clear()
})

test('one that grows too large stays as it was, until it fits again', async () => {
  const directory = volume('configmap')
  publish(directory, { key: 'one' })
  const id = await pod.start(['sleep', '1000'], { mounts: [bind(directory, '/settings')] })
  publish(directory, { ...many('x'), key: 'large' })
  // Two looks of the agent, to be sure that there was one.
  await sh(id, 'sleep 5')
  expect(await sh(id, 'cat /settings/key')).toBe('one')
  publish(directory, { key: 'small' })
  await prints(id, 'cat /settings/key', 'small')
  await pod.clear()
})
