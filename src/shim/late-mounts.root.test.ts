import { afterAll, beforeAll, expect, test } from 'bun:test'
import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { readLateMounts } from '../bundle/late-mounts.ts'
import { bindMount, mount, mountFlags, unmountBelow } from '../linux/mounts/mount.ts'
import { poll } from '../time.ts'
import { mountedSources } from './late-mounts.ts'

const dir = mkdtempSync(`${tmpdir()}/late-`)
const home = join(dir, 'home')
const bundle = mkdtempSync(`${tmpdir()}/late-bundle-`)
const early = join(home, 'early')
const late = join(home, 'late')
const data = join(late, 'data')

const tmpfs = (target: string) => {
  mkdirSync(target, { recursive: true })
  mount({ source: 'tmpfs', target, type: 'tmpfs' })
}

/** Holds the shim's mount namespace, a slave of ours. We are its client. */
let shim: Bun.Subprocess
const seen = (path: string) => `/proc/${shim.pid}/root${path}`

/** What a process in the shim's namespace does; it starts itself again for `show-mounts`, as the shim does. */
const program = join(bundle, 'shim.ts')
const source = (name: string) => JSON.stringify(join(import.meta.dir, name))
const programText = `
  import { parseShimFlags } from ${source('flags.ts')}
  import { hiddenMounts } from ${source('hidden-mounts.ts')}
  import { leaveLateRootfs, showLateMounts } from ${source('late-mounts.ts')}
  import { showMounts, showMountsApart } from ${source('show-mounts.ts')}
  if (process.argv.at(-1) === 'show-mounts') process.exit(showMounts(parseShimFlags(process.argv.slice(2))))
  const flags = parseShimFlags(['-namespace', 'n', '-id', 'pod', 'serve'])
  const { hidden, show, leave, bundle, client } = await Bun.file(process.argv[2]).json()
  if (hidden) console.log(hiddenMounts(hidden, client).join(' '))
  if (show)
    await showLateMounts({ id: 'c', spec: show, bundle }, client, (...asked) => showMountsApart(flags, ...asked))
  if (leave) leaveLateRootfs(bundle, leave)`

/** What it says on both its streams. */
async function inShim(asked: object): Promise<string> {
  const question = join(bundle, 'question.json')
  writeFileSync(question, JSON.stringify({ ...asked, bundle, client: process.pid }))
  const command = ['nsenter', '--mount', '--target', String(shim.pid), process.execPath, program, question]
  const child = Bun.spawn(command, { stdio: ['ignore', 'pipe', 'pipe'] })
  const words = await Promise.all([child.stdout.text(), child.stderr.text()])
  return words.join('').trim()
}

beforeAll(async () => {
  mkdirSync(home)
  writeFileSync(program, programText)
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
  for (const path of [dir, bundle]) rmSync(path, { recursive: true })
})

test('sources are the root file system and the binds, where they are paths of the client’s', () => {
  const bind = (source: string) => ({ destination: '/x', type: 'bind', source, options: ['rbind'] })
  const virtual = { destination: '/proc', type: 'proc', source: 'proc' }
  expect(mountedSources({ root: { path: late }, mounts: [bind(data), virtual] })).toEqual([late, data])
  expect(mountedSources({ root: { path: 'rootfs' } })).toEqual([])
})

test('a private mount that was made after the shim began is hidden from it, with all that is below', async () => {
  expect(await inShim({ hidden: [early, join(early, 'file'), '/proc/self', '/nonexistent'] })).toBe('')
  expect(await inShim({ hidden: [data, late, join(dir, 'link')] })).toBe(late)
})

test('it is shown to the shim, and a root file system can be left again', async () => {
  const spec = { root: { path: late }, mounts: [{ destination: '/d', type: 'bind', source: data }] }
  expect(await inShim({ show: spec })).toBe('')
  expect(existsSync(seen(join(data, 'file')))).toBe(true)
  expect(await inShim({ hidden: [data] })).toBe('')
  expect(readLateMounts(bundle)).toEqual([late])
  expect(await inShim({ leave: { root: { path: early } } })).toBe('')
  expect(existsSync(seen(join(early, 'file')))).toBe(true)
  expect(await inShim({ leave: { root: { path: late } } })).toBe('')
  expect([existsSync(seen(data)), existsSync(data)]).toEqual([false, true])
})

test('a root file system behind a link can be left, too', async () => {
  // As where /var/lib/containers is a link to another disk.
  symlinkSync(home, join(dir, 'storage'))
  for (const path of [join(dir, 'storage/late'), `${late}/`]) {
    const spec = { root: { path } }
    expect(await inShim({ show: spec })).toBe('')
    expect([readLateMounts(bundle), existsSync(seen(data))]).toEqual([[late], true])
    expect(await inShim({ leave: spec })).toBe('')
    expect([existsSync(seen(data)), existsSync(data)]).toEqual([false, true])
  }
})

test('a network namespace that was made after the shim began is shown to it', async () => {
  const path = join(home, 'netns')
  writeFileSync(path, '')
  expect(Bun.spawnSync(['unshare', `--net=${path}`, 'true']).exitCode).toBe(0)
  const { ino } = statSync(path)
  expect(statSync(seen(path)).ino).not.toBe(ino)
  expect(await inShim({ show: { linux: { namespaces: [{ type: 'network', path }] } } })).toBe('')
  expect(statSync(seen(path)).ino).toBe(ino)
  const other = { linux: { namespaces: [{ type: 'network', path: '/proc/1/ns/net' }, { type: 'mount' }] } }
  expect(mountedSources(other)).toEqual(['/proc/1/ns/net'])
  expect(await inShim({ hidden: mountedSources(other) })).toBe('')
})

test('what has no place in the shim’s view is refused', async () => {
  tmpfs(join(home, 'later'))
  const cover = ['--mount', '--target', String(shim.pid), 'mount', '-t', 'tmpfs', 'tmpfs', dir]
  expect(Bun.spawnSync(['nsenter', ...cover]).exitCode).toBe(0)
  expect(await inShim({ show: { root: { path: join(home, 'later') } } })).toContain('[SHARE_SOURCE_HIDDEN]')
})
