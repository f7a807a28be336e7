/** How confined Firecracker is when its jailer has done its work. */
import { readlinkSync } from 'node:fs'
import { filtersOf } from '../../linux/processes/seccomp.ts'
import { jailLimits } from '../../rootless/jail/jail-command.ts'
import { hostIdMap, readNamespaces } from '../../rootless/posture/posture.ts'
import { type ExpectedPosture, noCapabilities, ownNamespaces } from '../../rootless/posture/posture-check.ts'
import { isOlder, type ProgramVersion } from '../program.ts'
import type { VmSpec } from '../vmm.ts'
import { shown } from './jail-files.ts'
import { jailerBoundingSet } from './jailer.ts'
import { openFiles } from './program.ts'
import { inJail } from './settings/jail-paths.ts'

/** What it has for events and timers, waiting and running. */
const events = ['anon_inode:[eventfd]', 'anon_inode:[eventpoll]', 'anon_inode:[timerfd]']
/** The first that closes kernel and initrd once the machine is made; before, they stay open for as long as it runs. */
const closesBootFiles = { major: 1, minor: 16, micro: 0 }
/** The API's listener and our connection to it, and vsock's listener. */
const ownSockets = 3
/** Connections that it may have to the guest: the agent client's, and those that it gave up on meanwhile. */
const mostConnections = 8

/**
 * Before its machine runs: only the thread that serves the API has its filter. Kernel and initrd are open from the moment
 * on at which they were named. The bounding set keeps what the jailer needed; no program of the jail can give anything of
 * it back, as nothing has new privileges there.
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
    uid,
    gid,
    groups: [],
    idMap: hostIdMap,
    capabilities: { ...noCapabilities, CapBnd: jailerBoundingSet },
    noNewPrivs: 1,
    seccomp: 2,
    seccompFilters: 0,
    firstThreadFilters: 0,
    inheritedFilters: filtersOf('self'),
    namespaces: ownNamespaces(['mnt', 'ipc', 'uts', 'net', 'pid']),
    hostNamespaces: readNamespaces('/proc/self')!,
    mounts: mounts.sort((a, b) => (a.point < b.point ? -1 : 1)),
    descriptors: { 0: '/dev/null', 1: target(stdout), 2: target(stderr) },
    files: [...events, inJail.log, ...cards(spec), ...shown(spec).map(({ target }) => target)],
    opens: [`${inJail.drives}/`],
    fewestSockets: ownSockets,
    sockets: ownSockets,
    environment: 0,
    cwd: '/',
    limits: {
      core: limit(jailLimits.core),
      nofile: limit(openFiles),
      nproc: limit(jailLimits.nproc),
    },
    interfaces: spec.netns?.interfaces ?? ['lo'],
  }
}

const cards = ({ nics = [] }: VmSpec): string[] => (nics.length > 0 ? ['/dev/net/tun'] : [])

/** Once its machine runs: every thread has Firecracker's own filter, and what it booted from is closed again. */
export function runningPosture(waiting: ExpectedPosture, version: ProgramVersion): ExpectedPosture {
  const { files: opened = [] } = waiting
  const bootFiles: readonly string[] = [inJail.kernel, inJail.initrd]
  const kept = isOlder(version, closesBootFiles) ? opened : opened.filter((file) => !bootFiles.includes(file))
  return {
    ...waiting,
    files: [...kept, '/dev/kvm', 'anon_inode:kvm-vm'],
    opens: [...waiting.opens, 'anon_inode:kvm-vcpu:'],
    sockets: ownSockets + mostConnections,
    seccompFilters: 1,
    firstThreadFilters: 1,
  }
}
