import { addDirectVolume, removeDirectVolume, requireSize, sandboxesOf } from '../../devices/direct-volume.ts'
import { KataError } from '../../errors.ts'
import type { VolumeStatsResponse } from '../../protocol/generated/agent.ts'
import { listSandboxes } from '../../sandbox/records/gc.ts'
import { listTaskRecords } from '../../sandbox/records/list-tasks.ts'
import { resizeVolume, volumeStats } from '../client/volume.ts'
import type { Settings } from '../settings.ts'

export async function add(
  _settings: Settings,
  volume: string,
  { mountInfo: note }: { mountInfo: string },
): Promise<number> {
  addDirectVolume(volume, note)
  return 0
}

export async function remove(_settings: Settings, volume: string): Promise<number> {
  removeDirectVolume(volume)
  return 0
}

/**
 * Prints CSI's figures as JSON.
 *
 * @throws KataError DIRECT_VOLUME_MISSING, DIRECT_VOLUME_UNUSED, SHIM_UNREACHABLE, SHIM_CALL_FAILED.
 */
export async function stats(settings: Settings, volume: string): Promise<number> {
  const address = shimOf(settings, volume)
  settings.print(`${JSON.stringify(asJson(await volumeStats(address, volume)), undefined, 2)}\n`)
  return 0
}

/**
 * Lets the file system of a volume be as large as its disk has become; `size` in bytes.
 *
 * @throws KataError DIRECT_VOLUME_SIZE, DIRECT_VOLUME_NOT_GROWN, and those of {@link stats}.
 */
export async function resize(
  settings: Settings,
  volume: string,
  { size }: { size: string },
): Promise<number> {
  const bytes = requireSize(volume, size)
  await resizeVolume(shimOf(settings, volume), volume, bytes)
  return 0
}

function shimOf(settings: Settings, volume: string): string {
  const address = sandboxesOf(volume).flatMap((id) => addressOf(settings, id) ?? [])[0]
  if (address === undefined) throw new KataError('DIRECT_VOLUME_UNUSED', { volume })
  return address
}

/** Names and numbers as in the answer of Kata's runtime: `unit` 1 is bytes, 2 inodes. */
const asJson = ({ usage, volumeCondition }: VolumeStatsResponse) => ({
  usage: usage.map(({ available, total, used, unit }) => ({
    available: Number(available),
    total: Number(total),
    used: Number(used),
    unit,
  })),
  volume_condition: {
    abnormal: volumeCondition?.abnormal ?? false,
    message: volumeCondition?.message ?? '',
  },
})

/** The shim's, in whichever namespace its sandbox is: a CSI driver knows of none. */
function addressOf({ runDir, log }: Settings, sandbox: string): string | undefined {
  return listSandboxes(runDir)
    .filter(({ id }) => id === sandbox)
    .flatMap(({ namespace }) => listTaskRecords(runDir, namespace, log))
    .find(({ sandboxId }) => sandboxId === sandbox)?.address
}
