/** Everything that a start takes from the host or talks to. Unit tests use a double (doubles/host.double.ts). */
import { type AgentConnection, connectAgent } from '../../agent/connection.ts'
import { CgroupPlacement, type PlacementRequest } from '../../cgroups/placement.ts'
import type { Ledger } from '../../ledger/ledger.ts'
import { landlockProblem } from '../../rootless/filters/landlock.ts'
import { createVmm } from '../../vmm/create.ts'
import { resolveAssets } from '../../vmm/host/assets.ts'
import { openVsock } from '../../vmm/host/vsock.ts'
import { takeTpm } from '../devices/tpm.ts'
import { type VfioHost, vfioHost } from '../devices/vfio-devices.ts'
import { openLedger } from '../end/teardown.ts'
import { SandboxNetwork } from '../network/network.ts'
import { sweepDisks } from '../records/disk-sweep.ts'
import { startShare } from '../storage/start-share.ts'
import { findTemplate } from '../template/template-store.ts'
import { sandboxAccelerator } from './prepare/accelerator.ts'
import { claimStateDir } from './prepare/claim.ts'
import { takeUser } from './prepare/user.ts'

/** The part of a sandbox's cgroups that its start needs. */
export type SandboxCgroups = Pick<
  CgroupPlacement,
  | 'allowMemory'
  | 'confine'
  | 'explain'
  | 'moveIn'
  | 'outOfMemory'
  | 'placeVcpus'
  | 'placeVmm'
  | 'podLimits'
  | 'usage'
>

/** The functions, in the order in which a start calls them. */
export interface StartHost {
  readonly claimStateDir: typeof claimStateDir
  readonly openLedger: typeof openLedger
  readonly sweepDisks: typeof sweepDisks
  readonly resolveAssets: typeof resolveAssets
  readonly chooseAccelerator: typeof sandboxAccelerator
  readonly findTemplate: typeof findTemplate
  enterCgroups(ledger: Ledger, request: PlacementRequest): Promise<SandboxCgroups>
  readonly takeUser: typeof takeUser
  readonly startShare: typeof startShare
  readonly landlockProblem: typeof landlockProblem
  readonly createNetwork: typeof SandboxNetwork.create
  readonly takeTpm: typeof takeTpm
  readonly openVsock: typeof openVsock
  vfio(runDir: string): VfioHost
  readonly createVmm: typeof createVmm
  connectAgent(...args: Parameters<typeof connectAgent>): Promise<AgentConnection>
}

export const thisHost: StartHost = {
  claimStateDir,
  openLedger,
  sweepDisks,
  resolveAssets,
  chooseAccelerator: sandboxAccelerator,
  findTemplate,
  enterCgroups: (ledger, request) => CgroupPlacement.enter(ledger, request),
  takeUser,
  startShare,
  landlockProblem,
  createNetwork: (request, parts) => SandboxNetwork.create(request, parts),
  takeTpm,
  openVsock,
  vfio: vfioHost,
  createVmm,
  connectAgent,
}
