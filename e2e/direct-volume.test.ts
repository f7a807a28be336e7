// test:vmm: every VMM
/** `kata-ts direct-volume`, as a CSI driver calls it: what it adds is mounted in the guest alone, and has figures from there. */
import { afterAll, beforeAll, describe, expect, setDefaultTimeout, test } from 'bun:test'
import { mkdirSync, rmSync, statSync, truncateSync } from 'node:fs'
import { join } from 'node:path'
import { directVolumeDir } from '../src/devices/direct-volume.ts'
import { ownDirectory } from './harness/directories.ts'
import { executable } from './harness/executable.ts'
import { LoopDevice, makeExt4, mountsOf } from './harness/host/disks.ts'
import { scratch } from './harness/kata.ts'
import { slow } from './harness/time.ts'
import { bind, Pod } from './world/pod.ts'

setDefaultTimeout(slow(60_000))

const sizeMiB = 16
const area = scratch()
const runDir = ownDirectory('/run/kt-')
const volume = join(area.path, 'volume')
const image = join(area.path, 'image')
let device: LoopDevice
let pod: Pod

beforeAll(async () => {
  device = new LoopDevice(sizeMiB, { ext4: true })
  mkdirSync(volume)
  pod = await Pod.start({ id: 'volumes', dir: join(area.path, 'p'), runDir })
})
afterAll(async () => {
  await pod?.stop()
  rmSync(directVolumeDir(volume), { recursive: true, force: true })
  rmSync(runDir, { recursive: true })
  device[Symbol.dispose]()
  area[Symbol.dispose]()
})

function directVolume(verb: string, ...more: string[]) {
  const args = ['--run-dir', runDir, 'direct-volume', verb, '--volume-path', volume, ...more]
  const { exitCode, stdout, stderr } = Bun.spawnSync([executable, ...args])
  return { code: exitCode, stdout: stdout.toString(), stderr: stderr.toString() }
}

const numbers = () => {
  const { code, stdout, stderr } = directVolume('stats')
  expect({ code, stderr }).toEqual({ code: 0, stderr: '' })
  const { usage, volume_condition: condition } = JSON.parse(stdout)
  expect(condition).toEqual({ abnormal: false, message: '' })
  expect(usage.map(({ unit }: { unit: number }) => unit)).toEqual([1, 2])
  const [{ total, used }] = usage as [{ total: number; used: number }]
  return { total, used }
}

function bytesUsed(): number {
  const { total, used } = numbers()
  expect(total).toBeLessThanOrEqual(sizeMiB << 20)
  return used
}

test('a volume from its adding to its removal, with figures while a container has it', async () => {
  expect(directVolume('stats')).toMatchObject({
    code: 1,
    stderr: expect.stringContaining('DIRECT_VOLUME_MISSING'),
  })
  const note = JSON.stringify({ 'volume-type': 'block', device: device.path, fstype: 'ext4' })
  expect(directVolume('add', '--mount-info', note)).toEqual({ code: 0, stdout: '', stderr: '' })
  expect(directVolume('stats').stderr).toContain('DIRECT_VOLUME_UNUSED')

  await pod.add('app', { mounts: [bind(volume, '/data')] })
  const before = bytesUsed()
  await pod.exec('app', 'dd if=/dev/zero of=/data/file bs=1M count=4; sync')
  expect(bytesUsed() - before).toBeGreaterThanOrEqual(4 << 20)
  expect(mountsOf(device.path)).toEqual([])

  await pod.remove('app')
  expect(directVolume('stats').stderr).toContain('DIRECT_VOLUME_UNUSED')
  expect(directVolume('remove')).toEqual({ code: 0, stdout: '', stderr: '' })
  expect(directVolume('stats').stderr).toContain('DIRECT_VOLUME_MISSING')
})

describe.each(['device', 'image'])('a volume on a %s', (what) => {
  const larger = 3 * sizeMiB
  const grow = () => (what === 'device' ? device.grow(larger) : truncateSync(image, larger << 20))
  const resize = (bytes: number) => directVolume('resize', '--size', `${bytes}`)
  const coded = (code: string) => ({ code: 1, stderr: expect.stringContaining(code) })

  test('grows while its container writes to it, once its disk has grown on the host', async () => {
    if (what === 'image') makeExt4(image, sizeMiB)
    const disk = what === 'device' ? device.path : image
    directVolume(
      'add',
      '--mount-info',
      JSON.stringify({ 'volume-type': 'block', device: disk, fstype: 'ext4' }),
    )
    expect(resize(larger << 20)).toMatchObject(coded('DIRECT_VOLUME_UNUSED'))
    await pod.add(what, { mounts: [bind(volume, '/data')] })
    for (const size of [larger << 20, (sizeMiB << 20) + 1, 512])
      expect(resize(size)).toMatchObject(coded('DIRECT_VOLUME_SIZE'))
    grow()
    expect(resize(larger << 20)).toEqual({ code: 0, stdout: '', stderr: '' })
    expect(numbers().total).toBeGreaterThan((larger - sizeMiB) << 20)
    const { stdout } = await pod.exec(
      what,
      `dd if=/dev/zero of=/data/new bs=1M count=${2 * sizeMiB} 2>/dev/null; sync; wc -c </data/new`,
    )
    expect(Number(stdout)).toBe((2 * sizeMiB) << 20)
    expect(resize(larger << 20).code).toBe(0)
    expect(resize(sizeMiB << 20)).toMatchObject(coded('DIRECT_VOLUME_SIZE'))
    expect(statSync(what === 'device' ? device.file : image).size).toBe(larger << 20)
    await pod.remove(what)
    directVolume('remove')
  })
})

test('a description that cannot be used is refused, and not kept', () => {
  const note = JSON.stringify({ 'volume-type': 'spdkvol', device: device.path, fstype: 'ext4' })
  expect(directVolume('add', '--mount-info', note)).toMatchObject({
    code: 1,
    stderr: expect.stringContaining('DIRECT_VOLUME_INVALID'),
  })
  expect(directVolume('stats').stderr).toContain('DIRECT_VOLUME_MISSING')
})
