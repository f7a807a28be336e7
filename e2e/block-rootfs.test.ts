// test:vmm: every VMM
/**
 * Root file systems on disks of their own, as the snapshotters devmapper and blockfile hand them over: the guest mounts them, and the
 * host never does, whatever is on them. And those of containerd's erofs snapshotter: layers on disks, with an overlay over them.
 */
import { afterAll, beforeAll, describe, expect, setDefaultTimeout, test } from 'bun:test'
import { existsSync, mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { readFacts } from '../src/sandbox/records/facts.ts'
import type { RootfsMount } from '../src/sharing/share.ts'
import { ownDirectory } from './harness/directories.ts'
import { heldOpen, LoopDevice, makeExt4, mountsOf, tool } from './harness/host/disks.ts'
import { type HostState, hostState, leftBehind } from './harness/host/host.ts'
import { scratch } from './harness/kata.ts'
import { slow } from './harness/time.ts'
import { shippedConfiguration, vmm } from './harness/vmm.ts'
import { Pod } from './world/pod.ts'

setDefaultTimeout(slow(60_000))

const area = scratch()
const image = join(area.path, 'snapshot')
const mounted = join(area.path, 'mounted')
const sizeMiB = 24
let device: LoopDevice
let before: HostState

beforeAll(() => {
  before = hostState('/run/kp-none')
  device = new LoopDevice(sizeMiB)
  mkdirSync(mounted)
})
afterAll(() => {
  device[Symbol.dispose]()
  area[Symbol.dispose]()
  expect(leftBehind(before, hostState('/run/kp-none'))).toEqual([])
})

const onDevice = (): RootfsMount[] => [{ type: 'ext4', source: device.path, options: ['rw'] }]
const inFile = (access = 'rw'): RootfsMount[] => [{ type: 'ext4', source: image, options: [access, 'loop'] }]
const fileOf = (disk: string, path: string) => tool(['debugfs', '-R', `cat ${path}`, disk])

const sharing = vmm.driver === 'firecracker' ? (['none'] as const) : (['virtio-fs', 'none'] as const)

describe.each(sharing)('a root file system on a disk, shared_fs = "%s"', (sharedFs) => {
  const runDir = ownDirectory('/run/kt-')
  let pod: Pod
  const held = (disk: string) => heldOpen(readFacts(`${runDir}/k8s.io/disks/sandbox.json`)!.vmmPid, disk)

  beforeAll(async () => {
    const configPath = join(area.path, 'configuration.toml')
    writeFileSync(
      configPath,
      shippedConfiguration().replace(/^shared_fs = .*$/m, `shared_fs = "${sharedFs}"`),
    )
    const dir = join(area.path, sharedFs)
    mkdirSync(dir)
    pod = await Pod.start({ id: 'disks', dir, runDir, configPath })
    rmSync(image, { force: true })
    makeExt4(image, sizeMiB, pod.files)
    tool(['dd', `if=${image}`, `of=${device.path}`, 'bs=1M', 'conv=fsync', 'status=none'])
  })
  afterAll(async () => {
    await pod?.stop()
    rmSync(runDir, { recursive: true })
  })

  test('a block device: no process of the host has it mounted, and what the guest writes is on it', async () => {
    await pod.add('device', { rootfs: onDevice() })
    const { stdout } = await pod.exec('device', 'grep " / " /proc/mounts; echo written >/new; sync')
    expect(stdout).toMatch(/^\/dev\/\w+ \/ ext4 rw/)
    expect(held(device.path)).not.toEqual([])
    expect(mountsOf(device.path)).toEqual([])
    expect(device.node).toBe('brw------- 0:0')
    await pod.remove('device')
    expect(held(device.path)).toEqual([])
    device.read()
    expect(fileOf(device.file, '/new')).toBe('written\n')
    // The control: a mount of the host is seen.
    tool(['mount', device.path, mounted])
    try {
      expect(mountsOf(device.path)).not.toEqual([])
    } finally {
      tool(['umount', mounted])
    }
  })

  test('an image in a file: the guest writes, and the next container finds it', async () => {
    const first = await pod.run('file', 'echo kept >/kept', { rootfs: inFile() })
    expect(first).toEqual({ code: 0, stdout: '', stderr: '' })
    expect(fileOf(image, '/kept')).toBe('kept\n')
    const next = await pod.run('next', 'cat /kept; echo no >/kept', { rootfs: inFile('ro') })
    expect(next).toMatchObject({ code: 1, stdout: 'kept\n' })
    expect(next.stderr).toContain('Read-only file system')
    expect([held(image), tool(['losetup', '--associated', image])]).toEqual([[], ''])
  })

  test('one whose superblock is garbage is refused by its code; nothing of it stays, and the pod goes on', async () => {
    const bad = join(area.path, 'garbage')
    const bytes = readFileSync(image)
    bytes.fill(0xa5, 1024, 2048)
    writeFileSync(bad, bytes)
    const rootfs = [{ type: 'ext4', source: bad, options: ['rw', 'loop'] }]
    await expect(pod.add('bad', { rootfs })).rejects.toThrow(
      /DISK_UNMOUNTABLE.*container bad: .*ext4: EINVAL/,
    )
    expect([held(bad), mountsOf(bad), tool(['losetup', '--associated', bad])]).toEqual([[], [], ''])
    expect((await pod.run('after', 'cat /kept', { rootfs: inFile() })).stdout).toBe('kept\n')
  })

  // Without a share the disks are the same: e2e/no-share.test.ts has a container on them.
  const noErofs = sharedFs === 'none' ? ' (skipped: shown with a share)' : ''
  describe.skipIf(noErofs !== '')(`layers of type erofs${noErofs}`, () => {
    const at = (name: string) => join(area.path, `${sharedFs}-${name}`)
    const [base, top] = [at('base.erofs'), at('top.erofs')]
    const layer = (source: string, ...more: string[]): RootfsMount => ({
      ...{ type: 'erofs', source, options: ['ro', 'loop', ...more] },
    })
    const overlay = (...options: string[]): RootfsMount => ({
      ...{ type: 'format/mkdir/overlay', source: 'overlay', options },
    })
    const look = 'grep " / " /proc/mounts; cat /layered; ls /sbin'

    beforeAll(() => {
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

    test('below a disk for what is written: the host mounts none of them, and writes to none but that', async () => {
      const disk = at('rwlayer.img')
      makeExt4(disk, sizeMiB)
      const written = { type: 'ext4', source: disk, options: ['rw', 'loop'] }
      const recipe = overlay(
        'X-containerd.mkdir.path={{ mount 0 }}/upper:0755',
        'X-containerd.mkdir.path={{ mount 0 }}/work:0755',
        ...['workdir={{ mount 0 }}/work', 'upperdir={{ mount 0 }}/upper', 'lowerdir={{ overlay 1 2 }}'],
      )
      await pod.add('layers', { rootfs: [written, layer(top), layer(base), recipe] })
      const { stdout, stderr } = await pod.exec('layers', `${look}; echo kept >/new; sync`)
      expect(stdout).toMatch(/^overlay \/ overlay rw.*\nby the upper layer\n$/)
      expect(stderr).toContain('/sbin')
      for (const file of [base, top, disk]) {
        expect([file, mountsOf(file), tool(['losetup', '--associated', file])]).toEqual([file, [], ''])
        const flags = held(file).map((info) => /flags:\s*0?(\d+)/.exec(readFileSync(info, 'utf8'))?.[1])
        expect(flags).not.toEqual([])
        // The access mode is the last octal digit: 0 reads, 2 reads and writes.
        expect([file, ...new Set(flags.map((octal) => octal?.at(-1)))]).toEqual([
          file,
          file === disk ? '2' : '0',
        ])
      }
      await pod.remove('layers')
      expect([held(base), held(top), held(disk)]).toEqual([[], [], []])
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

    // One more disk that is only read than it has.
    const noMerged = vmm.driver === 'firecracker' ? ' (skipped: Firecracker has two such disks)' : ''
    test.skipIf(noMerged !== '')(
      `merged by containerd: names of all, and a disk for each${noMerged}`,
      async () => {
        const meta = at('fsmeta.erofs')
        tool(['mkfs.erofs', '--aufs', '--ovlfs-strip=1', '--quiet', meta, base, top])
        const merged = layer(meta, `device=${base}`, `device=${top}`)
        const view = { type: 'format/bind', source: '{{ mount 0 }}', options: ['ro', 'rbind'] }
        await pod.add('merged', { rootfs: [merged, view] })
        const { stdout, stderr } = await pod.exec('merged', look)
        expect(stdout).toMatch(/^\/dev\/\w+ \/ erofs ro.*\nby the upper layer\n$/)
        expect(stderr).toContain('/sbin')
        for (const file of [meta, base, top])
          expect([file, mountsOf(file), held(file).length > 0]).toEqual([file, [], true])
        await pod.remove('merged')
        expect([held(meta), held(base), held(top)]).toEqual([[], [], []])
      },
    )

    test('that are only read; and what cannot be taken is refused by its code', async () => {
      const both = overlay('lowerdir={{ overlay 0 1 }}')
      const read = await pod.run('read', `${look} 2>/dev/null; echo x >/new`, {
        rootfs: [layer(top), layer(base), both],
      })
      expect(read).toMatchObject({ code: 1, stdout: expect.stringContaining('by the upper layer') })
      expect(read.stderr).toContain('Read-only file system')
      const verified = [layer(top, 'X-containerd.dmverity=/m'), layer(base), both]
      await expect(pod.add('verified', { rootfs: verified })).rejects.toThrow('ROOTFS_LAYERS')
      const bad = at('bad.erofs')
      writeFileSync(bad, Buffer.alloc(8192, 0xa5))
      await expect(pod.add('bad-layer', { rootfs: [layer(bad), layer(base), both] })).rejects.toThrow(
        /DISK_UNMOUNTABLE.*erofs/,
      )
      expect([held(bad), held(base), existsSync(bad)]).toEqual([[], [], true])
    })
  })

  test('one that the host has mounted itself is refused, because two kernels would write to it', async () => {
    tool(['mount', device.path, mounted])
    try {
      await expect(pod.add('twice', { rootfs: onDevice() })).rejects.toThrow('DEVICE_IN_USE')
    } finally {
      tool(['umount', mounted])
    }
    expect(held(device.path)).toEqual([])
  })
})
