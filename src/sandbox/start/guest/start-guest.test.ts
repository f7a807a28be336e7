import { expect, test } from 'bun:test'
import { startKataAgent } from '../../../agent/kata-agent.double.ts'
import { startGuest } from './start-guest.ts'

test('a guest is told its time and its sandbox, and then asked what it can, as by Kata', async () => {
  using kata = startKataAgent({ seccomp: true })
  const facts = await startGuest(kata, {
    ...{ sandboxId: 's', hostname: 'h', shares: [], shmBytes: 65_536, dns: [], kernelModules: [] },
    network: { interfaces: [], routes: [], neighbours: [] },
    offlineVcpus: 0,
  })
  expect(facts).toEqual({
    ...{ name: 'kata', version: '4.1.0', seccomp: true, watchesVolumes: true, memoryBlockMiB: 128 },
  })
  expect(kata.calls).toEqual(['SetGuestDateTime', 'ReseedRandomDev', 'CreateSandbox', 'GetGuestDetails'])
})
