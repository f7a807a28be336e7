/** Network cards, whose taps go along as descriptors: before the machine boots, or into one that runs. */
import { deviceGone } from './device-tree.ts'
import type { Call } from './disks.ts'

export interface Nic {
  readonly id: string
  readonly mac: string
  /** Bytes. */
  readonly mtu: number
  /** One descriptor a queue pair. */
  readonly taps: readonly number[]
}

/** The API's NetConfig, as far as we set it; the taps are not in it. */
export interface NetConfig {
  readonly id: string
  readonly mac: string
  readonly mtu: number
  readonly num_queues: number
}

/** @throws KataError VMM_COMMAND_FAILED. */
export async function plugNic(put: Call, { id, mac, mtu, taps }: Nic): Promise<void> {
  const body: NetConfig = { id, mac, mtu, num_queues: 2 * taps.length }
  await put('vm.add-net', { body, fds: taps })
}

/** Waits until guest and VMM have let go of it. @throws KataError VMM_COMMAND_FAILED, VMM_COMMAND_TIMEOUT. */
export async function unplugNic(put: Call, info: () => Promise<unknown>, id: string): Promise<void> {
  await put('vm.remove-device', { body: { id } })
  await deviceGone(info, id)
}
