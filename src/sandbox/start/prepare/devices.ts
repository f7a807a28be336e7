/** The host's devices for the machine: open descriptors. The VMM gets copies of them at its start. */
import { closeSync } from 'node:fs'
import type { Config } from '../../../config/config.ts'
import { channelOf } from '../../../config/kata/own-guest.ts'
import type { Ledger } from '../../../ledger/ledger.ts'
import type { Logger } from '../../../log.ts'
import type { NetworkFacts } from '../../../network/facts.ts'
import { vmmFeatures } from '../../../vmm/create.ts'
import type { VmSpec } from '../../../vmm/vmm.ts'
import type { ContainerRequest } from '../../container-request.ts'
import { coldVfio } from '../../devices/vfio-devices.ts'
import type { SandboxNetwork } from '../../network/network.ts'
import type { SandboxPaths } from '../../records/paths.ts'
import { shareAttachments } from '../../storage/share-attachments.ts'
import type { ServedShare } from '../../storage/start-share.ts'
import type { StartHost } from '../host.ts'
import type { Timings } from '../timings.ts'

export interface DevicesRequest {
  readonly id: string
  readonly namespace: string
  readonly config: Config
  readonly paths: SandboxPaths
  readonly container: ContainerRequest
  readonly network: Pick<SandboxNetwork, 'attach' | 'placeOf'>
  /** The VMM's. */
  readonly uid: number
  readonly share: ServedShare | undefined
  readonly log: Logger
  /** Aborts the start. */
  readonly signal: AbortSignal
}

/** Disposing closes our copies; it is safe to repeat. */
export interface MachineDevices extends Disposable {
  /** The devices in the form that the machine gets. */
  readonly attached: Pick<VmSpec, 'nics' | 'netns' | 'share' | 'volumeShare' | 'vfio' | 'vsock' | 'tpm'>
  /** What the guest is told of its network. */
  readonly network: NetworkFacts
  /** The result of a machine's start; its failure names the device if that was the reason. */
  explain<T>(start: Promise<T>): Promise<T>
}

/**
 * Opens the devices. When one fails, none stays open.
 *
 * @throws KataError, those of {@link attachNetwork}, {@link takeTpm}, {@link openVsock} and {@link coldVfio}.
 */
export async function openDevices(
  host: Pick<StartHost, 'takeTpm' | 'openVsock' | 'vfio'>,
  ledger: Ledger,
  request: DevicesRequest,
  { measure }: Pick<Timings, 'measure'>,
): Promise<MachineDevices> {
  const { id, namespace, config, paths, container, network, uid, share, log, signal } = request
  const { hypervisor } = config
  using opened = new DisposableStack()
  const closeLater = (fd: number) => opened.defer(() => closeSync(fd))
  const cards = opened.use(await measure('network', () => network.attach(uid)))
  const tpmOptions = { id, namespace, config, stateDir: paths.stateDir, log, signal }
  const tpm = await measure('tpm', () => host.takeTpm(ledger, tpmOptions))
  if (tpm !== undefined) closeLater(tpm.socket)
  const vsock = host.openVsock(channelOf(hypervisor))
  if (vsock !== undefined) closeLater(vsock.fd)
  const vfio = opened.use(await coldVfio({ container, config }, ledger, host.vfio(paths.runDir)))
  const attached = {
    ...shareAttachments(share, vmmFeatures(config), hypervisor.virtioFsQueueSize, closeLater),
    nics: cards.nics,
    netns: network.placeOf(cards),
    vfio: vfio.devices,
    ...(vsock === undefined ? {} : { vsock }),
    ...(tpm === undefined ? {} : { tpm }),
  }
  const kept = opened.move()
  return {
    attached,
    network: cards.facts,
    explain: (start) => vfio.explain(start),
    [Symbol.dispose]: () => kept.dispose(),
  }
}
