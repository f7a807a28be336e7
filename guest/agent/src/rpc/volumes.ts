/** Calls about volumes. */
import { fileSystem } from 'syscalls'
import type { AgentServiceDefinition } from '../../../../src/protocol/generated/agent.ts'
import type { Implementation } from '../../../../src/ttrpc/ttrpc.ts'
import { invalid } from '../errors.ts'
import type { Sandbox } from '../sandbox.ts'
import { volumeUsage } from '../statistics/volume-usage.ts'
import { type ExitOf, growVolume } from '../storage/grow-volume.ts'
import { errnoName } from '../system/files.ts'

export function volumeCalls(sandbox: Sandbox, exitOf: ExitOf) {
  return {
    updateEphemeralMounts({ storages }) {
      sandbox.updateVolumes(storages)
      return {}
    },
    getVolumeStats({ volumeGuestPath }) {
      const usage = volumeUsage(factsOf(volumeGuestPath))
      return { usage, volumeCondition: { abnormal: false, message: '' } }
    },
    async resizeVolume({ volumeGuestPath, size }) {
      await growVolume(volumeGuestPath, Number(size), exitOf)
      return {}
    },
    /** A container that goes leaves the directories of the share that nobody else uses: none is ever stale. */
    removeStaleVirtiofsShareMounts: () => ({}),
  } satisfies Implementation<typeof AgentServiceDefinition>
}

/** @throws TtrpcError INVALID_ARGUMENT for a path that is not one of the guest's. */
function factsOf(path: string) {
  if (!path.startsWith('/')) throw invalid(`${path} is not an absolute path`)
  try {
    return fileSystem(path)
  } catch (error) {
    throw invalid(`${path} cannot be looked at: ${errnoName(error)}`, error)
  }
}
