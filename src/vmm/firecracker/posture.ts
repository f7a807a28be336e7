/** How confined Firecracker is when its jailer has done its work. */
import { readlinkSync } from 'node:fs'
import { jailLimits } from '../../rootless/jail-command.ts'
import { hostIdMap, readNamespaces } from '../../rootless/posture.ts'
import { type ExpectedPosture, noCapabilities, ownNamespaces } from '../../rootless/posture-check.ts'
import type { VmSpec } from '../vmm.ts'
import { shown } from './jail-files.ts'
import { jailerBoundingSet } from './jailer.ts'
import { inJail, openFiles } from './program.ts'

/** What it opens itself. */
const files = [
  ...['anon_inode:[eventfd]', 'anon_inode:[eventpoll]', 'anon_inode:[timerfd]', 'anon_inode:kvm-vm'],
  ...['/dev/kvm', '/dev/net/tun', '/dev/urandom'],
]
/** The same, with a number or name of its own behind it. */
const opens = ['anon_inode:kvm-vcpu:', '/memfd:', `${inJail.drives}/`]
/** Its listeners, and connections: ours to the API, and the agent client's. */
const mostSockets = 16

/**
 * Before its machine runs: only the thread that serves the API has its filter. The bounding set keeps what the jailer
 * needed; no program of the jail can give anything of it back, as nothing has new privileges there.
 */
export function waitingPosture(
  spec: VmSpec,
  { stdout, stderr }: { stdout: number; stderr: number },
): ExpectedPosture {
  const { uid, gid } = spec.identity
  const limit = (value: number) => `${value}:${value}`
  const readOnly = ['nodev', 'noexec', 'nosuid', 'ro']
  const mounts = [
    { point: '/', flags: ['nosuid'] },
    { point: inJail.drives, flags: ['noexec', 'nosuid'] },
    ...shown(spec).map(({ target }) => ({ point: target, flags: readOnly })),
  ]
  const target = (fd: number) => readlinkSync(`/proc/self/fd/${fd}`)
  return {
    ...{ uid, gid, groups: [], idMap: hostIdMap },
    capabilities: { ...noCapabilities, CapBnd: jailerBoundingSet },
    ...{ noNewPrivs: 1, seccomp: 2, seccompFilters: 0, firstThreadFilters: 0 },
    namespaces: ownNamespaces(['mnt', 'ipc', 'uts', 'net', 'pid']),
    hostNamespaces: readNamespaces('/proc/self')!,
    mounts: mounts.sort((a, b) => (a.point < b.point ? -1 : 1)),
    descriptors: { 0: '/dev/null', 1: target(stdout), 2: target(stderr) },
    ...{ files, opens },
    ...{ sockets: mostSockets, environment: 0, cwd: '/' },
    limits: {
      core: limit(jailLimits.core),
      nofile: limit(openFiles),
      nproc: limit(jailLimits.nproc),
    },
    interfaces: spec.netns?.interfaces ?? ['lo'],
  }
}

/** Once its machine runs: every thread has Firecracker's own filter. */
export function runningPosture(waiting: ExpectedPosture): ExpectedPosture {
  return { ...waiting, seccompFilters: 1, firstThreadFilters: 1 }
}
