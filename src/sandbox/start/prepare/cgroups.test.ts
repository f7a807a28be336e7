import { expect, test } from 'bun:test'
import type { PlacementRequest } from '../../../cgroups/placement.ts'
import type { Ledger } from '../../../ledger/ledger.ts'
import { memoryBound } from '../../size/memory-bound.ts'
import { HostDouble } from '../doubles/host.double.ts'
import type { SandboxCgroups } from '../host.ts'
import { enterCgroups } from './cgroups.ts'

test('the cgroups are where the pod says, and as large as its machine at boot needs', async () => {
  using double = new HostDouble()
  const { container, config, ...request } = double.request()
  let asked: PlacementRequest | undefined
  const host = {
    enterCgroups: async (_ledger: Ledger, placement: PlacementRequest) => {
      asked = placement
      return {} as SandboxCgroups
    },
  }
  const spec = { linux: { cgroupsPath: '/pods/one' } }
  const runtime = { ...config.runtime, sandboxCgroupOnly: true }
  const changed = { ...request, container: { ...container, spec }, config: { ...config, runtime } }
  await enterCgroups(host, {} as Ledger, changed, { memoryMiB: 512 })
  expect(asked).toMatchObject({
    sandboxId: 'pod',
    cgroupsPath: '/pods/one',
    isPod: false,
    only: true,
    memoryBytes: memoryBound(512),
  })
  const annotations = { 'io.kubernetes.cri.container-type': 'sandbox' }
  const pod = { ...changed, container: { ...container, spec: { ...spec, annotations } } }
  await enterCgroups(host, {} as Ledger, pod, { memoryMiB: 512 })
  expect(asked!.isPod).toBe(true)
})
