import { afterAll, expect, test } from 'bun:test'
import { mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { loadOnHost } from '../system/on-host.double.ts'

const top = mkdtempSync(join(tmpdir(), 'termination-log-'))
afterAll(() => rmSync(top, { recursive: true }))
const { module } = await loadOnHost<typeof import('./termination-log.ts')>(
  'container/termination-log.ts',
  join(top, 'share'),
)

test.each([
  ['all of a short one', '', 'why'],
  ['none of an empty one', '', ''],
  // A kubelet reads the end, too.
  ['the end of a long one', 'first'.repeat(1000), `${'x'.repeat(4093)}why`],
  ['no part of a character', `${'x'.repeat(5000)}é`, 'x'.repeat(4095)],
])('of a termination message there is %s', (_what, before, kept) => {
  const path = join(top, 'log')
  writeFileSync(path, before + kept)
  expect(module.readTerminationLog(path)).toBe(kept)
})

test('a link in its place leads nowhere, and a pipe that nobody writes to ends', () => {
  const [secret, link, pipe] = ['secret', 'link', 'pipe'].map((name) => join(top, name)) as [
    string,
    string,
    string,
  ]
  writeFileSync(secret, 'of the guest')
  symlinkSync(secret, link)
  expect(() => module.readTerminationLog(link)).toThrow('ELOOP')
  // Control: the file itself.
  expect(module.readTerminationLog(secret)).toBe('of the guest')
  Bun.spawnSync(['mkfifo', pipe])
  expect(() => module.readTerminationLog(pipe)).toThrow('ESPIPE')
})
