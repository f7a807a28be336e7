/** From nothing to a running pod: every step in its order, each taking written down before it is taken. */
import { chmodSync, closeSync, mkdirSync, rmSync } from 'node:fs'
import { dirname } from 'node:path'
import { connectAgent } from '../../agent/connection.ts'
import { warnClient } from '../../bundle/warnings.ts'
import { CgroupPlacement } from '../../cgroups/placement.ts'
import { requireAssetHashes } from '../../config/asset-hashes.ts'
import type { Config } from '../../config/config.ts'
import { requireConfiguredFiles } from '../../config/files/configured-files.ts'
import { channelOf } from '../../config/kata/own-guest.ts'
import { KataError } from '../../errors.ts'
import type { Failpoints } from '../../ledger/failpoints.ts'
import type { Ledger } from '../../ledger/ledger.ts'
import { SyscallError } from '../../linux/libc.ts'
import { processRef } from '../../linux/processes/proc.ts'
import type { Logger } from '../../log.ts'
import { landlockProblem } from '../../rootless/filters/landlock.ts'
import type { Identity } from '../../rootless/jail/launch-spec.ts'
import { type GuestAssets, resolveAssets } from '../../vmm/assets.ts'
import { createVmm, vmmFeatures } from '../../vmm/create.ts'
import { machineModules } from '../../vmm/guest-modules.ts'
import type { VmSpec } from '../../vmm/vmm.ts'
import { openVsock } from '../../vmm/vsock.ts'
import { takeTpm } from '../devices/tpm.ts'
import { coldVfio, vfioHost } from '../devices/vfio-devices.ts'
import { MachineEnd } from '../end/machine-end.ts'
import { openLedger } from '../end/teardown.ts'
import { type NetworkRequest, SandboxNetwork } from '../network/network.ts'
import { sweepDisks } from '../records/disk-sweep.ts'
import { writeFacts } from '../records/facts.ts'
import { openWalls } from '../records/open-walls.ts'
import { ownerResource } from '../records/owner.ts'
import { leaseDir, type SandboxPaths, sandboxPaths } from '../records/paths.ts'
import { type ContainerRequest, Sandbox } from '../sandbox.ts'
import { hostMemoryMiB, MachineSizer } from '../size/machine-sizer.ts'
import { memoryBound } from '../size/memory-bound.ts'
import { planMachine } from '../size/sizing.ts'
import { createDiskShare, requireCopyable } from '../storage/disk-share.ts'
import { Disks } from '../storage/disks.ts'
import { shareAttachments, shareDevices } from '../storage/share-attachments.ts'
import { startShare } from '../storage/start-share.ts'
import { sandboxAccelerator } from './accelerator.ts'
import { background } from './background.ts'
import { startGuest } from './guest.ts'
import { guestParameters } from './guest-parameters.ts'
import { guestUp, whileGuestLives } from './guest-up.ts'
import { recordTimings } from './timings.ts'
import { takeUser } from './user.ts'

export interface SandboxRequest {
  readonly id: string
  readonly namespace: string
  /** Usually `/run/kata-ts`. */
  readonly runDir: string
  readonly hostname: string
  /** Size of the pod's /dev/shm. */
  readonly shmBytes: number
  readonly network: NetworkRequest
  /** The first container: the pod's own, or the only one. */
  readonly container: ContainerRequest
  readonly config: Config
  readonly log: Logger
  /** Gives the start up. */
  readonly signal: AbortSignal
  /** Faults on purpose, for tests. */
  readonly failpoints?: Failpoints | undefined
}

/**
 * Creates the sandbox and waits until its guest answers. Whatever fails, nothing of it is left.
 *
 * @throws KataError of the step that failed; the signal's reason, whatever failed by that.
 */
export async function createSandbox(request: SandboxRequest): Promise<Sandbox> {
  const { runDir, namespace, id, log, signal } = request
  const paths = sandboxPaths(runDir, namespace, id)
  requireConfiguredFiles(request.config)
  if (vmmFeatures(request.config).share === 'none') requireCopyable(request.container)
  try {
    claimStateDir(paths)
    const ledger = openLedger(paths, log, request.failpoints)
    try {
      return await build(request, paths, ledger)
    } catch (failure) {
      const error = signal.aborted ? signal.reason : failure
      log.error('start failed', { error, ...(signal.aborted && { by: failure }) })
      // What cannot be released stays written down for `gc`; why the start failed matters more to the caller.
      await ledger
        .releaseAll()
        .then(() => rmSync(paths.stateDir, { recursive: true, force: true }))
        .catch((left) => log.error('the failed start left something', { error: left }))
      throw error
    }
  } catch (error) {
    throw isDiskFull(error) ? new KataError('RUN_DIR_FULL', { id, path: runDir }, { cause: error }) : error
  }
}

