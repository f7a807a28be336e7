import { afterAll, expect, test } from 'bun:test'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { emptyImageConfig } from '../../images/formats/image-config.ts'
import { chooseDisks } from './disk-root.ts'

const stateDir = mkdtempSync(`${tmpdir()}/disk-root-`)
afterAll(() => rmSync(stateDir, { recursive: true }))

test('the largest disk is one block smaller than what was asked for: no file of an ext4 is larger', async () => {
  const rootfs = {
    description: '/rootfs',
    lowerDirs: ['/rootfs'],
    config: emptyImageConfig,
    isCached: false,
    args: [],
    release: () => {},
  }
  const config = { hypervisor: { sharedFs: 'none' }, runtime: { imageStoreLimit: 0 } } as never
  const signal = new AbortController().signal
  const request = { id: 'web', directory: `${stateDir}/web`, rootfs, config, signal }
  const chosen = (bytes: number) => chooseDisks({ stateDir } as never, { ...request, bytes })
  expect(await chosen(2 ** 44)).toMatchObject({ bytes: 2 ** 44 - 4096 })
  expect(await chosen(2 ** 30)).toMatchObject({ bytes: 2 ** 30 })
})
