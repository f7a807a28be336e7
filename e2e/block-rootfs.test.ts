// test:vmm: every VMM
/**
 * Root file systems on disks of their own, as the snapshotters devmapper and blockfile hand them over: the guest mounts them, and the
 * host never does, whatever is on them.
 */
import { afterAll, beforeAll, describe, expect, setDefaultTimeout, test } from 'bun:test'
import { mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
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
