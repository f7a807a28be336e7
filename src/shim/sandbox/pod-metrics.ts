/** What the containers of a pod use together, in the agent's own terms. */
import { type MemoryData, StatsContainerResponse } from '../../protocol/generated/agent.ts'

/** A guest's figures are any of 64 bits, and so is their sum to be. */
const most = (1n << 64n) - 1n

/**
 * Pure. The limits of containers add up to none of the pod's, and are left out. All containers have the pod's network, so that
 * the first one that tells of it tells all.
 */
export function sumStats(all: readonly StatsContainerResponse[]): StatsContainerResponse {
  const groups = all.map(({ cgroupStats }) => cgroupStats)
  const sum = (figure: (group: (typeof groups)[number]) => bigint | undefined): bigint => {
    const total = groups.reduce((before, group) => before + (figure(group) ?? 0n), 0n)
    return total > most ? most : total
  }
  const memory = (data: 'usage' | 'swapUsage' | 'kernelUsage'): Partial<MemoryData> => ({
    usage: sum((group) => group?.memoryStats?.[data]?.usage),
    maxUsage: sum((group) => group?.memoryStats?.[data]?.maxUsage),
    failcnt: sum((group) => group?.memoryStats?.[data]?.failcnt),
  })
  const names = new Set(groups.flatMap((group) => Object.keys(group?.memoryStats?.stats ?? {})))
  return StatsContainerResponse.fromPartial({
    cgroupStats: {
      cpuStats: {
        cpuUsage: {
          totalUsage: sum((group) => group?.cpuStats?.cpuUsage?.totalUsage),
          usageInKernelmode: sum((group) => group?.cpuStats?.cpuUsage?.usageInKernelmode),
          usageInUsermode: sum((group) => group?.cpuStats?.cpuUsage?.usageInUsermode),
        },
        throttlingData: {
          periods: sum((group) => group?.cpuStats?.throttlingData?.periods),
          throttledPeriods: sum((group) => group?.cpuStats?.throttlingData?.throttledPeriods),
          throttledTime: sum((group) => group?.cpuStats?.throttlingData?.throttledTime),
        },
      },
      memoryStats: {
        usage: memory('usage'),
        swapUsage: memory('swapUsage'),
        kernelUsage: memory('kernelUsage'),
        stats: Object.fromEntries(
          [...names].map((name) => [name, sum((group) => group?.memoryStats?.stats[name])]),
        ),
      },
      pidsStats: { current: sum((group) => group?.pidsStats?.current) },
    },
    networkStats: all.find(({ networkStats }) => networkStats.length > 0)?.networkStats ?? [],
  })
}
