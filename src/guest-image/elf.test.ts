import { describe, expect, test } from 'bun:test'
import { readFileSync } from 'node:fs'
import fc from 'fast-check'
import { busyboxPath, noBusybox } from '../../setup/paths.ts'
import { ElfError, moduleInfo, neededLibraries } from './elf.ts'
import { fakeModule, fakeProgram } from './test-archive.ts'

describe('neededLibraries', () => {
  test('of a real program', () => {
    expect(neededLibraries(readFileSync('/bin/cat'))).toContain('libc.so.6')
  })
  test('in file order, also when one name ends another', () => {
    expect(neededLibraries(fakeProgram(['libab.so', 'ab.so']))).toEqual(['libab.so', 'ab.so'])
  })
  test.skipIf(noBusybox !== '')(`none for a static program${noBusybox}`, () => {
    expect(neededLibraries(readFileSync(busyboxPath))).toEqual([])
  })
})

test('moduleInfo gives the key=value strings', () => {
  expect(moduleInfo(fakeModule(['a', 'b']))).toEqual([
    ['license', 'GPL'],
    ['depends', 'a,b'],
  ])
  expect(() => moduleInfo(fakeProgram([]))).toThrow(ElfError)
})

test('damaged files are refused or read, never worse', () => {
  const good = fakeProgram(['libc.so.6'])
  fc.assert(
    fc.property(fc.nat(good.length - 1), fc.nat(255), fc.nat(good.length), (at, value, cut) => {
      const bad = Buffer.from(good.subarray(0, cut))
      if (at < bad.length) bad[at] = value
      try {
        neededLibraries(bad)
      } catch (error) {
        expect(error).toBeInstanceOf(ElfError)
      }
    }),
    { numRuns: 2000 },
  )
})
