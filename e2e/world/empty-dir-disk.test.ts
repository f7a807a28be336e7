// test:vmm: every VMM
/** emptyDir volumes as disks of the machine: one for the whole pod, with a limit that holds, and gone with the pod. */
import { afterAll, beforeAll, expect, setDefaultTimeout, test } from 'bun:test'
import { chmodSync, mkdirSync, readdirSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { bindMount, unmountBelow } from '../../src/linux/mounts/mount.ts'
import { ownDirectory } from '../harness/directories.ts'
import { hostState } from '../harness/host/host.ts'
import { expectNothingLeft } from '../harness/host/nothing-left.ts'
import { scratch } from '../harness/kata.ts'
import { slow } from '../harness/time.ts'
import { shippedConfiguration } from '../harness/vmm.ts'
import { bind, Pod, podUid } from './pod.ts'

setDefaultTimeout(slow(60_000))

const limitMiB = 16
const area = scratch()
const runDir = ownDirectory('/run/kt-')
const volume = join(area.path, 'pods', podUid, 'volumes/kubernetes.io~empty-dir/scratch')
const part = join(area.path, 'pods', podUid, 'volume-subpaths/scratch/app/0')
const image = join(volume, '.kata-ts-emptydirs.img')
let before: ReturnType<typeof hostState>
let pod: Pod

beforeAll(async () => {
  before = hostState(runDir)
  for (const directory of [join(volume, 'sub'), part]) mkdirSync(directory, { recursive: true })
  chmodSync(volume, 0o777)
  // As kubelet does for a subPath.
  bindMount(join(volume, 'sub'), part)
  // What a sandbox of the same pod left when its host went down.
  writeFileSync(join(volume, '.kata-ts-earlier.img'), '')
  const configPath = join(area.path, 'configuration.toml')
  const shipped = shippedConfiguration()
    .replace(/^emptydir_mode = .*$/m, 'emptydir_mode = "block-plain"')
    .replace(/^emptydir_disk_size = .*$/m, `emptydir_disk_size = ${limitMiB}`)
  writeFileSync(configPath, shipped)
  pod = await Pod.start({ id: 'emptydirs', dir: join(area.path, 'p'), runDir, configPath })
  await pod.add('one', { mounts: [bind(volume, '/data')] })
  await pod.add('two', { mounts: [bind(volume, '/data', 'ro'), bind(part, '/part')] })
})
afterAll(async () => {
  await pod?.stop()
  unmountBelow(area.path)
  rmSync(runDir, { recursive: true })
  area[Symbol.dispose]()
  await expectNothingLeft(before, runDir)
})

const output = async (container: string, script: string) => {
  const { stdout, stderr, code } = await pod.exec(container, script)
  expect({ stderr, code }).toEqual({ stderr: '', code: 0 })
  return stdout
}

test('it is a disk, with nothing but the subPath and the mode of kubelet’s directory; the host has a file that is root’s alone', async () => {
  expect(await output('one', 'grep " /data " /proc/mounts; stat -c %a /data; ls -A /data')).toMatch(
    /^\/dev\/\w+ \/data ext4 rw.*\n777\nsub\n$/,
  )
  const { mode, uid, size } = statSync(image)
  expect([mode & 0o7777, uid, size]).toEqual([0o600, 0, limitMiB << 20])
  expect(readdirSync(volume).sort()).toEqual(['.kata-ts-emptydirs.img', 'sub'])
})

test('the containers of the pod share it, and who may only read does', async () => {
  await output('one', 'echo shared >/data/file')
  expect(await output('two', 'cat /data/file')).toBe('shared\n')
  expect((await pod.exec('two', 'echo no >/data/file')).stderr).toContain('Read-only file system')
})

test('a subPath is a directory of the disk', async () => {
  await output('two', 'echo part >/part/file')
  expect(await output('one', 'cat /data/sub/file')).toBe('part\n')
})

test('a container that comes after another finds what that one left', async () => {
  const wish = { mounts: [bind(volume, '/data')] }
  expect((await pod.run('first', 'echo left >/data/left', wish)).code).toBe(0)
  expect((await pod.run('next', 'cat /data/left', wish)).stdout).toBe('left\n')
})

test('what exceeds its size does not fit, and the host has no more blocks than that', async () => {
  const { stderr, code } = await pod.exec('one', 'dd if=/dev/zero of=/data/big bs=1M count=32; sync')
  expect({ stderr, code }).toMatchObject({ stderr: expect.stringContaining('No space left on device') })
  expect(statSync(image).blocks * 512).toBeLessThanOrEqual(limitMiB << 20)
  expect(await output('one', 'rm /data/big; echo fits >/data/file; cat /data/file')).toBe('fits\n')
})

test('it goes with the pod', async () => {
  await pod.stop()
  expect(readdirSync(volume)).toEqual(['sub'])
})
