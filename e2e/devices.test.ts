// test:vmm: every VMM
/**
 * Block devices and disk images of the host in containers, handed over as descriptors: the node on the host belongs to root
 * alone before, during and after, and the VMM's user could not open it.
 */
import { afterAll, beforeAll, describe, expect, test } from 'bun:test'
import { chmodSync, existsSync, mkdirSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { directVolumeDir } from '../src/devices/direct-volume.ts'
import type { KataError } from '../src/errors.ts'
import { bindMount } from '../src/linux/mounts/mount.ts'
import type { SpecDevice } from '../src/oci/defaults/default-spec.ts'
import type { OciSpec } from '../src/oci/spec.ts'
import { finish, Pod } from './devices/pod.ts'
import { heldOpen, LoopDevice, readFromExt4, tool } from './harness/host/disks.ts'
import { type HostState, hostState, leftBehind } from './harness/host/host.ts'
import { scratch } from './harness/kata.ts'
import { slow } from './harness/time.ts'
import { vmm as vmmUnderTest } from './harness/vmm.ts'

const bootMs = slow(60_000)
const rootOnly = 'brw------- 0:0'

/** As `--device` tells it. */
const device = (loop: LoopDevice, readonly = false): SpecDevice => ({
  what: 'block',
  destination: '/dev/xvda',
  readonly,
  ...loop.numbers,
})
const rawMiB = 8
/** A line of shell for each disk of the guest that has the size of `raw`: others are the guest's own. */
const ofRaw = (command: string) =>
  `for d in /sys/class/block/*; do [ "$(cat $d/size)" != ${rawMiB * 2048} ] || ${command}; done`

/** As `-v DISK:/data:ext4` tells it. */
const volume = (source: string, readonly = false) => ({
  source,
  destination: '/data',
  readonly,
  fsType: 'ext4',
})

const nvidia = { path: '/dev/nvidia0', type: 'c', major: 195, minor: 0 }
const fifo = { path: '/dev/initctl', type: 'p', fileMode: 0o600 }
const withDevice =
  (device: typeof nvidia | typeof fifo) =>
  ({ linux, ...spec }: OciSpec): OciSpec => ({ ...spec, linux: { ...linux, devices: [device] } })

const buses = (['virtio-blk', 'virtio-scsi'] as const).filter(
  (bus) => vmmUnderTest.driver === 'qemu' || bus === 'virtio-blk',
)

describe.each(buses)('%s', (blockDeviceDriver) => {
  let pod: Pod
  let before: HostState
  let raw: LoopDevice
  let disk: LoopDevice
  let dir: ReturnType<typeof scratch>
  const vmm = () => pod.sandbox.pid
  const held = (path: string) => heldOpen(vmm(), path)

  beforeAll(async () => {
    raw = new LoopDevice(rawMiB)
    disk = new LoopDevice(16, { ext4: true })
    dir = scratch()
    chmodSync(dir.path, 0o700)
    before = hostState('/run/kp-none')
    pod = await Pod.start({ blockDeviceDriver })
  }, bootMs)
  afterAll(async () => {
    await pod[Symbol.asyncDispose]()
    expect(leftBehind(before, hostState('/run/kp-none'))).toEqual([])
    for (const loop of [raw, disk]) {
      expect(loop.node).toBe(rootOnly)
      loop[Symbol.dispose]()
    }
    dir[Symbol.dispose]()
  })

  test('a block device is written by the guest, under the guest’s numbers; its node stays root’s alone', async () => {
    expect(raw.node).toBe(rootOnly)
    const script = `stat -c "%t:%T %a" /dev/xvda; ${ofRaw('cat $d/dev')}; printf written >/dev/xvda; sync`
    const container = await pod.create(script, { devices: [device(raw)] })
    // While it is there: open for the VMM by a descriptor, closed to its user by path.
    expect(held(raw.path)).not.toEqual([])
    expect(raw.node).toBe(rootOnly)
    const uid = readFileSync(`/proc/${vmm()}/status`, 'utf8').match(/^Uid:\t(\d+)/m)![1]!
    const asVmm = Bun.spawnSync(
      ['setpriv', '--reuid', uid, '--regid', uid, '--clear-groups', 'head', '-c1', raw.path],
      { env: { PATH: '/usr/bin:/bin', LC_ALL: 'C' } },
    )
    expect(asVmm.stderr.toString()).toContain('Permission denied')
    const { stdout, stderr } = await finish(container)
    const [node, ...guestDisks] = stdout.trim().split('\n')
    expect(stderr).toBe('')
    const [major, minor] = node!
      .split(' ')[0]!
      .split(':')
      .map((hex) => Number.parseInt(hex, 16))
    expect(guestDisks).toEqual([`${major}:${minor}`])
    expect(node).toEndWith(' 600')
    await container.remove()
    expect(raw.read().toString('latin1', 0, 7)).toBe('written')
    expect(held(raw.path)).toEqual([])
    expect(raw.node).toBe(rootOnly)
  })

  test('it goes with its container and comes again with the next', async () => {
    for (const round of ['once', 'twice']) {
      const { stdout } = await pod.run(`printf ${round} >/dev/xvda; ${ofRaw('echo there')}`, {
        devices: [device(raw)],
      })
      expect(stdout).toBe('there\n')
      expect(raw.read().toString('latin1', 0, round.length)).toBe(round)
    }
    const { stdout } = await pod.run(ofRaw('echo there'))
    expect(stdout).toBe('')
  })

  test('for reading only: the container may not, the guest’s kernel cannot, and the descriptor could not', async () => {
    const content = raw.read()
    const container = await pod.create(
      `${ofRaw('cat $d/ro')}; head -c 4 /dev/xvda; echo; echo x >/dev/xvda`,
      { devices: [device(raw, true)] },
    )
    const flags = held(raw.path).map((fdinfo) => readFileSync(fdinfo, 'utf8'))
    expect(flags).not.toEqual([])
    for (const text of flags) expect(Number.parseInt(/^flags:\s*(\d+)/m.exec(text)![1]!, 8) & 3).toBe(0)
    const { stdout, stderr } = await finish(container)
    expect(stdout.split('\n').slice(0, 2)).toEqual(['1', content.toString('latin1', 0, 4)])
    expect(stderr).toContain('Operation not permitted')
    await container.remove()
    expect(raw.read().equals(content)).toBe(true)
  })

  test('a device that the container was not given cannot be reached by making a node for it', async () => {
    const numbers = (await pod.run(ofRaw('cat $d/dev'), { devices: [device(raw)] })).stdout.trim()
    const container = await pod.create('sleep 60', { devices: [device(raw)] })
    await container.init.start()
    const script = `rm -f /dev/disk; mknod /dev/disk b ${numbers.replace(':', ' ')} && head -c1 /dev/disk`
    expect((await pod.run(script)).stderr).toContain('Operation not permitted')
    // The control: with a rule for it the same works.
    expect((await pod.run(script, { devices: [device(raw)] })).status).toBe(0)
    await container.init.signal(9)
    await container.init.wait()
    await container.remove()
    expect(held(raw.path)).toEqual([])
  })

  test('the file system of a block device as a volume, written and then only read', async () => {
    const wrote = await pod.run('grep " /data " /proc/mounts; echo data >/data/file', {
      mounts: [volume(disk.path)],
    })
    expect(wrote.stdout).toMatch(/^\/dev\/\w+ \/data ext4 rw/)
    expect(readFromExt4(disk, '/file')).toBe('data\n')
    const read = await pod.run('cat /data/file; echo x >/data/other', { mounts: [volume(disk.path, true)] })
    expect(read).toMatchObject({ stdout: 'data\n', status: 1 })
    expect(read.stderr).toContain('Read-only file system')
    expect(disk.node).toBe(rootOnly)
  })

  test('two containers of the pod have one volume at the same time', async () => {
    const first = await pod.create('echo shared >/data/shared; sleep 60', { mounts: [volume(disk.path)] })
    await first.init.start()
    const { stdout } = await pod.run('until cat /data/shared 2>/dev/null; do sleep 0.1; done', {
      mounts: [volume(disk.path)],
    })
    expect(stdout).toBe('shared\n')
    expect(held(disk.path)).not.toEqual([])
    await first.init.signal(9)
    await first.init.wait()
    await first.remove()
    expect(held(disk.path)).toEqual([])
  })

  test('a disk image as a volume and as a device; only root comes as far as the image', async () => {
    const image = `${dir.path}/image`
    writeFileSync(image, readFileSync(disk.file), { mode: 0o600 })
    const { stdout } = await pod.run('cat /data/shared; echo image >/data/here', {
      mounts: [{ ...volume(image), isImage: true }],
    })
    expect(stdout).toBe('shared\n')
    expect(tool(['debugfs', '-R', 'cat /here', image])).toBe('image\n')
    const asDevice = await pod.run('[ -b /dev/xvdb ] && head -c 1082 /dev/xvdb | tail -c 2 | od -An -tx1', {
      devices: [{ what: 'file', source: image, destination: '/dev/xvdb', readonly: true }],
    })
    // The magic number of ext4.
    expect(asDevice.stdout.trim()).toBe('53 ef')
    expect(held(image)).toEqual([])
  })

  test('a bind mount of a block device shows the device', async () => {
    const mounts = [{ source: raw.path, destination: '/node', readonly: false }]
    const { stdout, stderr } = await pod.run('[ -b /node ] && printf bound >/node && echo done', { mounts })
    expect({ stdout, stderr }).toEqual({ stdout: 'done\n', stderr: '' })
    expect(raw.read().toString('latin1', 0, 5)).toBe('bound')
  })

  test('a direct-assigned volume comes from its note, belongs to the group, and says who has it', async () => {
    const directory = directVolumeDir(`${dir.path}/volume`)
    mkdirSync(directory, { recursive: true })
    try {
      const metadata = { fsGroup: '2000', fsGroupChangePolicy: 'OnRootMismatch' }
      const note = { 'volume-type': 'block', device: disk.path, fstype: 'ext4', options: [], metadata }
      writeFileSync(`${directory}/mountInfo.json`, JSON.stringify(note))
      const container = await pod.create('stat -c "%g %a" /data /data/file', {
        mounts: [{ source: `${dir.path}/volume`, destination: '/data', readonly: false }],
      })
      expect(existsSync(`${directory}/pod`)).toBe(true)
      expect((await finish(container)).stdout).toBe('2000 2775\n2000 664\n')
      await container.remove()
      expect(existsSync(`${directory}/pod`)).toBe(false)
    } finally {
      rmSync(directory, { recursive: true })
    }
  })

  test('a FIFO is made anew in the container, as other runtimes do', async () => {
    expect((await pod.run('test -p /dev/initctl', {}, withDevice(fifo))).status).toBe(0)
    expect((await pod.run('test -p /dev/initctl')).status).toBe(1)
  })

  describe('refused, with nothing left in the machine', () => {
    const refused = async (path: string, code: string, ...what: Parameters<Pod['create']>) => {
      const was = held(path)
      await expect(pod.create(...what)).rejects.toThrow(new RegExp(`^\\[${code}\\]`))
      expect(held(path)).toEqual(was)
    }

    test('a node that has become another device', async () => {
      const devices = [device(raw)]
      bindMount(disk.path, raw.path)
      try {
        await refused(disk.path, 'DEVICE_CHANGED', 'true', { devices })
      } finally {
        tool(['umount', raw.path])
      }
      expect((await pod.run('true', { devices: [device(raw)] })).status).toBe(0)
    })

    test('an image that has become a link, a directory or a device', async () => {
      const image = `${dir.path}/swapped`
      const mounts = [{ ...volume(image), isImage: true as const }]
      symlinkSync(disk.file, image)
      await refused(disk.file, 'SOURCE_LINK', 'true', { mounts })
      rmSync(image)
      mkdirSync(image)
      await refused(image, 'DEVICE_CHANGED', 'true', { mounts })
      rmSync(image, { recursive: true })
      await refused(image, 'DEVICE_MISSING', 'true', { mounts })
    })

    test('what the host itself has mounted, unless it is for reading only', async () => {
      tool(['mkdir', '-p', `${dir.path}/mounted`])
      tool(['mount', '-o', 'ro', disk.path, `${dir.path}/mounted`])
      try {
        await refused(disk.path, 'DEVICE_IN_USE', 'true', { devices: [device(disk)] })
        expect((await pod.run('true', { devices: [device(disk, true)] })).status).toBe(0)
      } finally {
        tool(['umount', `${dir.path}/mounted`])
      }
    })

    test('a file system that is not on the disk', async () => {
      const mounts = [volume(raw.path)]
      await expect(pod.create('true', { mounts })).rejects.toThrow('cannot be mounted as ext4')
      expect(held(raw.path)).toEqual([])
    })

    test('a device of a driver of the host, with device, reason and remedy', async () => {
      const error = await pod.create('true', {}, withDevice(nvidia)).catch((error: KataError) => error)
      expect(error).toMatchObject({ code: 'DEVICE_UNSUPPORTED', remedy: expect.stringContaining('vfio-pci') })
      expect(String(error)).toMatch(
        /device \/dev\/nvidia0 \(c 195:0\) of container \S+ belongs to the host’s kernel: its number means nothing/,
      )
      expect((await pod.run('true')).status).toBe(0)
    })

    test('what is no disk at all', () =>
      refused('/dev/null', 'DEVICE_KIND', 'true', { mounts: [volume('/dev/null')] }))
  })
})
