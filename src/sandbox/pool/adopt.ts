/** A pod's start with a machine that waited: what is the pod's own comes to it before anything of the pod runs in it. */
import { rmSync } from 'node:fs'
import { isSameConfig } from '../../config/same-config.ts'
import { describeError, KataError } from '../../errors.ts'
import { isEqual } from '../../json/is-equal.ts'
import type { NetworkFacts } from '../../network/facts.ts'
import { readPostureRecords } from '../../rootless/posture/posture-record.ts'
import type { SandboxNetwork } from '../network/network.ts'
import { type SandboxPaths, sandboxPaths } from '../records/paths.ts'
import { nameMachine } from '../records/state-dir.ts'
import type { Sandbox } from '../sandbox.ts'
import { hostMemoryMiB } from '../size/machine-sizer.ts'
import { planMachine } from '../size/sizing.ts'
import { createSandbox } from '../start/create.ts'
import { finishStart } from '../start/finish.ts'
import { setUpGuest } from '../start/guest/boot-guest.ts'
import type { StartHost } from '../start/host.ts'
import { findAssets } from '../start/prepare/assets.ts'
import { enterCgroups } from '../start/prepare/cgroups.ts'
import { requireStartable } from '../start/prepare/claim.ts'
import { findClone } from '../start/prepare/clone.ts'
import { warnOfOpenWalls } from '../start/prepare/open-walls.ts'
import type { SandboxRequest } from '../start/request.ts'
import { namingFullDisk, rollingBack } from '../start/rollback.ts'
import { recordTimings } from '../start/timings.ts'
import { bringerFor } from '../storage/brought-modules.ts'
import { shareProgramOf, type WaitingMachine } from './waiting-machine.ts'

/** How long the guest of a waiting machine may take to say that it is there, milliseconds. */
const answerMs = 2000

/** Claims the pod's name for the machine, which is the pod's from then on. @throws KataError SANDBOX_EXISTS, ID_INVALID. */
export function nameForPod(
  machine: Pick<WaitingMachine, 'paths' | 'pod'>,
  { namespace, id }: { readonly namespace: string; readonly id: string },
): void {
  const { stateDir } = sandboxPaths(machine.paths.runDir, namespace, id)
  nameMachine(machine.paths, { stateDir })
  machine.pod.id = id
  machine.pod.name = stateDir
}

/** Takes back {@link nameForPod}: the machine is nobody's again. The name is free first. @throws errors of unlink(2). */
export function takeNameBack({ pod, id }: Pick<WaitingMachine, 'pod' | 'id'>): void {
  if (pod.name === undefined) return
  rmSync(pod.name, { force: true })
  delete pod.name
  pod.id = id
}

/**
 * The sandbox of a machine that waited and has the pod's name ({@link nameForPod}). One that is not for this pod is released, the log says
 * why, and the sandbox begins as it would without it.
 *
 * @throws KataError those of a sandbox's start; the signal's reason. Nothing is left then. RELEASE_FAILED when the machine cannot be released.
 */
export async function adoptMachine(
  machine: WaitingMachine,
  request: SandboxRequest,
  host: StartHost,
): Promise<Sandbox> {
  const { log, signal } = request
  try {
    await requireFit(machine, request, host)
  } catch (error) {
    if (!isUnusable(error)) {
      await machine.release().catch((left) => log.error('a waiting machine left something', { error: left }))
      throw error
    }
    // What is left has the pod's name, and a start would fail by that, without a reason.
    await machine.release()
    log.warn(describeError(error))
    return createSandbox(request, host)
  }
  const { stateDir, ledger, facts } = machine.paths
  const named = sandboxPaths(request.runDir, request.namespace, request.id)
  const paths = { ...named, stateDir, ledger, facts, name: named.stateDir }
  try {
    const taken = { ledger: machine.ledger, paths, retriedAfter: 'POOL_UNUSABLE' } as const
    return await namingFullDisk(request, () =>
      rollingBack(request, taken, () =>
        adopt(machine, request, paths, host).catch((error) => {
          // The end that is about to come is ours.
          machine.end.tell('asked', true)
          throw error
        }),
      ),
    )
  } catch (error) {
    if (signal.aborted || !isUnusable(error)) throw error
    return createSandbox(request, host)
  }
}

