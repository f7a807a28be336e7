/** What each VMM may have open: kinds by their whole names, so that one that leads out of a jail shows. */

import { describe, expect, test } from 'bun:test'
import { closeSync, openSync } from 'node:fs'
import { readPosture } from '../rootless/posture/posture.ts'
import { comparePosture, type ExpectedPosture, expectedPosture } from '../rootless/posture/posture-check.ts'
import { runningPosture as runningClh, waitingPosture as waitingClh } from './cloud-hypervisor/posture.ts'
import { runningPosture as runningFirecracker, waitingPosture } from './firecracker/posture.ts'
import { openedByQemu } from './qemu/posture.ts'
import type { VmSpec } from './vmm.ts'

const identity = { name: 'kata-7', uid: 70_000, gid: 70_000, groups: [993] }
const spec: VmSpec = {
  sandboxId: 'pod-1',
  identity,
  privateDir: '/run/user/70000',
  stateDir: '/run/pod-1',
  kernel: '/vmlinux',
  initrd: '/initrd',
  kernelParams: [],
  accelerator: 'kvm',
  vcpus: 1,
  maxVcpus: 0,
  memoryMiB: 256,
  maxMemoryMiB: 0,
}
const output = openSync('/dev/null', 'w')
const launched = {
  program: '/usr/bin/sleep',
  args: [],
  identity,
  paths: [],
  fds: [],
  output,
  stateDir: '/run/pod-1',
  syscalls: { allowed: [] },
}
const waiting = waitingClh(launched)
const entropySource = '/dev/hwrng'
const waitingFirecracker = waitingPosture(spec, { stdout: output, stderr: output })
const opened = openedByQemu([entropySource, '/boot/memory'], ['/images/disk'])
const postures: Record<string, ExpectedPosture> = {
  QEMU: { ...expectedPosture(launched, { seccompFilters: 2 }), ...opened },
  'a Cloud Hypervisor that waits': waiting,
  'a Cloud Hypervisor that runs': runningClh(waiting, spec, { entropySource }),
  'a Firecracker that waits': waitingFirecracker,
  'a Firecracker that runs': runningFirecracker(waitingFirecracker, { major: 1, minor: 16, micro: 1 }),
}
closeSync(output)

const self = readPosture(process.pid)
const isAllowed = (expected: ExpectedPosture, target: string): boolean => {
  const actual = { ...self, descriptors: { ...expected.descriptors, 99: target } }
  return !comparePosture(expected, actual).some(({ field }) => field === 'descriptors.99')
}

describe.each(Object.entries(postures))('%s', (_, expected) => {
  test.each([
    ...[
      '[io_uring]',
      '[userfaultfd]',
      '[pidfd]',
      '[perf_event]',
      '[fanotify]',
      'inotify',
      '[landlock-ruleset]',
    ],
    ...['bpf-map', 'bpf-prog', 'bpf_link', 'btf', 'seccomp notify', '[fscontext]', 'kvm-vm2', 'kvm', ''],
  ])('may not have anon_inode:%s', (kind) => {
    expect(isAllowed(expected, `anon_inode:${kind}`)).toBe(false)
  })

  test.each(['/dev/mem', '/dev/urandom2', '/dev/kvm2', '/boot/initrd2', '/', 'pidfd:[7]'])(
    'may not have %s',
    (target) => expect(isAllowed(expected, target)).toBe(false),
  )

  test('has its loop, and the node of KVM', () => {
    const targets = ['anon_inode:[eventfd]', 'anon_inode:[eventpoll]', '/dev/kvm']
    // It opens the node when its machine is made.
    for (const target of targets.filter((target) => target !== '/dev/kvm' || expected !== waitingFirecracker))
      expect([target, isAllowed(expected, target)]).toEqual([target, true])
  })
})

test('what comes with a machine that runs is allowed then, and only then', () => {
  const running = postures['a Cloud Hypervisor that runs']!
  const added = [
    '/boot/initrd',
    entropySource,
    '/memfd:ch_ram (deleted)',
    '/dev/net/tun',
    'anon_inode:kvm-vm',
  ]
  for (const target of [
    ...added,
    'anon_inode:kvm-vcpu:17',
    'anon_inode:[timerfd]',
    '/disks/disk1 (deleted)',
  ]) {
    expect([target, isAllowed(running, target)]).toEqual([target, true])
    expect([target, isAllowed(waiting, target)]).toEqual([target, false])
  }
  expect(isAllowed(running, '/dev/urandom')).toBe(false)
  const withoutInitrd = runningClh(waiting, {}, { entropySource })
  expect(isAllowed(withoutInitrd, '/boot/initrd')).toBe(false)
})

test('Firecracker has what it boots from open while it waits, and from 1.16 on not once it runs', () => {
  const running = (minor: number) => runningFirecracker(waitingFirecracker, { major: 1, minor, micro: 0 })
  for (const file of ['/vmlinux', '/initrd']) {
    expect([file, isAllowed(waitingFirecracker, file)]).toEqual([file, true])
    expect([file, isAllowed(running(15), file)]).toEqual([file, true])
    expect([file, isAllowed(running(16), file)]).toEqual([file, false])
  }
  for (const target of ['/dev/kvm', 'anon_inode:kvm-vm', 'anon_inode:kvm-vcpu:0']) {
    expect([target, isAllowed(waitingFirecracker, target)]).toEqual([target, false])
    expect([target, isAllowed(running(16), target)]).toEqual([target, true])
  }
  for (const target of ['/memfd:x (deleted)', '/dev/urandom', '/dev/net/tun'])
    expect([target, isAllowed(running(16), target)]).toEqual([target, false])
  expect(isAllowed(running(16), '/drives/disk1 (deleted)')).toBe(true)
  const nics = [{ id: 'n', mac: 'm', mtu: 1, taps: [], tap: 't' }]
  const withCard = waitingPosture({ ...spec, nics }, { stdout: 0, stderr: 0 })
  expect(isAllowed(withCard, '/dev/net/tun')).toBe(true)
})

test('QEMU keeps the source that is configured, its disks, and under KVM each processor', () => {
  const qemu = postures.QEMU!
  for (const target of [
    entropySource,
    '/images/disk',
    'anon_inode:kvm-vcpu:3',
    'anon_inode:kvm-vcpu-stats:3',
  ])
    expect([target, isAllowed(qemu, target)]).toEqual([target, true])
  expect(isAllowed(qemu, '/images/disk2')).toBe(false)
})

test('Cloud Hypervisor has three sockets while it waits, and while it runs five and those of vsock', () => {
  expect(waiting).toMatchObject({ fewestSockets: 3, sockets: 3 })
  const share = { tag: 'kataShared', socket: '/run/user/70000/vhost-fs.sock', queueSize: 512 }
  expect(runningClh(waiting, { share }, { entropySource })).toMatchObject({ fewestSockets: 5, sockets: 8 })
  const two = { share, volumeShare: { ...share, tag: 'kataVolumes' } }
  expect(runningClh(waiting, two, { entropySource })).toMatchObject({ fewestSockets: 6, sockets: 9 })
  expect(runningClh(waiting, {}, { entropySource })).toMatchObject({ fewestSockets: 4, sockets: 8 })
})
