import { afterEach, beforeEach, expect, test } from 'bun:test'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import type { Settings } from '../settings.ts'
import { inspect } from './guest.ts'

let cacheDir: string
beforeEach(() => {
  cacheDir = mkdtempSync(`${tmpdir()}/guest-`)
})
afterEach(() => rmSync(cacheDir, { recursive: true }))

test.each(['0123456789abcdef', '../../etc'])(
  'a guest image that is not listed is unknown: %s',
  async (id) => {
    const settings = { format: 'text', print: () => {} } as unknown as Settings
    await expect(inspect(settings, { cacheDir }, [id])).rejects.toMatchObject({
      code: 'IMAGE_UNKNOWN',
      fields: { id, cacheDir },
      remedy: expect.stringContaining('kata-ts guest list'),
    })
  },
)
