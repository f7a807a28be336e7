/**
 * containerd's erofs snapshotter, by the containerd 2 of Debian's next release. It is a 2.1, which mounts the layers on the host itself: the
 * machine gets their files as disks all the same, and the overlay over them is the guest's.
 */
import { afterAll, beforeAll, describe, expect, setDefaultTimeout, test } from 'bun:test'
import { globSync, readFileSync } from 'node:fs'
import { readFacts } from '../../src/sandbox/records/facts.ts'
import { defaultRunDir, sandboxPaths } from '../../src/sandbox/records/paths.ts'
import { heldOpen } from '../harness/host/disks.ts'
import { type HostState, hostState } from '../harness/host/host.ts'
import { expectNothingLeft } from '../harness/host/nothing-left.ts'
import { slow } from '../harness/time.ts'
import { Containerd } from './containerd.ts'
import { containerd2, noContainerd2 } from './containerd-2.ts'
import { busyboxFiles, makeArchive } from './images.ts'

setDefaultTimeout(slow(90_000))

const hasErofs = /\terofs$/m.test(readFileSync('/proc/filesystems', 'utf8'))
const without = noContainerd2 || (hasErofs ? '' : ' (skipped: the kernel of this host has no erofs)')
const image = 'localhost/kata-ts/layered:latest'
const layers = [
  busyboxFiles(),
  [
    { name: 'layered', content: 'by the upper layer\n' },
    { name: 'etc', type: '5', mode: 0o755 },
    { name: 'etc/.wh.group', content: '' },
  ],
]

describe.skipIf(without !== '')(`the erofs snapshotter${without}`, () => {
  let before: HostState
  let containerd: Containerd
  beforeAll(async () => {
    before = hostState(defaultRunDir)
    containerd = await Containerd.start({ programs: containerd2, snapshotter: 'erofs' })
    await containerd.import(makeArchive(image, layers, { Cmd: ['sh'], Env: ['PATH=/bin:/usr/bin'] }))
  }, slow(120_000))
  afterAll(async () => {
    await containerd?.close()
    await expectNothingLeft(before, defaultRunDir)
  })

  const snapshots = () => `${containerd.files.root}/io.containerd.snapshotter.v1.erofs/snapshots`
  const layerFiles = () => globSync(`${snapshots()}/*/layer.erofs`).sort()

  test('a pod’s container has its layers as disks that can only be read; the host mounts no overlay', async () => {
    const pod = await containerd.cri.runPod()
    const id = await pod.start(['sh', '-c', 'exec sleep 1000'], { image: { image } })
    const look = 'grep " / " /proc/mounts; cat /layered; ls /etc/group; echo kept >/new; cat /new'
    const { stdout, stderr } = await pod.exec(id, ['sh', '-c', look])
    expect(stdout).toMatch(/^overlay \/ overlay rw.*\nby the upper layer\nkept\n$/)
    expect(stderr).toContain('/etc/group: No such file')

    const { shimPid, vmmPid } = readFacts(sandboxPaths(defaultRunDir, 'k8s.io', pod.id).facts)!
    const held = layerFiles().map((file) => heldOpen(vmmPid, file))
    // Two of this image, one of pause; the others are of images that nothing runs.
    expect(held.filter((infos) => infos.length > 0)).toHaveLength(3)
    const flags = held.flat().map((info) => /flags:\s*(\d+)/.exec(readFileSync(info, 'utf8'))?.[1])
    expect(new Set(flags.map((octal) => octal?.at(-1)))).toEqual(new Set(['0']))
    for (const process of ['self', shimPid]) {
      const mounts = readFileSync(`/proc/${process}/mountinfo`, 'utf8').split('\n')
      const ours = mounts.filter((line) => line.includes(snapshots()))
      // The control: what containerd itself mounts is seen.
      expect(ours.filter((line) => line.includes(' - erofs '))).not.toEqual([])
      expect(ours.filter((line) => line.includes(' - overlay '))).toEqual([])
    }
    await pod.remove()
    expect(layerFiles().flatMap((file) => heldOpen(vmmPid, file))).toEqual([])
  })
})
