import { expect, test } from 'bun:test'
import { StatsContainerResponse } from '../../protocol/generated/agent.ts'
import { sumStats } from './pod-metrics.ts'

const stats = (total: bigint, anon: bigint, name = '') =>
  StatsContainerResponse.fromPartial({
    cgroupStats: {
      cpuStats: { cpuUsage: { totalUsage: total } },
      memoryStats: { usage: { usage: anon, limit: 10n }, stats: { anon } },
      pidsStats: { current: 3n, limit: 7n },
    },
    networkStats: name === '' ? [] : [{ name, rxBytes: 5n }],
  })

test('processor time, memory and processes add up; limits do not, and the network is one', () => {
  const { cgroupStats, networkStats } = sumStats([
    stats(1n, 100n),
    stats(2n, 200n, 'eth0'),
    stats(4n, 0n, 'eth0'),
  ])
  expect(cgroupStats?.cpuStats?.cpuUsage?.totalUsage).toBe(7n)
  expect(cgroupStats?.memoryStats).toMatchObject({ usage: { usage: 300n, limit: 0n }, stats: { anon: 300n } })
  expect(cgroupStats?.pidsStats).toEqual({ current: 9n, limit: 0n })
  expect(networkStats.map(({ rxBytes }) => rxBytes)).toEqual([5n])
})

test('a pod without containers uses nothing, and a guest that exaggerates no more than there can be', () => {
  expect(sumStats([]).cgroupStats?.memoryStats?.usage?.usage).toBe(0n)
  const most = (1n << 64n) - 1n
  expect(sumStats([stats(most, 0n), stats(most, 0n)]).cgroupStats?.cpuStats?.cpuUsage?.totalUsage).toBe(most)
})
