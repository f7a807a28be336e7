import { afterAll, expect, test } from 'bun:test'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { Storage } from '../../../../src/protocol/generated/agent.ts'
import { loadOnHost } from '../system/on-host.double.ts'

const top = mkdtempSync(join(tmpdir(), 'block-storage-'))
afterAll(() => rmSync(top, { recursive: true }))

test('why a verified disk cannot be mounted is told, even if its device cannot be removed', async () => {
  const replaced = {
    'devices/block-device.ts': `
export const blockDrivers = ['blk']
export const findBlockDevice = async () => ({ node: '/dev/vdb', major: 254n, minor: 16n })`,
    'storage/verified-disk.ts': `
const release = () => { throw new Error('the device is busy') }
export const openVerified = () => ({ node: '/dev/dm-0', release })`,
  }
  const { module } = await loadOnHost<typeof import('./block-storage.ts')>(
    'storage/block-storage.ts',
    join(top, 'share'),
    '',
    replaced,
  )
  const words = ['-enabled=true', `.roothash=${'ab'.repeat(32)}`, '.hashoffset=8192']
  const storage = Storage.fromPartial({
    driver: 'blk',
    fstype: 'unmountable',
    options: ['ro', ...words.map((word) => `X-kata.dmverity${word}`)],
    mountPoint: join(top, 'layer'),
  })
  await expect(module.mountDisk(storage, async () => 0)).rejects.toThrow(
    'the disk cannot be mounted as unmountable: EINVAL; its content may not be that of its root hash (dm-verity)',
  )
})