const isUnusable = (error: unknown) => error instanceof KataError && error.code === 'POOL_UNUSABLE'
const unusable = (reason: string, cause?: unknown) => new KataError('POOL_UNUSABLE', { reason }, { cause })

/** @throws KataError POOL_UNUSABLE for a machine that is not what this pod's would be; SANDBOX_TOO_LARGE, OCI_SPEC_INVALID. */
async function requireFit(
  { config, accelerator, clone, share, shareProgram, end, agent }: WaitingMachine,
  request: SandboxRequest,
  host: StartHost,
): Promise<void> {
  const { container } = request
  requireStartable(request)
  if (end.over.aborted) throw unusable(`it has ended: ${describeError(end.over.reason)}`)
  if (!isSameConfig(config, request.config)) throw unusable('the configuration of the pod is another')
  // Nobody has asked its guest for anything since it began to wait.
  const answered = agent.health.check({}, { timeoutMs: answerMs })
  answered.catch(() => {})
  const plan = planMachine(request.config, container.spec, hostMemoryMiB())
  try {
    const assets = await findAssets(host, request.config)
    const now = await findClone(host, { config: request.config, assets, accelerator, plan })
    if (!isEqual(now?.template.facts, clone.template.facts))
      throw unusable('its template is not the one that there is now')
    if (!isEqual(shareProgramOf(request.config), shareProgram))
      throw unusable('its virtiofsd is not the program that there is now')
    await share?.requireFit(container)
    await answered.catch((cause) => {
      throw unusable(`its guest does not answer: ${describeError(cause)}`, cause)
    })
  } catch (error) {
    throw isUnusable(error) ? error : unusable(describeError(error), error)
  }
}

async function adopt(
  machine: WaitingMachine,
  request: SandboxRequest,
  paths: SandboxPaths,
  host: StartHost,
): Promise<Sandbox> {
  const { id, namespace, container, config, log, signal } = request
  const { ledger, user, clone, share, vmm, vmmProcess, end, agent, accelerator, assets, assetFiles, shim } =
    machine
  const timings = recordTimings(signal)
  signal.addEventListener('abort', () => end.tell('asked', true), { once: true })

  const { plan } = clone
  const cgroups = await timings.measure('cgroups', () => enterCgroups(host, ledger, request, plan))
  const pids = readPostureRecords(paths.stateDir).map(({ ref }) => ref.pid)
  await cgroups.moveIn(pids).catch((error) => {
    // The pod's limits would not hold for it; processes of a machine of the pod's own are born there.
    throw unusable(describeError(error), error)
  })
  await cgroups.placeVmm(vmmProcess.pid)
  await cgroups.placeVcpus(vmmProcess.pid)
  machine.pod.outOfMemory = () => cgroups.outOfMemory()
  const walls = await warnOfOpenWalls(host, { config, accelerator, share, bundle: container.bundle, log })

  const { identity } = user
  const { runDir, stateDir } = paths
  const making = { id, namespace, ledger, config, log, identity, runDir, stateDir, signal }
  const network = await timings.measure('make network', () => host.createNetwork(request.network, making))
  const facts = await timings.measure('network', () => plugNetwork(machine, network, { ...identity, signal }))

  const bringer = bringerFor(agent.agent, machine)
  const told = { share, network: facts, modules: bringer }
  const agentFacts = await setUpGuest({ vmm, agent, end }, request, told, timings)

  const cloned = { assets, assetFiles, accelerator, plan, began: 'clone' as const, network: facts }
  const prepared = { shim, paths, ledger, user, cgroups, network, share, walls, timings }
  const running = { vmm, vmmProcess, machine: cloned, end, agent, agentFacts, modules: bringer }
  const origin = { template: clone.template.facts.key, waited: machine.id }
  return await finishStart(host, request, { ...prepared, ...running, ...origin })
}

/** @throws KataError POOL_UNUSABLE for a card that does not go in; those of {@link SandboxNetwork.attach}; the signal's reason. */
async function plugNetwork(
  { vmm, end }: WaitingMachine,
  network: SandboxNetwork,
  { uid, signal }: { readonly uid: number; readonly signal: AbortSignal },
): Promise<NetworkFacts> {
  using cards = await network.attach(uid)
  try {
    for (const nic of cards.nics) await end.during(vmm.plugNic(nic))
  } catch (error) {
    throw signal.aborted ? signal.reason : unusable(describeError(error), error)
  }
  return cards.facts
}
