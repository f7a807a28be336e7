import { expect, test } from 'bun:test'
import { startKataAgent } from '../../../agent/kata-agent.double.ts'
import { noBringer } from '../../storage/brought-modules.ts'
import { startGuest } from './start-guest.ts'

test('a guest is told its time and its sandbox, and then asked what it can, as by Kata', async () => {
  using kata = startKataAgent({ seccomp: true })
  const facts = await startGuest(kata, {
    sandboxId: 's',
    hostname: 'h',
    shares: [],
    shmBytes: 65_536,
    dns: [],
    kernelModules: [],
    network: { interfaces: [], routes: [], neighbours: [] },
    offlineVcpus: 0,
    modules: noBringer,
  })
  expect(facts).toEqual({
    name: 'kata',
    version: '4.1.0',
    seccomp: true,
    usesStreamBuffer: false,
    watchesVolumes: true,
    memoryBlockMiB: 128,
  })
  expect(kata.calls).toEqual(['SetGuestDateTime', 'ReseedRandomDev', 'CreateSandbox', 'GetGuestDetails'])
})

test('modules that it is to load are brought before it is told to', async () => {
  using kata = startKataAgent({ seccomp: true })
  const brought: unknown[] = []
  await startGuest(kata, {
    sandboxId: 's',
    hostname: 'h',
    shares: [],
    shmBytes: 65_536,
    dns: [],
    network: { interfaces: [], routes: [], neighbours: [] },
    offlineVcpus: 0,
    kernelModules: ['dummy numdummies=2', 'xfs'],
    modules: {
      async bring(names) {
        brought.push([names, [...kata.calls]])
      },
    },
  })
  expect(brought).toEqual([
    [
      ['dummy', 'xfs'],
      ['SetGuestDateTime', 'ReseedRandomDev'],
    ],
  ])
})
