/** From a saved machine to a running pod: a start as every other, with a user of its own, whose guest goes on in place of booting. */
import type { Ledger } from '../../ledger/ledger.ts'
import { rootfsMounts } from '../container-request.ts'
import { bringRootfs } from '../disks/ready-rootfs.ts'
import type { SandboxPaths } from '../records/paths.ts'
import type { Sandbox } from '../sandbox.ts'
import { background } from '../start/background.ts'
import { finishStart } from '../start/finish.ts'
import { bootGuest } from '../start/guest/boot-guest.ts'
import { wakeGuest } from '../start/guest/wake-guest.ts'
import type { StartHost } from '../start/host.ts'
import { connectToGuest, watchMachine } from '../start/machine/agent.ts'
import { makeVmm, startMachine } from '../start/machine/machine.ts'
import { prepareBoot } from '../start/prepare/boot.ts'
import { enterCgroups } from '../start/prepare/cgroups.ts'
import { claimOwner, claimSandbox, requireStartable } from '../start/prepare/claim.ts'
import { openDevices } from '../start/prepare/devices.ts'
import { makeNetwork } from '../start/prepare/network.ts'
import { warnOfOpenWalls } from '../start/prepare/open-walls.ts'
import type { SandboxRequest } from '../start/request.ts'
import { namingFullDisk, rollingBack } from '../start/rollback.ts'
import { recordTimings } from '../start/timings.ts'
import { noBringer } from '../storage/brought-modules.ts'
import { Disks } from '../storage/disks.ts'
import {
  type Checkpoint,
  readCheckpoint,
  requireSameCards,
  requireSameMachine,
  verifyCheckpoint,
} from './checkpoint.ts'

/**
 * The sandbox of the machine that was saved in `directory`. Its container is there, and stands still.
 *
 * @throws KataError CHECKPOINT_FOREIGN, CHECKPOINT_DAMAGED, CHECKPOINT_UNUSABLE, those of a sandbox's start; the signal's reason. Nothing is
 *   left then, and what was saved is as it was unless the guest had gone on.
 */
export async function resumeSandbox(
  request: SandboxRequest,
  directory: string,
  host: StartHost,
): Promise<Sandbox> {
  const checkpoint = readCheckpoint(directory)
  const paths = requireStartable(request)
  return await namingFullDisk(request, () => {
    const ledger = claimSandbox(host, request, paths)
    return rollingBack(request, { ledger, paths }, () => resume(request, checkpoint, { paths, ledger, host }))
  })
}

async function resume(
  request: SandboxRequest,
  checkpoint: Checkpoint,
  { paths, ledger, host }: { paths: SandboxPaths; ledger: Ledger; host: StartHost },
): Promise<Sandbox> {
  const { id, container, config, log, signal } = request
  const { plan } = checkpoint.facts
  const timings = recordTimings(signal)
  const shim = await claimOwner(host, ledger, log)
  await using boot = await prepareBoot(host, ledger, { ...request, paths }, timings)
  const { assets, assetFiles, verified, accelerator } = boot
  // Beside what the host does for the others: it reads all of QEMU and of the guest's image.
  await using sameMachine = background((leaving) =>
    requireSameMachine(checkpoint, config, { assets, accelerator }, leaving),
  )

  const cgroups = await timings.measure('cgroups', () => enterCgroups(host, ledger, request, plan))
  const user = await timings.measure('user', () => host.takeUser(ledger, { ...request, paths }))
  await using networkMaking = makeNetwork(host, ledger, { ...request, paths, user }, timings)
  const bare = { config, accelerator, share: undefined, bundle: container.bundle, log }
  const walls = await warnOfOpenWalls(host, bare)
  const { uid } = user.identity
  const network = await networkMaking.done
  const sources = { ...request, paths, network, uid, share: undefined }
  using devices = await openDevices(host, ledger, sources, timings)
  const { cards: macs = [], wasClone = false } = checkpoint.facts
  requireSameCards(checkpoint, devices.network.interfaces)
  await timings.measure('same machine', () => sameMachine.done)

  const { state, recorded } = checkpoint
  const resumed = { state, recorded, wasClone }
  const parts = { id, config, paths, assets, plan, accelerator, user, devices, resumed }
  const vmm = await makeVmm(host, ledger, parts, request)
  const vmmProcess = await startMachine(vmm, { devices, cgroups }, timings)

  const end = watchMachine({ id, config, vmm, vmmProcess, cgroups, share: undefined, signal })
  const agent = await connectToGuest(host, vmm, { end, log, signal, goesOn: true })
  const disks = new Disks({ vmm, ledger, bus: config.hypervisor.blockDeviceDriver })
  await end.during(bringRootfs({ share: noShare, disks, ledger, paths, config }, id, rootfsMounts(container)))
  await timings.measure('verify checkpoint', () => verifyCheckpoint(checkpoint, disks.all, signal))
  const onBooted = () => cgroups.placeVcpus(vmmProcess.pid)
  await bootGuest({ verified, vmm, agent, end, accelerator, onBooted }, request, timings)
  const agentFacts = await timings.measure('guest sandbox', () =>
    wakeGuest({ agent, end }, { network: devices.network, macs }),
  )

  const began = wasClone ? ('clone' as const) : ('boot' as const)
  const machine = { assets, assetFiles, accelerator, plan, began, network: devices.network }
  const prepared = { shim, paths, ledger, user, cgroups, network, share: undefined, walls, timings }
  const running = { vmm, vmmProcess, machine, end, agent, agentFacts, modules: noBringer }
  const resumedParts = { disks, guestId: checkpoint.facts.container, template: '' }
  return await finishStart(host, request, { ...prepared, ...running, ...resumedParts })
}

/** A machine that can be saved has none. */
const noShare = {
  addRootfs: () => Promise.reject(new Error('its root file system is on no disks')),
}
