import { describe, expect, test } from 'bun:test'
import fc from 'fast-check'
import { type CpioEntry, writeCpio } from './cpio.ts'

const entries: CpioEntry[] = [
  { kind: 'file', path: 'usr/bin/tool', mode: 0o755, data: Buffer.from('12345') },
  { kind: 'symlink', path: 'bin', target: 'usr/bin' },
  { kind: 'char', path: 'dev/console', mode: 0o600, major: 5, minor: 1 },
  { kind: 'directory', path: 'tmp', mode: 0o1777 },
]

function listing(archive: Uint8Array): string[] {
  const { stdout, exitCode } = Bun.spawnSync(['cpio', '-itv', '--quiet', '--numeric-uid-gid'], {
    stdin: archive,
    env: { ...process.env, LC_ALL: 'C', TZ: 'UTC' },
  })
  expect(exitCode).toBe(0)
  return stdout.toString().trimEnd().split('\n')
}

describe('writeCpio', () => {
  test('cpio reads it back, parents included, all owned by root at time 0', () => {
    expect(listing(writeCpio(entries)).map((line) => line.replace(/ +/g, ' '))).toEqual([
      'lrwxrwxrwx 1 0 0 7 Jan 1 1970 bin -> usr/bin',
      'drwxr-xr-x 2 0 0 0 Jan 1 1970 dev',
      'crw------- 1 0 0 5, 1 Jan 1 1970 dev/console',
      'drwxrwxrwt 2 0 0 0 Jan 1 1970 tmp',
      'drwxr-xr-x 2 0 0 0 Jan 1 1970 usr',
      'drwxr-xr-x 2 0 0 0 Jan 1 1970 usr/bin',
      '-rwxr-xr-x 1 0 0 5 Jan 1 1970 usr/bin/tool',
    ])
  })

  test('the order of entries does not matter', () => {
    expect(writeCpio([...entries].reverse())).toEqual(writeCpio(entries))
  })

  test('file contents of any length survive', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 40 }), (data) => {
        const archive = writeCpio([{ kind: 'file', path: 'f', mode: 0o644, data }])
        const { stdout } = Bun.spawnSync(['cpio', '-i', '--to-stdout', '--quiet'], { stdin: archive })
        expect(Buffer.compare(stdout, Buffer.from(data))).toBe(0)
        expect(archive.length % 4).toBe(0)
      }),
      { numRuns: 20 },
    )
  })
})