/** Whatever step it was that found no room: all of a sandbox's own files lie below the run directory. */
function isDiskFull(error: unknown): boolean {
  if (error instanceof SyscallError) return error.errno === 'ENOSPC'
  return (error as NodeJS.ErrnoException).code === 'ENOSPC'
}

async function build(request: SandboxRequest, paths: SandboxPaths, ledger: Ledger): Promise<Sandbox> {
  const { id, namespace, config, log, signal } = request
  const { hypervisor } = config
  const timings = recordTimings(signal)
  for (const swept of sweepDisks())
    log[swept.failure === undefined ? 'info' : 'warn']('disks of an earlier boot', { ...swept })
  const shim = processRef(process.pid)!
  await ledger.take(ownerResource, shim, () => {})

  const assets = resolveAssets(config)
  await requireAssetHashes(hypervisor, { ...assets, image: assets.rootDisk?.image })
  // A start that is given up ends it by leaving, so that no trial of KVM fails by that: other starts take its result.
  await using verification = background((leaving) =>
    timings.measure('verify image', () => assets.verify(leaving)),
  )
  // Before the sandbox has anything: what is tried here is no part of it, nor of what the pod's cgroups count.
  const choice = await timings.measure('accelerator', () =>
    sandboxAccelerator(ledger, { id, namespace, config, paths, assets, verified: verification.done, log }),
  )
  const cgroups = await timings.measure('cgroups', () => enterCgroups(request, ledger))
  const { identity, privateDir, ids } = await timings.measure('user', () =>
    takeUser(ledger, { id, namespace, config, paths, log, signal }),
  )
  const spec = machineSpec(request, paths, assets, identity, privateDir)
  const features = vmmFeatures(config)
  const clientUid = features.share === 'path' ? identity.uid : undefined
  const served =
    features.share === 'none'
      ? undefined
      : await timings.measure('virtiofsd', () =>
          startShare(ledger, {
            config,
            paths,
            privateDir,
            clientUid,
            ids,
            container: request.container,
            signal,
          }),
        )
  const open = openWalls(config, {
    accelerator: choice,
    virtiofsdRootBecause: served?.rootBecause,
    landlockProblem: hypervisor.landlock === 'best-effort' ? await landlockProblem() : undefined,
  })
  for (const { what, quiet } of open) if (!quiet) warnClient(request.container.bundle, what, log)
  const network = await SandboxNetwork.create(request.network, {
    ...{ ledger, config, log, identity, stateDir: paths.stateDir, signal },
  })
  // Our copies of what the VMM is given: closed once it has them, or whatever fails before.
  using given = new DisposableStack()
  const closeLater = (fd: number) => given.defer(() => closeSync(fd))
  const attached = given.use(await timings.measure('network', () => network.attach()))
  const tpm = await timings.measure('tpm', () => takeTpm(request, paths, ledger))
  if (tpm !== undefined) closeLater(tpm.socket)
  const vsock = openVsock(channelOf(hypervisor))
  if (vsock !== undefined) closeLater(vsock.fd)
  const vfio = given.use(
    await coldVfio({ container: request.container, config }, ledger, vfioHost(paths.runDir)),
  )
  const vmm = createVmm({
    spec: {
      ...spec,
      accelerator: choice.accelerator,
      ...shareAttachments(served, features, hypervisor.virtioFsQueueSize, closeLater),
      nics: attached.nics,
      netns: network.placeOf(attached),
      vfio: vfio.devices,
      ...(vsock === undefined ? {} : { vsock }),
      ...(tpm === undefined ? {} : { tpm }),
    },
    patience: { start: config.agent.dialTimeout, plug: config.runtime.createContainerTimeout },
    config,
    ledger,
    log,
    signal,
  })
  const { ref } = await timings.measure('vmm', () => cgroups.explain(vfio.explain(vmm.start())))
  given.dispose()
  cgroups.placeVmm(ref.pid)
  const end = new MachineEnd({
    ...{ id, program: hypervisor.path },
    consoleTail: () => vmm.consoleTail(),
    outOfMemory: () => cgroups.outOfMemory(),
  })
  void vmm.ended.then((told) => end.tell('machine', told))
  void served?.share.exited.then((exit) => end.tell('share', exit))
  // What breaks by our own doing is no end to be explained.
  signal.addEventListener('abort', () => end.tell('asked', true), { once: true })
  const agent = await connectAgent(vmm.agent, { log, signal })
  agent.explainLossBy((error) => end.explainLoss(error))
  void agent.closed.then((error) => end.tell('agent', error))
  // No guest code runs from a kernel that is not the one that was built.
  await end.during(verification.done)
  await vmm.boot()
  await timings.measure('guest boot', () => guestUp({ id, vmm, agent, config, choice, end }))
  const kernelModules = [...machineModules(hypervisor), ...config.agent.kernelModules]
  const started = timings.measure('guest sandbox', () =>
    startGuest(agent, {
      sandboxId: id,
      hostname: request.hostname,
      shmBytes: request.shmBytes,
      shares: shareDevices(served),
      network: attached.facts,
      dns: request.network.dns,
      kernelModules,
      offlineVcpus: vmm.offlineVcpus,
    }),
  )
  const agentFacts = await whileGuestLives(started, { agent, end })
  writeFacts(paths.facts, {
    ...{ id, namespace, shimPid: shim.pid, vmmPid: ref.pid },
    virtiofsdPids: shareDevices(served).flatMap(({ daemon }) => daemon.processes.map(({ pid }) => pid)),
    virtiofsdUid: served?.first.daemon.idmap?.first ?? 0,
    ...{ rootless: hypervisor.rootless, user: identity.name, uid: identity.uid, gid: identity.gid },
    groups: identity.groups,
    account: hypervisor.rootless ? hypervisor.rootlessAccount : 'root',
    privateDir,
    vmm: hypervisor.path,
    ...{ accelerator: choice.accelerator, acceleratorReason: choice.reason, openWalls: open },
    ...{ kernel: assets.kernel, initrd: assets.initrd ?? '' },
    agent: { name: agentFacts.name, version: agentFacts.version },
    ...{ vcpus: spec.vcpus, memoryMiB: spec.memoryMiB },
    timings: timings.steps,
  })
  const sizer = new MachineSizer({
    ...{ config, vmm, agent: agent.agent, boot: spec, log },
    memoryBlockMiB: agentFacts.memoryBlockMiB,
    onGrowing: ({ memoryMiB }) => cgroups.allowMemory(memoryBound(memoryMiB)),
    onResized: () => cgroups.placeVmm(ref.pid),
  })
  const disks = new Disks({ vmm, ledger, bus: hypervisor.blockDeviceDriver })
  signal.throwIfAborted()
  const share = served?.share ?? (await createDiskShare({ ledger, paths, disks, agent: agent.agent, log }))
  return new Sandbox({
    id,
    config,
    paths,
    ledger,
    end,
    vmm,
    vmmProcess: ref,
    share,
    disks,
    network,
    agent,
    agentFacts,
    sizer,
    log,
  })
}

