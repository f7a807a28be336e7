// test:vmm: every VMM
/**
 * Root file systems of containerd's erofs snapshotter: layers on disks, with an overlay over them that the guest makes, and each block
 * checked against a root hash where the layer is to be verified.
 */
import { afterAll, beforeAll, describe, expect, setDefaultTimeout, test } from 'bun:test'
import {
  copyFileSync,
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from 'node:fs'
import { join } from 'node:path'
import { busyboxPath } from '../setup/paths.ts'
import { readFacts } from '../src/sandbox/records/facts.ts'
import type { RootfsMount } from '../src/sharing/share.ts'
import { ownDirectory } from './harness/directories.ts'
import { heldOpen, loopsOf, makeExt4, mountsOf, nodesOf, tool } from './harness/host/disks.ts'
import { type HostState, hostState, leftBehind } from './harness/host/host.ts'
import { formatVerity } from './harness/host/verity.ts'
import { scratch } from './harness/kata.ts'
import { slow } from './harness/time.ts'
import { shippedConfiguration, vmm } from './harness/vmm.ts'
import { bind, Pod } from './world/pod.ts'

setDefaultTimeout(slow(60_000))

const area = scratch()
const sizeMiB = 24
const runDir = ownDirectory('/run/kt-')
let before: HostState
let pod: Pod
const held = (disk: string) => {
  const { vmmPid } = readFacts(`${runDir}/k8s.io/layers/sandbox.json`)!
  return nodesOf(disk).flatMap((node) => heldOpen(vmmPid, node))
}
const mountedOnHost = (disk: string) => nodesOf(disk).flatMap(mountsOf)
const fileOf = (disk: string, path: string) => tool(['debugfs', '-R', `cat ${path}`, disk])
const at = (name: string) => join(area.path, name)
const [base, top] = [at('base.erofs'), at('top.erofs')]
const layer = (source: string, ...more: string[]): RootfsMount => ({
  type: 'erofs',
  source,
  options: ['ro', 'loop', ...more],
})
const overlay = (...options: string[]): RootfsMount => ({
  type: 'format/mkdir/overlay',
  source: 'overlay',
  options,
})
const look = 'grep " / " /proc/mounts; cat /layered; ls /sbin'

beforeAll(async () => {
  before = hostState(runDir)
  const configPath = at('configuration.toml')
  writeFileSync(configPath, shippedConfiguration())
  pod = await Pod.start({ id: 'layers', dir: at('pod'), runDir, configPath })
  // As containerd's differ makes layers: they can be merged.
  const mkfs = ['mkfs.erofs', '--quiet', '-E', 'noinline_data']
  tool([...mkfs, base, pod.files])
  const tree = at('top')
  mkdirSync(tree)
  writeFileSync(join(tree, 'layered'), 'by the upper layer\n')
  // A whiteout: what is below it is gone.
  tool(['mknod', join(tree, 'sbin'), 'c', '0', '0'])
  tool([...mkfs, top, tree])
})
afterAll(async () => {
  await pod?.stop()
  expect(leftBehind(before, hostState(runDir))).toEqual([])
  rmSync(runDir, { recursive: true })
  area[Symbol.dispose]()
})

test('below a disk for what is written: the host mounts none of them, and writes to none but that', async () => {
  const disk = at('rwlayer.img')
  makeExt4(disk, sizeMiB)
  const written = { type: 'ext4', source: disk, options: ['rw', 'loop'] }
  const recipe = overlay(
    'X-containerd.mkdir.path={{ mount 0 }}/upper:0755',
    'X-containerd.mkdir.path={{ mount 0 }}/work:0755',
    ...['workdir={{ mount 0 }}/work', 'upperdir={{ mount 0 }}/upper', 'lowerdir={{ overlay 1 2 }}'],
  )
  await pod.add('below', { rootfs: [written, layer(top), layer(base), recipe] })
  const { stdout, stderr } = await pod.exec('below', `${look}; echo kept >/new; sync`)
  expect(stdout).toMatch(/^overlay \/ overlay rw.*\nby the upper layer\n$/)
  expect(stderr).toContain('/sbin')
  for (const file of [base, top, disk]) {
    expect([file, mountedOnHost(file)]).toEqual([file, []])
    if (vmm.driver === 'qemu') expect(loopsOf(file)).toEqual([])
    const flags = held(file).map((info) => /flags:\s*0?(\d+)/.exec(readFileSync(info, 'utf8'))?.[1])
    expect(flags).not.toEqual([])
    // The access mode is the last octal digit: 0 reads, 2 reads and writes.
    expect([file, ...new Set(flags.map((octal) => octal?.at(-1)))]).toEqual([file, file === disk ? '2' : '0'])
  }
  await pod.remove('below')
  for (const file of [base, top, disk]) expect([file, held(file), loopsOf(file)]).toEqual([file, [], []])
  expect(fileOf(disk, '/upper/new')).toBe('kept\n')
})

test('below a directory of the host: what is written goes to a sparse disk in it, which goes with the container', async () => {
  const snapshot = at('snapshot-fs')
  mkdirSync(snapshot, { mode: 0o755 })
  const recipe = overlay(`workdir=${snapshot}-work`, `upperdir=${snapshot}`, 'lowerdir={{ overlay 0 1 }}')
  await pod.add('upper', { rootfs: [layer(top), layer(base), recipe] })
  const { stdout } = await pod.exec('upper', `${look} 2>/dev/null; echo x >/new && stat -c %a /`)
  expect(stdout).toMatch(/^overlay \/ overlay rw.*\nby the upper layer\n755\n$/)
  expect(readdirSync(snapshot)).toHaveLength(1)
  await pod.remove('upper')
  expect(readdirSync(snapshot)).toEqual([])
})

test('none at all: the root is a directory on the disk for what is written', async () => {
  const disk = at('empty.img')
  makeExt4(disk, sizeMiB)
  const recipe = ['X-containerd.mkdir.path={{ mount 0 }}/upper:0755', 'rw', 'rbind']
  const rootfs = [
    { type: 'ext4', source: disk, options: ['rw', 'loop'] },
    { type: 'format/mkdir/bind', source: '{{ mount 0 }}/upper', options: recipe },
  ]
  // What it runs comes by a volume.
  const mounts = [bind(busyboxPath, '/busybox', 'ro')]
  const wish = { rootfs, mounts, args: ['/busybox', 'sh', '-c', '/busybox ls /; echo kept >/new'] }
  await pod.add('empty', wish)
  const { code, stdout } = await pod.end('empty')
  expect({ code, stdout: stdout.split('\n').includes('busybox') }).toEqual({ code: 0, stdout: true })
  expect([mountedOnHost(disk), held(disk)]).toEqual([[], []])
  expect(fileOf(disk, '/upper/new')).toBe('kept\n')
})

test('merged by containerd: names of all, and a disk for each', async () => {
  const meta = at('fsmeta.erofs')
  tool(['mkfs.erofs', '--aufs', '--ovlfs-strip=1', '--quiet', meta, base, top])
  const merged = layer(meta, `device=${base}`, `device=${top}`)
  const view = { type: 'format/bind', source: '{{ mount 0 }}', options: ['ro', 'rbind'] }
  const add = pod.add('merged', { rootfs: [merged, view] })
  if (vmm.driver === 'firecracker') {
    // These are one more disk that is only read than it has.
    await expect(add).rejects.toThrow('VMM_NO_FREE_DRIVE')
    return expect([meta, base, top].flatMap(held)).toEqual([])
  }
  await add
  const { stdout, stderr } = await pod.exec('merged', look)
  expect(stdout).toMatch(/^\/dev\/\w+ \/ erofs ro.*\nby the upper layer\n$/)
  expect(stderr).toContain('/sbin')
  for (const file of [meta, base, top])
    expect([file, mountedOnHost(file), held(file).length > 0]).toEqual([file, [], true])
  await pod.remove('merged')
  expect([held(meta), held(base), held(top)]).toEqual([[], [], []])
})

describe('verified by dm-verity', () => {
  const text = 'by the upper layer'
  const copy = (name: string, change: (bytes: Buffer) => void = () => {}) => {
    const file = at(name)
    copyFileSync(top, file)
    const note = formatVerity(file)
    const bytes = readFileSync(file)
    change(bytes)
    writeFileSync(file, bytes)
    return { file, layer: (wish = note) => layer(file, `X-containerd.dmverity=${wish}`), note }
  }
  const on = (verified: RootfsMount) => ({
    rootfs: [verified, layer(base), overlay('lowerdir={{ overlay 0 1 }}')],
  })
  const devices = 'cat /sys/class/block/dm-*/dm/name'

  test('two containers share the verified device, which goes with the last of them, and then the disk', async () => {
    const whole = copy('whole.erofs')
    await pod.add('one', on(whole.layer()))
    await pod.add('two', on(whole.layer('on')))
    const { stdout } = await pod.exec('one', `cat /layered; ${devices}`)
    expect(stdout).toMatch(new RegExp(`^${text}\nkata-verified-\\d+\n$`))
    await pod.remove('one')
    expect((await pod.exec('two', `cat /layered; ${devices}`)).stdout).toBe(stdout)
    expect([mountedOnHost(whole.file), held(whole.file).length > 0]).toEqual([[], true])
    await pod.remove('two')
    expect(held(whole.file)).toEqual([])
    const { stderr } = await pod.run('after', devices, on(layer(top)))
    expect(stderr).toContain('No such file')
  })

  test('a byte that was changed on the host is an error, and without it is read', async () => {
    const changed = copy('changed.erofs', (bytes) => bytes.write('BY', bytes.indexOf(text)))
    const read = await pod.run('changed', 'cat /layered; ls /; cat /layered', on(changed.layer()))
    expect(read).toMatchObject({ code: 1, stdout: expect.stringMatching(/^bin\n/) })
    expect(read.stderr).toContain('Input/output error')
    const plain = await pod.run('plain', 'cat /layered', on(changed.layer('off')))
    expect(plain).toEqual({ code: 0, stdout: `${text}\n`.replace('by', 'BY'), stderr: '' })
  })

  test.each<[string, (bytes: Buffer) => void]>([
    ['the first block', (bytes) => bytes.fill(1, 1100, 1104)],
    ['the hashes', (bytes) => bytes.fill(1, bytes.length - 64)],
  ])('a change of %s is refused when it is mounted', async (what, change) => {
    const changed = copy('mangled.erofs', change)
    await expect(pod.add('mangled', on(changed.layer()))).rejects.toThrow(/DISK_UNMOUNTABLE.*EIO.*dm-verity/)
    expect([what, held(changed.file)]).toEqual([what, []])
  })

  test('another root hash is refused when it is mounted', async () => {
    const { layer: verified, note } = copy('other.erofs')
    const other = readFileSync(note, 'utf8').replace(/"[0-9a-f]{64}"/, `"${'0'.repeat(64)}"`)
    writeFileSync(note, other)
    await expect(pod.add('other', on(verified()))).rejects.toThrow(/DISK_UNMOUNTABLE.*EIO.*dm-verity/)
  })
})

test('that are only read; and what cannot be taken is refused by its code', async () => {
  const both = overlay('lowerdir={{ overlay 0 1 }}')
  const read = await pod.run('read', `${look} 2>/dev/null; echo x >/new`, {
    rootfs: [layer(top), layer(base), both],
  })
  expect(read).toMatchObject({ code: 1, stdout: expect.stringContaining('by the upper layer') })
  expect(read.stderr).toContain('Read-only file system')
  const verified = [layer(top, 'X-containerd.dmverity=/absent'), layer(base), both]
  await expect(pod.add('verified', { rootfs: verified })).rejects.toThrow(/ROOTFS_LAYERS.*ENOENT/)
  const bad = at('bad.erofs')
  writeFileSync(bad, Buffer.alloc(8192, 0xa5))
  await expect(pod.add('bad-layer', { rootfs: [layer(bad), layer(base), both] })).rejects.toThrow(
    /DISK_UNMOUNTABLE.*erofs/,
  )
  expect([held(bad), held(base), existsSync(bad)]).toEqual([[], [], true])
})
