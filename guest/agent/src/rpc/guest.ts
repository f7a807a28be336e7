/** Calls about the guest and the sandbox as a whole. */
import { readFile, syncFileSystems } from 'syscalls'
import type { AgentServiceDefinition } from '../../../../src/protocol/generated/agent.ts'
import type { Implementation } from '../../../../src/ttrpc/ttrpc.ts'
import type { OomEvents } from '../container/oom.ts'
import { loadDrivers } from '../devices/expected-modules.ts'
import type { PassedDevices } from '../devices/passed-devices.ts'
import { internal } from '../errors.ts'
import { canProbeMemory, memoryBlockSize, onlineCpus, onlineMemory, reseed, setDateTime } from '../machine.ts'
import type { Sandbox } from '../sandbox.ts'
import { metricsText } from '../statistics/metrics.ts'
import type { ExitOf } from '../storage/grow-volume.ts'
import { receiveFile } from '../storage/received-files.ts'
import { storageDrivers } from '../storage/storage.ts'
import { clearFreeMemory } from '../system/clear-memory.ts'
import { agentFeature, agentVersion, buffersFeature } from '../system/version.ts'

export interface GuestTools {
  readonly sandbox: Sandbox
  readonly oom: OomEvents
  readonly passed: PassedDevices
  readonly exitOf: ExitOf
  /** Reports what went wrong while the sandbox ends. */
  readonly report: (error: unknown) => void
  /** Switches the machine off, once the answer has left. */
  readonly switchOff: () => void
}

export function guestCalls({ sandbox, oom, passed, exitOf, report, switchOff }: GuestTools) {
  return {
    async createSandbox(request) {
      await sandbox.create(request)
      return {}
    },
    async warmUp(request) {
      await sandbox.warmUp(request)
      return {}
    },
    loadDrivers({ names }) {
      loadDrivers(names)
      return {}
    },
    clearFreeMemory() {
      clearFreeMemory()
      return {}
    },
    async syncFileSystems() {
      await exitOf(syncFileSystems())
      return {}
    },
    async destroySandbox() {
      await sandbox.destroy(report)
      switchOff()
      return {}
    },
    getGuestDetails({ memBlockSize, memHotplugProbe }) {
      return {
        memBlockSizeBytes: memBlockSize ? memoryBlockSize() : 0n,
        supportMemHotplugProbe: memHotplugProbe && canProbeMemory(),
        agentDetails: {
          version: agentVersion,
          initDaemon: true,
          deviceHandlers: [],
          storageHandlers: storageDrivers,
          supportsSeccomp: true,
          extraFeatures: [agentFeature, buffersFeature],
        },
      }
    },
    async onlineCPUMem({ wait, nbCpus, cpuOnly }) {
      const online = await onlineCpus(nbCpus, wait)
      if (wait && online < nbCpus) throw internal(`${online} of ${nbCpus} processors came online`)
      if (!cpuOnly) onlineMemory()
      return {}
    },
    reseedRandomDev({ data }) {
      reseed(data)
      return {}
    },
    setGuestDateTime({ sec, usec }) {
      setDateTime(sec, usec)
      return {}
    },
    copyFile(request) {
      receiveFile(request)
      return {}
    },
    getMetrics() {
      return { metrics: metricsText(readFile, passed.samples()) }
    },
    async getOOMEvent(_request, call) {
      return { containerId: await oom.next(call) }
    },
  } satisfies Implementation<typeof AgentServiceDefinition>
}
