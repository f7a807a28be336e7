import { expect, test } from 'bun:test'
import { HostDouble } from '../doubles/host.double.ts'
import { recordTimings } from '../timings.ts'
import { findAssets, verifyAssets } from './assets.ts'

const running = new AbortController().signal

test('the checksums that a pod asks for are compared with the files that its machine gets', async () => {
  using double = new HostDouble()
  const wrong = '0'.repeat(128)
  const { config } = double.request({ assetHashes: { kernel: wrong } })
  const resolveAssets = () => ({ kernel: '/bin/sh', verify: async () => {} })
  await expect(findAssets({ resolveAssets }, config)).rejects.toThrow('[ASSET_HASH_MISMATCH]')
  const { config: other } = double.request({ assetHashes: { image: wrong } })
  await expect(findAssets({ resolveAssets }, other)).rejects.toThrow('the sandbox uses no image')
  const { config: plain } = double.request()
  expect(await findAssets({ resolveAssets }, plain)).toMatchObject({ kernel: '/bin/sh' })
})

test('the comparison is ended by leaving, and its time is taken', async () => {
  const timings = recordTimings(running)
  const verify = (leaving?: AbortSignal) =>
    new Promise<void>((_, reject) => leaving!.addEventListener('abort', () => reject(leaving!.reason)))
  {
    await using _ = verifyAssets({ verify }, timings)
    expect(timings.steps).toEqual([])
  }
  expect(timings.steps.map(({ step }) => step)).toEqual(['verify image'])
})

test('its failure waits for whoever asks for it', async () => {
  const verify = () => Promise.reject(new Error('checksum'))
  await using verification = verifyAssets({ verify }, recordTimings(running))
  await expect(verification.done).rejects.toThrow('checksum')
})
