/** An expected posture for tests that only write one down. */

import { hostIdMap, readNamespaces } from './posture.ts'
import type { ExpectedPosture } from './posture-check.ts'
import { noCapabilities, ownNamespaces } from './posture-check.ts'

export function somePosture(changes: Partial<ExpectedPosture> = {}): ExpectedPosture {
  return {
    uid: 1,
    gid: 1,
    groups: [],
    capabilities: noCapabilities,
    idMap: hostIdMap,
    noNewPrivs: 1,
    seccomp: 2,
    seccompFilters: 1,
    firstThreadFilters: 1,
    namespaces: ownNamespaces(['mnt']),
    hostNamespaces: readNamespaces('/proc/self')!,
    mounts: [],
    descriptors: { 0: '/dev/null' },
    opens: [],
    sockets: 0,
    environment: 0,
    limits: {},
    cwd: '/',
    ...changes,
  }
}
