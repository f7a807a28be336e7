/**
 * A machine that waits for its pod: a clone of a template whose guest is up. It has all that a pod's machine has of its own, its user, its
 * jail, its share, and nothing that only the pod can say: its name, its network, its cgroups.
 */
import { closeSync, statSync } from 'node:fs'
import type { AgentConnection } from '../../agent/connection.ts'
import type { Config } from '../../config/config.ts'
import { requireConfiguredFiles } from '../../config/files/configured-files.ts'
import { KataError } from '../../errors.ts'
import type { Ledger } from '../../ledger/ledger.ts'
import { type FileFacts, fileFacts } from '../../linux/files/file-facts.ts'
import type { ProcessRef } from '../../linux/processes/proc.ts'
import type { Logger } from '../../log.ts'
import { vmmFeatures } from '../../vmm/create.ts'
import type { GuestAssets } from '../../vmm/host/assets.ts'
import type { AcceleratorChoice } from '../../vmm/kvm/accelerator.ts'
import type { Vmm } from '../../vmm/vmm.ts'
import { shareWay } from '../disks/share-way.ts'
import type { MachineEnd } from '../end/machine-end.ts'
import { poolName, type SandboxPaths, waitingPaths } from '../records/paths.ts'
import { removeState } from '../records/state-dir.ts'
import { hostMemoryMiB } from '../size/machine-sizer.ts'
import { planWithoutDemand } from '../size/sizing.ts'
import { bootGuest } from '../start/guest/boot-guest.ts'
import { renewGuest } from '../start/guest/start-guest.ts'
import { type SandboxCgroups, type StartHost, thisHost } from '../start/host.ts'
import { connectToGuest, watchMachine } from '../start/machine/agent.ts'
import { makeVmm, startMachine } from '../start/machine/machine.ts'
import type { AssetFiles } from '../start/prepare/asset-files.ts'
import { prepareBoot } from '../start/prepare/boot.ts'
import { claimOwner, claimSandbox } from '../start/prepare/claim.ts'
import { asClone, type Clone, findClone } from '../start/prepare/clone.ts'
import type { MachineDevices } from '../start/prepare/devices.ts'
import { modulesOf } from '../start/prepare/guest-modules.ts'
import { sharePod } from '../start/prepare/share.ts'
import type { SandboxUser } from '../start/prepare/user.ts'
import { rollingBack } from '../start/rollback.ts'
import { recordTimings } from '../start/timings.ts'
import { shareAttachments } from '../storage/share-attachments.ts'
import type { ServedShare } from '../storage/start-share.ts'
import { warmUp } from './warm-up.ts'

export interface WaitingRequest {
  /** Its name in the pool. */
  readonly id: string
  /** Usually `/run/kata-ts`. */
  readonly runDir: string
  readonly config: Config
  readonly log: Logger
  /** Ends it while it waits. */
  readonly signal: AbortSignal
}

export interface WaitingMachine {
  readonly id: string
  readonly paths: SandboxPaths
  readonly config: Config
  readonly ledger: Ledger
  readonly shim: ProcessRef
  readonly assets: GuestAssets
  readonly assetFiles: AssetFiles
  readonly accelerator: AcceleratorChoice
  readonly clone: Clone
  readonly user: SandboxUser
  readonly share: ServedShare | undefined
  /** The program that serves it. */
  readonly shareProgram: FileFacts | undefined
  readonly modules: string | undefined
  readonly vmm: Vmm
  readonly vmmProcess: ProcessRef
  readonly end: MachineEnd
  readonly agent: AgentConnection
  /** What is known only once a pod has it: the names, for what says how it ended and for its release, and the cgroups. */
  readonly pod: { id: string; name?: string; outOfMemory: SandboxCgroups['outOfMemory'] }
  /** Ends it and releases all that it holds. @throws KataError RELEASE_FAILED. */
  release(): Promise<void>
}

/**
 * Makes one. When that fails, nothing is left.
 *
 * @throws KataError TEMPLATE_UNUSABLE where it cannot be a clone: it never boots. Those of a sandbox's start up to its guest; the signal's
 *   reason.
 */
export async function makeWaitingMachine(
  request: WaitingRequest,
  host: StartHost = thisHost,
): Promise<WaitingMachine> {
  const { id, runDir, config, log } = request
  requireConfiguredFiles(config)
  const paths = waitingPaths(runDir, id)
  const ledger = claimSandbox(host, { log }, paths)
  return await rollingBack(request, { ledger, paths }, () => make(request, { paths, ledger }, host))
}

