/** Calls about containers. */
import { readFile } from 'syscalls'
import type { AgentServiceDefinition } from '../../../../src/protocol/generated/agent.ts'
import type { Implementation } from '../../../../src/ttrpc/ttrpc.ts'
import { freezeCgroup, statsOf } from '../container/cgroup.ts'
import { reclaimMemory } from '../container/reclaim.ts'
import { readTerminationLog } from '../container/termination-log.ts'
import { invalid } from '../errors.ts'
import type { Sandbox } from '../sandbox.ts'
import { parseNetworkStats } from '../statistics/network-stats.ts'

export function containerCalls(sandbox: Sandbox) {
  return {
    async createContainer(request) {
      await sandbox.createContainer(request)
      return {}
    },
    startContainer({ containerId }) {
      sandbox.container(containerId).start()
      return {}
    },
    async removeContainer({ containerId, timeout }) {
      await sandbox.removeContainer(containerId, timeout)
      return {}
    },
    async updateContainer({ containerId, resources }) {
      if (resources === undefined) throw invalid('the request lacks resources')
      await sandbox.container(containerId).update(resources)
      return {}
    },
    statsContainer({ containerId }) {
      const { cgroup } = sandbox.container(containerId)
      return { cgroupStats: statsOf(cgroup), networkStats: parseNetworkStats(readFile('/proc/net/dev')) }
    },
    getDiagnosticData({ logType, containerId }) {
      if (logType !== 'termination_log')
        throw invalid(`there is no diagnostic data ${JSON.stringify(logType)}`)
      const { terminationLog } = sandbox.container(containerId)
      return { data: terminationLog === undefined ? '' : readTerminationLog(terminationLog) }
    },
    async pauseContainer({ containerId }) {
      await freezeCgroup(sandbox.container(containerId).cgroup, true)
      return {}
    },
    async reclaimMemory({ containerId }) {
      await reclaimMemory(sandbox.container(containerId).cgroup)
      return {}
    },
    async resumeContainer({ containerId }) {
      await freezeCgroup(sandbox.container(containerId).cgroup, false)
      return {}
    },
  } satisfies Implementation<typeof AgentServiceDefinition>
}
