// test:vmm: every VMM
/** containerd with its snapshotter blockfile: each container's files are an ext4 in a file, which the guest mounts and the host does not. */
import { afterAll, beforeAll, expect, setDefaultTimeout, test } from 'bun:test'
import { defaultRunDir } from '../../src/sandbox/records/paths.ts'
import { tool } from '../harness/host/disks.ts'
import { type HostState, hostState } from '../harness/host/host.ts'
import { expectNothingLeft } from '../harness/host/nothing-left.ts'
import { slow } from '../harness/time.ts'
import { vmm } from '../harness/vmm.ts'
import { Containerd, ourRuntime } from './containerd.ts'
import { busyboxImage } from './images.ts'

setDefaultTimeout(slow(60_000))

let before: HostState
let containerd: Containerd
beforeAll(async () => {
  before = hostState(defaultRunDir)
  containerd = await Containerd.start({ snapshotter: 'blockfile' })
}, slow(120_000))
afterAll(() => containerd.close())

const run = (name: string, ...more: string[]) => [
  ...['run', ...more, '--snapshotter', 'blockfile', '--runtime', ourRuntime, busyboxImage, name],
]

/** The file of a container's snapshot, as containerd hands it over. */
async function snapshotOf(name: string): Promise<string> {
  const { stdout } = await containerd.ctr(['snapshots', '--snapshotter', 'blockfile', 'mounts', '/x', name])
  const [, source] = /^mount -t ext4 (\S+) /.exec(stdout) ?? []
  expect(stdout).toMatch(/ -o \S*loop/)
  return source ?? ''
}

test('the guest has the snapshot as a disk, and no loop device of the host has it', async () => {
  const script = 'grep " / " /proc/mounts; echo written >/new; sync; sleep 100'
  expect(await containerd.ctr([...run('block', '-d'), 'sh', '-c', script])).toMatchObject({
    code: 0,
    stderr: '',
  })
  const snapshot = await snapshotOf('block')
  const exec = ['tasks', 'exec', '--exec-id', 'x', 'block', 'sh', '-c']
  const { stdout } = await containerd.ctr([
    ...exec,
    'grep " / " /proc/mounts; until grep written /new; do sleep 0.1; done',
  ])
  expect(stdout).toMatch(/^\/dev\/\w+ \/ ext4 rw.*\nwritten\n$/)
  // A mount of the host would need one. The other VMMs open a file by one, which they alone have.
  if (vmm.driver === 'qemu') expect(tool(['losetup', '--associated', snapshot])).toBe('')
  await containerd.ctr(['tasks', 'delete', '-f', 'block'])
  expect(tool(['losetup', '--associated', snapshot])).toBe('')
  expect(tool(['debugfs', '-R', 'cat /new', snapshot])).toBe('written\n')
  await containerd.ctr(['containers', 'delete', 'block'])
})

test('a second container of the image has nothing of the first', async () => {
  const { code, stdout } = await containerd.ctr([...run('next', '--rm'), 'ls', '/'])
  expect({ code, new: stdout.includes('new') }).toEqual({ code: 0, new: false })
})

test('nothing is left of them', async () => {
  await containerd.close()
  await expectNothingLeft(before, defaultRunDir)
})
