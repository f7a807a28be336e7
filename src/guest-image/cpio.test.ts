import { afterAll, describe, expect, test } from 'bun:test'
import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import fc from 'fast-check'
import { busyboxPath, noBusybox } from '../../setup/paths.ts'
import { type CpioEntry, writeCpio } from './cpio.ts'

const entries: CpioEntry[] = [
  { kind: 'file', path: 'usr/bin/tool', mode: 0o755, data: Buffer.from('12345') },
  { kind: 'symlink', path: 'bin', target: 'usr/bin' },
  { kind: 'char', path: 'dev/console', mode: 0o600, major: 5, minor: 1 },
  { kind: 'directory', path: 'tmp', mode: 0o1777 },
]

const directory = mkdtempSync(join(tmpdir(), 'cpio-'))
afterAll(() => rmSync(directory, { recursive: true }))

function listing(archive: Uint8Array): string[] {
  const { stdout, exitCode } = Bun.spawnSync([busyboxPath, 'cpio', '-itv'], {
    stdin: archive,
    env: { ...process.env, TZ: 'UTC' },
  })
  expect(exitCode).toBe(0)
  return stdout.toString().trimEnd().split('\n')
}

describe('writeCpio', () => {
  test.skipIf(noBusybox !== '')(
    `cpio reads it back, parents included, all owned by root at time 0${noBusybox}`,
    () => {
      expect(listing(writeCpio(entries)).map((line) => line.replace(/ +/g, ' '))).toEqual([
        'lrwxrwxrwx 0/0 0 1970-01-01 00:00:00 bin -> usr/bin',
        'drwxr-xr-x 0/0 0 1970-01-01 00:00:00 dev',
        'crw------- 0/0 0 1970-01-01 00:00:00 dev/console',
        'drwxrwxrwt 0/0 0 1970-01-01 00:00:00 tmp',
        'drwxr-xr-x 0/0 0 1970-01-01 00:00:00 usr',
        'drwxr-xr-x 0/0 0 1970-01-01 00:00:00 usr/bin',
        '-rwxr-xr-x 0/0 5 1970-01-01 00:00:00 usr/bin/tool',
      ])
    },
  )

  test('the order of entries does not matter', () => {
    expect(writeCpio([...entries].reverse())).toEqual(writeCpio(entries))
  })

  test.skipIf(noBusybox !== '')(`file contents of any length survive${noBusybox}`, () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 40 }), (data) => {
        const archive = writeCpio([{ kind: 'file', path: 'f', mode: 0o644, data }])
        Bun.spawnSync([busyboxPath, 'cpio', '-iu'], { stdin: archive, cwd: directory })
        expect(Buffer.compare(readFileSync(join(directory, 'f')), Buffer.from(data))).toBe(0)
        expect(archive.length % 4).toBe(0)
      }),
      { numRuns: 20 },
    )
  })
})
