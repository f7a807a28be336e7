/** An OCI process as the agent's message. */
import type * as agent from '../../protocol/generated/oci.ts'
import type { OciCapabilities, OciProcess } from '../spec.ts'
import { int64, uint64 } from './agent-numbers.ts'

/** Pure. What is absent gets the protocol's default, which the agent takes for absent. */
export function toAgentProcess(process: OciProcess): agent.Process {
  const { consoleSize, user, args = [], env = [], capabilities, rlimits = [] } = process
  return {
    terminal: process.terminal ?? false,
    consoleSize: consoleSize && { ...consoleSize },
    user: user && {
      uid: user.uid ?? 0,
      gid: user.gid ?? 0,
      additionalGids: [...(user.additionalGids ?? [])],
      username: user.username ?? '',
      umask: user.umask,
    },
    args: [...args],
    env: [...env],
    cwd: process.cwd ?? '',
    capabilities: capabilities && toCapabilities(capabilities),
    rlimits: rlimits.map(({ type, hard, soft }) => ({ type, hard: uint64(hard), soft: uint64(soft) })),
    noNewPrivileges: process.noNewPrivileges ?? false,
    apparmorProfile: process.apparmorProfile ?? '',
    oomScoreAdj: int64(process.oomScoreAdj),
    selinuxLabel: process.selinuxLabel ?? '',
  }
}

function toCapabilities({
  bounding = [],
  effective = [],
  inheritable = [],
  permitted = [],
  ambient = [],
}: OciCapabilities): agent.LinuxCapabilities {
  return {
    bounding: [...bounding],
    effective: [...effective],
    inheritable: [...inheritable],
    permitted: [...permitted],
    ambient: [...ambient],
  }
}
