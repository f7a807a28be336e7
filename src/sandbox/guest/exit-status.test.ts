import { expect, test } from 'bun:test'
import type { AgentClient } from '../../agent/client.ts'
import { AgentProcess } from './agent-process.ts'

test.each([
  [0, 0],
  [137, 137],
  [255, 255],
  [-1, 255],
  [256, 255],
  [300, 255],
  [2 ** 31 - 1, 255],
  [-(2 ** 31), 255],
  [Number.NaN, 255],
])('of a guest that says %d the exit status is %d', async (status, exit) => {
  const agent = { waitProcess: async () => ({ status }) } as unknown as AgentClient
  const ids = { containerId: 'c', execId: '' }
  expect(await new AgentProcess(agent, ids, async () => {}).wait()).toBe(exit)
})
