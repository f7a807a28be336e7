/** The two processes that stand around Firecracker as long as it lives (jailer.ts), looked at as it is itself. */
import { filtersOf } from '../../linux/processes/seccomp.ts'
import { jailLimits } from '../../rootless/jail/jail-command.ts'
import type { Identity } from '../../rootless/jail/launch-spec.ts'
import type { Companion } from '../../rootless/launcher.ts'
import { hostIdMap, readNamespaces } from '../../rootless/posture/posture.ts'
import { type ExpectedPosture, noCapabilities, ownNamespaces } from '../../rootless/posture/posture-check.ts'
import { type JailedFirecracker, jailerBoundingSet } from './jailer.ts'

/** Both with what they have to be, for as long as Firecracker lives. */
export function companionsOf(
  identity: Identity,
  { holder, first }: JailedFirecracker['around'],
): readonly Companion[] {
  const asked = (who: 'holder' | 'first') => () => {
    const expected = aroundPosture(identity, who)
    return { checked: expected, working: expected }
  }
  return [
    { name: 'holder', ref: holder, asked: asked('holder') },
    { name: 'first', ref: first, asked: asked('first') },
  ]
}

/** What stands around it once the jailer has done its work: the same user, nothing to do and no right to do it. */
function aroundPosture({ uid, gid }: Identity, who: 'holder' | 'first'): ExpectedPosture {
  const limit = (value: number) => `${value}:${value}`
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
    namespaces: ownNamespaces(['ipc', 'uts', 'net', ...(who === 'first' ? (['pid'] as const) : [])]),
    hostNamespaces: readNamespaces('/proc/self')!,
    // It stays in the shim's mount namespace.
    mounts: [],
    mountsBelow: true,
    descriptors: { 0: '/dev/null', 1: '/dev/null', 2: '/dev/null' },
    opens: [],
    sockets: 0,
    environment: 0,
    cwd: '/',
    limits: { core: limit(jailLimits.core), nproc: limit(jailLimits.nproc) },
    interfaces: ['lo'],
  }
}
