/**
 * KVM or TCG for a sandbox's machine. Where KVM has to be tried first, a machine of its own does that, before the sandbox has
 * anything: a user of its own, no share, no network, no device, and not in the pod's cgroups.
 */
import { mkdirSync, statSync } from 'node:fs'
import type { Config } from '../../../config/config.ts'
import type { Ledger } from '../../../ledger/ledger.ts'
import type { Logger } from '../../../log.ts'
import { chooseMachineAccelerator, type MakeTrial } from '../../../vmm/create.ts'
import type { GuestAssets } from '../../../vmm/host/assets.ts'
import type { AcceleratorChoice } from '../../../vmm/kvm/accelerator.ts'
import { probeMemoryMiB } from '../../../vmm/kvm/probe-memory.ts'
import { leaseDir, type SandboxPaths } from '../../records/paths.ts'
import { treeResource } from '../../storage/tree.ts'
import { takeUser } from './user.ts'

export interface SandboxAccelerator {
  readonly id: string
  readonly namespace: string
  readonly config: Config
  readonly paths: SandboxPaths
  readonly assets: GuestAssets
  /** Settles when kernel and initrd were found to be those that were built. */
  readonly verified: Promise<void>
  readonly log: Logger
}

/** What decides, and the trial's user; unit tests have their own. */
export interface AcceleratorHost {
  readonly choose: typeof chooseMachineAccelerator
  readonly takeUser: typeof takeUser
}

const thisHost: AcceleratorHost = { choose: chooseMachineAccelerator, takeUser }

/** @throws KataError KVM_UNUSABLE. Nothing of a trial is held afterwards. */
export function sandboxAccelerator(
  ledger: Ledger,
  request: SandboxAccelerator,
  host = thisHost,
): Promise<AcceleratorChoice> {
  const { config, paths, assets, log } = request
  const trial: MakeTrial = (boot) =>
    ledger.within(async () => {
      // No guest code runs from a kernel that is not the one that was built.
      await request.verified
      const { identity, privateDir } = await host.takeUser(ledger, request)
      const stateDir = `${paths.stateDir}/kvm-probe`
      await ledger.take(treeResource, { path: stateDir }, () => mkdirSync(stateDir, { mode: 0o700 }))
      const machine = probeMachine(config, assets)
      return boot({
        spec: { sandboxId: request.id, identity, privateDir, stateDir, ...machine },
        config,
        ledger,
        log,
      })
    })
  return host.choose({ config, kernel: assets.kernel, runDir: leaseDir, log }, trial)
}

/** What the guest needs to come up, and its kernel is told the same. */
function probeMachine({ hypervisor }: Config, { verify: _, ...files }: GuestAssets) {
  const { kernelParams, kvmAccess, defaultMemory } = hypervisor
  const initrdBytes = files.initrd === undefined ? 0 : statSync(files.initrd).size
  const memoryMiB = probeMemoryMiB(initrdBytes, defaultMemory)
  return { ...files, kernelParams, kvmAccess, vcpus: 1, maxVcpus: 1, memoryMiB, maxMemoryMiB: memoryMiB }
}
