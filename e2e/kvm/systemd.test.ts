// test:vmm: qemu
/**
 * The host's own containerd, a service of systemd, and a container in the slice that a kubelet would name: systemd neither
 * disturbs the machine nor loses sight of it. It restarts that containerd, so it runs on the lab host alone.
 */
import { afterAll, beforeAll, describe, expect } from 'bun:test'
import { existsSync, readFileSync, writeFileSync } from 'node:fs'
import { defaultRunDir } from '../../src/sandbox/records/paths.ts'
import { busyboxImage, makeImages } from '../containerd/images.ts'
import { executable } from '../harness/executable.ts'
import { tool } from '../harness/host/disks.ts'
import { type HostState, hostState, leftBehind } from '../harness/host/host.ts'
import { eventually, scratch } from '../harness/kata.ts'
import { slow } from '../harness/time.ts'
import { reasonWithout, testWith } from './only.ts'

const limitMs = slow(120_000)
const slice = 'kubepods-burstable-podab12.slice'
const scope = 'cri-containerd-c1.scope'
const runtime = 'io.containerd.kata-ts.v2'

const isRun = reasonWithout(['lab', 'qemu']) === undefined
let before: HostState
beforeAll(() => {
  if (!isRun) return
  using directory = scratch()
  for (const [index, archive] of makeImages(directory.path).entries()) {
    writeFileSync(`${directory.path}/${index}.tar`, archive)
    tool(['ctr', 'images', 'import', `${directory.path}/${index}.tar`])
  }
  before = hostState(defaultRunDir)
}, limitMs)
afterAll(() => {
  if (!isRun) return
  Bun.spawnSync(['ctr', 'task', 'delete', '--force', 'c1'])
  Bun.spawnSync(['ctr', 'container', 'delete', 'c1'])
  Bun.spawnSync(['systemctl', 'stop', slice])
})

const vmmOf = (): number =>
  JSON.parse(tool([executable, '--namespace', 'default', 'inspect', 'c1']))[0].sandbox.vmmPid
const cgroupOf = (pid: number) => readFileSync(`/proc/${pid}/cgroup`, 'utf8').trim()
const inContainer = (id: string) => tool(['ctr', 'task', 'exec', '--exec-id', id, 'c1', 'echo', id]).trim()
const status = () => /^c1 +\d+ +(\S+)/m.exec(tool(['ctr', 'task', 'list']))?.[1]

describe('a container in a pod’s slice', () => {
  testWith(
    ['lab', 'qemu'],
    'its VMM is in the scope below the slice, which systemd shows',
    async () => {
      // As a kubelet does before it asks for the pod.
      tool(['systemctl', 'start', slice])
      const place = [
        '--cgroup',
        `${slice}:cri-containerd:c1`,
        '--cpus',
        '1',
        '--memory-limit',
        String(128 << 20),
      ]
      tool(['ctr', 'run', '-d', '--runtime', runtime, ...place, busyboxImage, 'c1', 'sleep', '3000'])
      expect(cgroupOf(vmmOf())).toEndWith(`/${slice}/${scope}`)
      expect(tool(['systemctl', 'status', '--no-pager', slice])).toContain('qemu-system-x86_64')
    },
    limitMs,
  )

  testWith(
    ['lab', 'qemu'],
    'daemon-reload and a new limit of the slice leave it where it is',
    async () => {
      const vmm = vmmOf()
      tool(['systemctl', 'daemon-reload'])
      tool(['systemctl', 'set-property', '--runtime', slice, 'MemoryMax=3G'])
      expect(cgroupOf(vmm)).toEndWith(`/${slice}/${scope}`)
      expect(inContainer('after-reload')).toBe('after-reload')
    },
    limitMs,
  )

  testWith(
    ['lab', 'qemu'],
    'a restart of containerd leaves it running, and containerd finds it again',
    async () => {
      const vmm = vmmOf()
      tool(['systemctl', 'restart', 'containerd'])
      await eventually('containerd', () => Bun.spawnSync(['ctr', 'version']).exitCode === 0 || undefined)
      expect(status()).toBe('RUNNING')
      expect(vmmOf()).toBe(vmm)
      expect(inContainer('after-restart')).toBe('after-restart')
    },
    limitMs,
  )

  testWith(
    ['lab', 'qemu'],
    'at its end the slice is empty and can be stopped, and nothing is left',
    async () => {
      tool(['ctr', 'task', 'delete', '--force', 'c1'])
      tool(['ctr', 'container', 'delete', 'c1'])
      tool(['systemctl', 'stop', slice])
      expect(existsSync(`/sys/fs/cgroup/kubepods.slice/kubepods-burstable.slice/${slice}`)).toBe(false)
      expect(leftBehind(before, hostState(defaultRunDir))).toEqual([])
    },
    limitMs,
  )
})
