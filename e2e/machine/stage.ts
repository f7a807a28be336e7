/** What a VMM driver needs around it, made as for a real sandbox: a user, its directories, a ledger. No agent, no pod. */
import { mkdirSync, rmSync, statSync } from 'node:fs'
import { builtInConfig } from '../../src/config/load.ts'
import { requireImage } from '../../src/guest-image/guest-image.ts'
import { Ledger } from '../../src/ledger/ledger.ts'
import { processResource } from '../../src/ledger/process-resource.ts'
import { processRef } from '../../src/linux/processes/proc.ts'
import { silentLogger } from '../../src/log.ts'
import { takeIdentity } from '../../src/rootless/identity/identity.ts'
import { makePrivateDir } from '../../src/rootless/identity/private-dir.ts'
import type { Identity } from '../../src/rootless/jail/launch-spec.ts'
import { rootlessKinds } from '../../src/rootless/kinds.ts'
import { leaseDir } from '../../src/sandbox/records/paths.ts'
import { createVmm, vmmFeatures } from '../../src/vmm/create.ts'
import type { Vmm, VmmFeatures, VmmOptions, VmSpec } from '../../src/vmm/vmm.ts'
import { accelerator } from '../harness/accelerator.ts'
import { ownDirectory } from '../harness/directories.ts'
import { slow } from '../harness/time.ts'
import type { VmmUnderTest } from '../harness/vmm.ts'

export const guestImage = requireImage()
export const bootLimitMs = slow(60_000)
const kvmNode = statSync('/dev/kvm', { throwIfNoEntry: false })
export const kvmGroup = kvmNode?.gid ?? 0
/** Group 0 is never handed over. */
export const kvmGroupUsable = kvmGroup !== 0

/** The jailer makes a node of KVM for Firecracker alone. */
const needsGroup = ({ driver }: VmmUnderTest): boolean => driver !== 'firecracker'

/** Why this machine cannot run guests of the VMM; empty when it can. */
export function reasonAgainst(vmm: VmmUnderTest): string {
  const cannot = vmm.driver === 'clh' && !kvmGroupUsable
  return cannot ? ' (skipped: it needs /dev/kvm with a group)' : ''
}

export class MachineStage implements AsyncDisposable {
  readonly runDir: string
  /** For programs: below /run nothing may be executed on many hosts. */
  readonly programDir = ownDirectory('/var/lib/kt-programs-')
  readonly ledger: Ledger
  readonly identity: Identity
  readonly privateDir: string
  readonly #vmm: VmmUnderTest

  private constructor(
    vmm: VmmUnderTest,
    runDir: string,
    ledger: Ledger,
    identity: Identity,
    privateDir: string,
  ) {
    this.#vmm = vmm
    this.runDir = runDir
    this.ledger = ledger
    this.identity = identity
    this.privateDir = privateDir
  }

  static async open(vmm: VmmUnderTest): Promise<MachineStage> {
    const runDir = ownDirectory('/run/kata-ts-vmm-')
    mkdirSync(leaseDir, { recursive: true, mode: 0o711 })
    mkdirSync(`${runDir}/state`, { mode: 0o700 })
    const ledger = ledgerIn(runDir)
    const { identity, lease } = await takeIdentity(
      ledger,
      {
        // As real ones: no two stages have the same ids.
        runDir: leaseDir,
        range: { base: 1_879_048_192, blocks: 64 },
        sandbox: 'test/vmm',
        account: 'none',
        owner: processRef(process.pid)!,
        accelerator: needsGroup(vmm) && kvmGroupUsable ? 'auto' : 'tcg',
      },
      silentLogger,
    )
    return new MachineStage(vmm, runDir, ledger, identity, await makePrivateDir(ledger, lease))
  }

  /** A small machine on the guest image of `kata-ts guest build`. */
  options(more: Partial<VmSpec> = {}, path: string = this.#vmm.path): VmmOptions {
    const { runDir, ledger, identity, privateDir } = this
    const { hypervisor } = builtInConfig()
    const { driver, jailer } = this.#vmm
    return {
      spec: {
        sandboxId: 'vmm-test',
        identity,
        privateDir,
        stateDir: `${runDir}/state`,
        kernel: guestImage.kernel,
        initrd: guestImage.initrd,
        kernelParams: [],
        accelerator: driver === 'qemu' ? accelerator : 'kvm',
        vcpus: 1,
        maxVcpus: 0,
        memoryMiB: 256,
        maxMemoryMiB: 0,
        ...more,
      },
      config: { hypervisor: { ...hypervisor, driver, path, ...(jailer && { jailerPath: jailer }) } },
      ledger,
      log: silentLogger,
    }
  }

  /** How its VMM gets to a share. */
  get sharesBy(): VmmFeatures['share'] {
    return vmmFeatures(this.options().config).share
  }

  create(more: Partial<VmSpec> = {}, path?: string): Promise<Vmm> {
    return createVmm(this.options(more, path))
  }

  [Symbol.asyncDispose](): Promise<void> {
    return releaseStage(this, this.ledger)
  }
}

const ledgerIn = (runDir: string): Ledger =>
  new Ledger(`${runDir}/ledger`, [...rootlessKinds, processResource] as never, silentLogger)

/** For one whose process was killed, too: its ledger tells what it held. */
export async function releaseStage(
  { runDir, programDir }: Pick<MachineStage, 'runDir' | 'programDir'>,
  ledger = ledgerIn(runDir),
): Promise<void> {
  await ledger.releaseAll()
  for (const directory of [runDir, programDir]) rmSync(directory, { recursive: true })
}
