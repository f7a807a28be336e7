import { expect, test } from 'bun:test'
import type { GuestDetailsResponse } from '../protocol/generated/agent.ts'
import { askAgent, describeAgent } from './agent-facts.ts'

const details = (supportsSeccomp: boolean, version: string, ...extraFeatures: string[]) => ({
  version,
  supportsSeccomp,
  extraFeatures,
  initDaemon: true,
  deviceHandlers: [],
  storageHandlers: ['virtio-fs', ...(supportsSeccomp ? ['watchable-bind'] : [])],
})
const ask = (answer: Partial<GuestDetailsResponse>) =>
  askAgent({
    getGuestDetails: async () => ({
      memBlockSizeBytes: 0n,
      supportMemHotplugProbe: false,
      agentDetails: undefined,
      ...answer,
    }),
  })

test('our own agent names itself among its features; every other one is Kata’s', async () => {
  const own = await ask({
    agentDetails: details(true, '0.1.0', 'kata-ts', 'stream-buffers'),
    memBlockSizeBytes: 1n << 28n,
  })
  expect(own).toEqual({
    name: 'kata-ts',
    version: '0.1.0',
    seccomp: true,
    usesStreamBuffer: true,
    watchesVolumes: true,
    memoryBlockMiB: 256,
  })
  expect(describeAgent(own)).toBe('the agent of kata-ts 0.1.0')
  const katas = await ask({ agentDetails: details(false, '4.1.0', 'guest-pull') })
  expect(katas).toEqual({
    name: 'kata',
    version: '4.1.0',
    seccomp: false,
    usesStreamBuffer: false,
    watchesVolumes: false,
    memoryBlockMiB: 128,
  })
  expect(describeAgent(katas)).toBe("Kata's agent 4.1.0")
})

test('an agent that says nothing of itself can do nothing, and its words are made harmless', async () => {
  expect(await ask({})).toMatchObject({ name: 'kata', version: '', seccomp: false, watchesVolumes: false })
  const { version } = await ask({ agentDetails: details(true, `\u001b[31m${'x'.repeat(9999)}`) })
  expect(version).toBe(` [31m${'x'.repeat(59)}`)
})

test.each([
  [0, 128],
  [2, 2],
  [128, 128],
  [2048, 2048],
])('a guest that takes memory by blocks of %d MiB grows by %d MiB', async (said, block) => {
  expect(await ask({ memBlockSizeBytes: BigInt(said) << 20n })).toMatchObject({ memoryBlockMiB: block })
})

test.each([1n, 1n << 20n, 3n << 20n, (128n << 20n) + 1n, 4096n << 20n, 32n << 30n, (1n << 64n) - 1n])(
  'memory blocks of %d bytes are a lie',
  async (memBlockSizeBytes) => {
    await expect(ask({ memBlockSizeBytes })).rejects.toMatchObject({ code: 'AGENT_MISBEHAVED' })
  },
)
