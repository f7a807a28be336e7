import { afterAll, expect, test } from 'bun:test'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import type { Config, HypervisorConfig } from '../../config/config.ts'
import { resolveAssets } from './assets.ts'

const directory = mkdtempSync(`${tmpdir()}/assets-`)
afterAll(() => rmSync(directory, { recursive: true }))

const bzImage = `${directory}/vmlinuz`
writeFileSync(bzImage, Buffer.concat([Buffer.alloc(0x202), Buffer.from('HdrS'), Buffer.alloc(512)]))
const initrd = `${directory}/initrd`
writeFileSync(initrd, '070701 and so on')
const disk = `${directory}/disk`
const junk = `${directory}/junk`
writeFileSync(junk, 'neither this nor that')

function withFiles(files: Partial<HypervisorConfig>): Pick<Config, 'hypervisor'> {
  return { hypervisor: { kernel: '', initrd: '', image: '', ...files } as HypervisorConfig }
}

test('takes a configured compressed kernel and an initrd', async () => {
  const assets = resolveAssets(withFiles({ kernel: bzImage, initrd }), directory)
  expect(assets).toMatchObject({ kernel: bzImage, initrd })
  await assets.verify()
})

test('a kernel of the user boots a disk image without an initrd', async () => {
  const assets = resolveAssets(withFiles({ kernel: bzImage, image: disk, rootfsType: 'erofs' }), directory)
  expect(assets).toMatchObject({ kernel: bzImage, rootDisk: { image: disk, fsType: 'erofs' } })
  expect(assets).not.toHaveProperty('initrd')
  await assets.verify()
})

test.each([
  ['IMAGE_MISSING', {}],
  ['IMAGE_MISSING', { kernel: bzImage }],
  ['IMAGE_FILE_MISSING', { kernel: `${directory}/none`, initrd }],
  ['IMAGE_KERNEL_FORMAT', { kernel: junk, initrd }],
  ['IMAGE_INITRD_FORMAT', { kernel: bzImage, initrd: junk }],
  ['IMAGE_MISSING', { image: disk }],
])('%s for %p', (code, files) => {
  expect(() => resolveAssets(withFiles(files), directory)).toThrow(`[${code}]`)
})
