/** The two processes that stand around Firecracker as long as it lives (jailer.ts), looked at as it is itself. */
import { filtersOf } from '../../linux/processes/seccomp.ts'
import { jailLimits } from '../../rootless/jail/jail-command.ts'
import { hostIdMap, readNamespaces } from '../../rootless/posture/posture.ts'
import {
  type ExpectedPosture,
  noCapabilities,
  ownNamespaces,
  settledPosture,
} from '../../rootless/posture/posture-check.ts'
import { recordPosture } from '../../rootless/posture/posture-record.ts'
import type { VmSpec } from '../vmm.ts'
import { type JailedFirecracker, jailerBoundingSet } from './jailer.ts'

/** Compares both once they have settled, and writes them down for audits. @throws KataError POSTURE_DIFFERS, PROCESS_GONE. */
export async function confirmAround(
  spec: VmSpec,
  { holder, first }: JailedFirecracker['around'],
): Promise<void> {
  const standing = [
    { name: 'vmm-holder', ref: holder, expected: aroundPosture(spec, 'holder') },
    { name: 'vmm-first', ref: first, expected: aroundPosture(spec, 'first') },
  ]
  await Promise.all(standing.map(({ ref, expected }) => settledPosture(ref.pid, expected)))
  for (const record of standing) recordPosture(spec.stateDir, record)
}

/** What stands around it once the jailer has done its work: the same user, nothing to do and no right to do it. */
function aroundPosture({ identity: { uid, gid } }: VmSpec, who: 'holder' | 'first'): ExpectedPosture {
  const limit = (value: number) => `${value}:${value}`
  return {
    ...{ uid, gid, groups: [], idMap: hostIdMap },
    capabilities: { ...noCapabilities, CapBnd: jailerBoundingSet },
    ...{ noNewPrivs: 1, seccomp: 2, seccompFilters: 0, firstThreadFilters: 0 },
    inheritedFilters: filtersOf('self'),
    namespaces: ownNamespaces(['ipc', 'uts', 'net', ...(who === 'first' ? (['pid'] as const) : [])]),
    hostNamespaces: readNamespaces('/proc/self')!,
    // It stays in the shim's mount namespace.
    ...{ mounts: [], mountsBelow: true },
    descriptors: { 0: '/dev/null', 1: '/dev/null', 2: '/dev/null' },
    ...{ opens: [], sockets: 0, environment: 0, cwd: '/' },
    limits: { core: limit(jailLimits.core), nproc: limit(jailLimits.nproc) },
    interfaces: ['lo'],
  }
}
