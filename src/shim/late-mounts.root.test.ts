import { afterAll, beforeAll, expect, test } from 'bun:test'
import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { readLateMounts } from '../bundle/late-mounts.ts'
import { bindMount, mount, mountFlags, unmountBelow } from '../linux/mounts/mount.ts'
import { poll } from '../time.ts'
import { hiddenMounts, leaveLateRootfs, mountedSources } from './late-mounts.ts'

const dir = mkdtempSync(`${tmpdir()}/late-`)
const home = join(dir, 'home')
const bundle = join(dir, 'bundle')
const early = join(home, 'early')
const late = join(home, 'late')
const data = join(late, 'data')

const tmpfs = (target: string) => {
  mkdirSync(target, { recursive: true })
  mount({ source: 'tmpfs', target, type: 'tmpfs' })
}

/** As a shim: its mount namespace is a slave of ours. */
let shim: Bun.Subprocess
const seen = (path: string) => `/proc/${shim.pid}/root${path}`

/** What a process complains of that shows the mounts of `spec`: it stays in the shim's namespace. */
function show(spec: object): Promise<string> {
  const script = `
    const { showLateMounts } = await import(${JSON.stringify(join(import.meta.dir, 'late-mounts.ts'))})
    showLateMounts(${JSON.stringify({ spec, bundle, container: 'c' })}, ${shim.pid})`
  const child = Bun.spawn([process.execPath, '-e', script], { stdio: ['ignore', 'ignore', 'pipe'] })
  return new Response(child.stderr).text()
}

beforeAll(async () => {
  for (const path of [home, bundle]) mkdirSync(path)
  bindMount(home, home)
  mount({ source: 'none', target: home, flags: mountFlags.private })
  tmpfs(early)
  writeFileSync(join(early, 'file'), '')
  shim = Bun.spawn(['unshare', '--mount', '--propagation', 'slave', 'sleep', '1000'])
  const isApart = () =>
    existsSync(seen(early)) && readFileSync(`/proc/${shim.pid}/comm`, 'utf8') === 'sleep\n'
  await poll(() => isApart() || undefined, { timeoutMs: 10_000 })
  tmpfs(late)
  tmpfs(data)
  writeFileSync(join(data, 'file'), '')
  symlinkSync(data, join(dir, 'link'))
})

afterAll(() => {
  shim.kill()
  unmountBelow(dir)
  rmSync(dir, { recursive: true })
})

test('sources are the root file system and the binds, where they are paths of the client’s', () => {
  const bind = (source: string) => ({ destination: '/x', type: 'bind', source, options: ['rbind'] })
  const virtual = { destination: '/proc', type: 'proc', source: 'proc' }
  expect(mountedSources({ root: { path: late }, mounts: [bind(data), virtual] })).toEqual([late, data])
  expect(mountedSources({ root: { path: 'rootfs' } })).toEqual([])
})

test('a private mount that was made after the shim began is hidden from it, with all that is below', () => {
  expect(hiddenMounts([early, join(early, 'file'), '/proc/self', '/nonexistent'], shim.pid)).toEqual([])
  expect(hiddenMounts([data, late, join(dir, 'link')], shim.pid)).toEqual([late])
})

test('it is shown to the shim, and a root file system can be left again', async () => {
  const spec = { root: { path: late }, mounts: [{ destination: '/d', type: 'bind', source: data }] }
  expect(await show(spec)).toBe('')
  expect(existsSync(seen(join(data, 'file')))).toBe(true)
  expect(hiddenMounts([data], shim.pid)).toEqual([])
  expect(readLateMounts(bundle)).toEqual([late])

  // Here the test itself stands for the shim: what it unmounts is its own.
  leaveLateRootfs(bundle, { root: { path: early } })
  expect(existsSync(join(early, 'file'))).toBe(true)
  leaveLateRootfs(bundle, { root: { path: late } })
  expect(existsSync(data)).toBe(false)
  expect(existsSync(seen(join(data, 'file')))).toBe(true)
})

test('what has no place in the shim’s view is refused', async () => {
  tmpfs(join(home, 'later'))
  const cover = ['--mount', '--target', String(shim.pid), 'mount', '-t', 'tmpfs', 'tmpfs', dir]
  expect(Bun.spawnSync(['nsenter', ...cover]).exitCode).toBe(0)
  expect(await show({ root: { path: join(home, 'later') } })).toContain('[SHARE_SOURCE_HIDDEN]')
})