/** From here on all that the sandbox starts is in its cgroups. */
function enterCgroups(
  { id, container, config, log }: SandboxRequest,
  ledger: Ledger,
): Promise<CgroupPlacement> {
  return CgroupPlacement.enter(ledger, {
    sandboxId: id,
    cgroupsPath: container.spec.linux?.cgroupsPath,
    only: config.runtime.sandboxCgroupOnly,
    memoryBytes: memoryBound(planMachine(config, container.spec, hostMemoryMiB()).memoryMiB),
    log,
  })
}

function machineSpec(
  { id, config, container }: SandboxRequest,
  { stateDir }: SandboxPaths,
  { verify: _, ...files }: GuestAssets,
  identity: Identity,
  privateDir: string,
): Omit<VmSpec, 'accelerator'> {
  const { hypervisor } = config
  return {
    ...{ sandboxId: id, identity, privateDir, stateDir, ...files },
    kernelParams: guestParameters(config),
    kvmAccess: hypervisor.kvmAccess,
    ...planMachine(config, container.spec, hostMemoryMiB()),
  }
}

/** The directory is the claim: of two starts of one name the second is refused. @throws KataError SANDBOX_EXISTS. */
function claimStateDir({ runDir, stateDir, exportDir }: SandboxPaths): void {
  mkdirSync(runDir, { recursive: true, mode: 0o711 })
  // Walked by a daemon that is nobody here, whatever umask or earlier version made them.
  for (const directory of [leaseDir, dirname(exportDir)]) {
    mkdirSync(directory, { recursive: true })
    chmodSync(directory, 0o711)
  }
  mkdirSync(dirname(stateDir), { recursive: true, mode: 0o700 })
  try {
    mkdirSync(stateDir, { mode: 0o700 })
  } catch (cause) {
    if ((cause as NodeJS.ErrnoException).code !== 'EEXIST') throw cause
    throw new KataError('SANDBOX_EXISTS', { path: stateDir }, { cause })
  }
}