async function make(
  { id, config, log, signal }: WaitingRequest,
  { paths, ledger }: Pick<WaitingMachine, 'paths' | 'ledger'>,
  host: StartHost,
): Promise<WaitingMachine> {
  const timings = recordTimings(signal)
  const shim = await claimOwner(host, ledger, log)
  const named = { id, namespace: poolName, config, paths, log, signal }
  await using boot = await prepareBoot(host, ledger, named, timings)
  const { assets, assetFiles, verified, accelerator } = boot
  const plan = planWithoutDemand(config, hostMemoryMiB())
  const clone = await findClone(host, { config, assets, accelerator, plan })
  if (clone === undefined) throw new KataError('TEMPLATE_UNUSABLE', { reason: 'enable_template is false' })
  const user = await host.takeUser(ledger, named)
  const modules = modulesOf(config, assets)
  const sharing = { config, paths, user, container: undefined, modules, signal }
  const shareProgram = shareProgramOf(config)
  const share = await sharePod(host, ledger, sharing, timings)
  using devices = shareAlone(config, share)
  const cloned = { plan: clone.plan, template: clone.template.saved }
  const vmm = await makeVmm(host, ledger, { ...named, ...cloned, assets, accelerator, user, devices }, named)
  const vmmProcess = await startMachine(vmm, { devices, cgroups: noCgroups }, timings)
  const pod: WaitingMachine['pod'] = { id, outOfMemory: () => undefined }
  const end = watchMachine({
    get id() {
      return pod.id
    },
    config,
    vmm,
    vmmProcess,
    share,
    signal,
    cgroups: { outOfMemory: () => pod.outOfMemory() },
  })
  const agent = await connectToGuest(host, vmm, { end, log, signal })
  await asClone(() => bootGuest({ verified, vmm, agent, end, accelerator }, named, timings), signal)
  // What the guest draws while it waits is its own, too. Its pod renews both once more.
  await end.during(renewGuest(agent.agent))
  await end.during(warmUp(agent, config))
  const parts = {
    id,
    paths,
    config,
    ledger,
    shim,
    assets,
    assetFiles,
    accelerator,
    clone,
    user,
    share,
    shareProgram,
    modules,
  }
  const running = { vmm, vmmProcess, end, agent }
  return { ...parts, ...running, pod, release: () => release({ paths, ledger, ...running, pod, log }) }
}

/** Virtiofsd as it is on the disk now: an upgrade leaves the former one running. Undefined where nothing is shared. */
export const shareProgramOf = ({ hypervisor }: Pick<Config, 'hypervisor'>): FileFacts | undefined =>
  shareWay({ hypervisor }) === 'none'
    ? undefined
    : fileFacts(statSync(hypervisor.virtioFsDaemon, { bigint: true }))

async function release({
  paths,
  ledger,
  vmm,
  end,
  agent,
  pod,
  log,
}: Pick<WaitingMachine, 'paths' | 'ledger' | 'vmm' | 'end' | 'agent' | 'pod'> &
  Pick<WaitingRequest, 'log'>): Promise<void> {
  end.tell('asked', true)
  agent.close()
  // One that stays is in the ledger, and keeps nothing else there.
  await vmm.stop().catch((error) => log.warn('the VMM has not ended', { error }))
  await ledger.releaseAll()
  removeState({ ...paths, ...pod })
}

/** It is in the cgroup of the pool server. */
const noCgroups = { explain: <T>(work: Promise<T>) => work, placeVmm: async () => {} }

/** All else that a machine may have of devices comes with its pod, or stands in the way of a template. */
function shareAlone({ hypervisor }: Config, share: ServedShare | undefined): MachineDevices {
  const opened = new DisposableStack()
  const features = vmmFeatures({ hypervisor })
  const shares = shareAttachments(share, features, hypervisor.virtioFsQueueSize, (fd) =>
    opened.defer(() => closeSync(fd)),
  )
  return {
    attached: { ...shares, nics: [] },
    network: { interfaces: [], routes: [], neighbours: [] },
    explain: (start) => start,
    [Symbol.dispose]: () => opened.dispose(),
  }
}
