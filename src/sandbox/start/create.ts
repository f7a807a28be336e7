/** The start of a sandbox: its stages, in order. Whatever a stage takes from the host is recorded in the ledger first. */
import type { Ledger } from '../../ledger/ledger.ts'
import type { SandboxPaths } from '../records/paths.ts'
import type { Sandbox } from '../sandbox.ts'
import { hostMemoryMiB } from '../size/machine-sizer.ts'
import { planMachine } from '../size/sizing.ts'
import { bringerFor } from '../storage/brought-modules.ts'
import { background } from './background.ts'
import { finishStart } from './finish.ts'
import { bootGuest, setUpGuest } from './guest/boot-guest.ts'
import { type StartHost, thisHost } from './host.ts'
import { connectToGuest, watchMachine } from './machine/agent.ts'
import { makeVmm, startMachine } from './machine/machine.ts'
import { prepareBoot } from './prepare/boot.ts'
import { enterCgroups } from './prepare/cgroups.ts'
import { claimOwner, claimSandbox, requireStartable } from './prepare/claim.ts'
import { asClone, cloneOrBoot, findClone } from './prepare/clone.ts'
import { openDevices } from './prepare/devices.ts'
import { modulesOf } from './prepare/guest-modules.ts'
import { makeNetwork } from './prepare/network.ts'
import { warnOfOpenWalls } from './prepare/open-walls.ts'
import { sharePod } from './prepare/share.ts'
import type { SandboxRequest } from './request.ts'
import { namingFullDisk, rollingBack } from './rollback.ts'
import { recordTimings } from './timings.ts'

/**
 * Creates the sandbox and waits until its guest answers. When a stage fails, nothing is left.
 *
 * @throws KataError of the stage that failed; the signal's reason once it has aborted, whatever failed then.
 */
export async function createSandbox(request: SandboxRequest, host: StartHost = thisHost): Promise<Sandbox> {
  const paths = requireStartable(request)
  const inOneWay = (way: 'clone' | 'boot') => {
    const ledger = claimSandbox(host, request, paths)
    const taken = { ledger, paths, retriedAfter: 'TEMPLATE_UNUSABLE' } as const
    return rollingBack(request, taken, () => start(request, paths, ledger, { host, way }))
  }
  return await namingFullDisk(request, () => cloneOrBoot(request, inOneWay))
}

async function start(
  request: SandboxRequest,
  paths: SandboxPaths,
  ledger: Ledger,
  { host, way }: { host: StartHost; way: 'clone' | 'boot' },
) {
  const { id, container, config, log, signal } = request
  const timings = recordTimings(signal)
  const shim = await claimOwner(host, ledger, log)
  await using boot = await prepareBoot(host, ledger, { ...request, paths }, timings)
  const { assets, assetFiles, verified, accelerator } = boot

  const wanted = planMachine(config, container.spec, hostMemoryMiB())
  const clone =
    way === 'boot' ? undefined : await findClone(host, { config, assets, accelerator, plan: wanted })
  const plan = clone?.plan ?? wanted
  // Runs beside the creation of the user, which leaves no process behind. All later processes start in the cgroups.
  const userMade = Promise.withResolvers<void>()
  await using entering = background(() =>
    timings.measure('cgroups', () => enterCgroups(host, ledger, request, plan, userMade.promise)),
  )
  const user = await timings
    .measure('user', () => host.takeUser(ledger, { ...request, paths }))
    .finally(userMade.resolve)
  const cgroups = await entering.done
  await using networkMaking = makeNetwork(host, ledger, { ...request, paths, user }, timings)
  const modules = modulesOf(config, assets)
  const sharing = { config, paths, user, container, modules, signal }
  const share = await sharePod(host, ledger, sharing, timings)
  const walls = await warnOfOpenWalls(host, { config, accelerator, share, bundle: container.bundle, log })

  const { uid } = user.identity
  const network = await networkMaking.done
  using devices = await openDevices(host, ledger, { ...request, paths, network, uid, share }, timings)

  const template = clone?.template.saved
  const parts = { id, config, paths, assets, plan, accelerator, user, devices, template }
  const vmm = await makeVmm(host, ledger, parts, request)
  // The template may have been removed or replaced since it was found.
  const inItsWay = <T>(step: () => Promise<T>) => (clone === undefined ? step() : asClone(step, signal))
  const vmmProcess = await inItsWay(() => startMachine(vmm, { devices, cgroups }, timings))

  const end = watchMachine({ id, config, vmm, vmmProcess, cgroups, share, signal })
  const agent = await connectToGuest(host, vmm, { end, log, signal })
  const bringer = bringerFor(agent.agent, { share, modules })
  const onBooted = () => cgroups.placeVcpus(vmmProcess.pid)
  await inItsWay(() => bootGuest({ verified, vmm, agent, end, accelerator, onBooted }, request, timings))
  const agentFacts = await setUpGuest(
    { vmm, agent, end },
    request,
    { share, network: devices.network, modules: bringer },
    timings,
  )

  const machine = { assets, assetFiles, accelerator, plan, began: way, network: devices.network }
  const prepared = { shim, paths, ledger, user, cgroups, network, share, walls, timings }
  const running = { vmm, vmmProcess, machine, end, agent, agentFacts, modules: bringer }
  return await finishStart(host, request, {
    ...prepared,
    ...running,
    template: clone?.template.facts.key ?? '',
  })
}
