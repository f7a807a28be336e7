import { expect, test } from 'bun:test'
import { readFileSync, readlinkSync } from 'node:fs'
import { codeIn, dropCode } from './drop-code.ts'

const program = '/usr/local/bin/kata-ts'

test('code and what lies before it are the file’s; data behind it, read-only or not, are the program’s own', () => {
  const maps = `00200000-01a39000 r--p 00000000 fe:00 12                        ${program}
01a40000-0684a000 r-xp 01839000 fe:00 12                        ${program}
06851000-06860000 r--p 0664a000 fe:00 12                        ${program}
06867000-07895000 rw-p 06650000 fe:00 12                        ${program}
7fa500000000-7fa600000000 rw-p 00000000 00:00 0
7fa661df9000-7fa661f5c000 r-xp 00028000 fe:00 99                /usr/lib/x86_64-linux-gnu/libc.so.6
7ffddee55000-7ffddee76000 rw-p 00000000 00:00 0                 [stack]
`
  const code = [
    { start: 0x200000, end: 0x1a39000 },
    { start: 0x1a40000, end: 0x684a000 },
  ]
  expect(codeIn(maps, program)).toEqual(code)
  // A new version has taken the file's place.
  expect(codeIn(maps.replaceAll(program, `${program} (deleted)`), `${program} (deleted)`)).toEqual(code)
  expect(codeIn(maps, '/usr/local/bin/kata')).toEqual([])
  expect(codeIn('', program)).toEqual([])
})

/** KiB of this program's file that are mapped and not changed. */
function mappedKiB(): number {
  const ofProgram = readFileSync('/proc/self/smaps', 'utf8')
    .split(/^(?=[0-9a-f]+-[0-9a-f]+ )/m)
    .filter((mapping) => mapping.split('\n')[0]!.includes(readlinkSync('/proc/self/exe')))
  const kib = (field: string, mapping: string) =>
    Number(new RegExp(`^${field}: +(\\d+)`, 'm').exec(mapping)?.[1])
  return ofProgram.reduce((sum, mapping) => sum + kib('Rss', mapping) - kib('Anonymous', mapping), 0)
}

test('this program goes on without its code, and has less of it mapped', () => {
  const before = mappedKiB()
  dropCode()
  expect(mappedKiB()).toBeLessThan(before)
  expect(JSON.parse(JSON.stringify({ a: [1, 'x'] }))).toEqual({ a: [1, 'x'] })
})
