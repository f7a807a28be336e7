import { afterAll, describe, expect, test } from 'bun:test'
import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import fc from 'fast-check'
import { busyboxPath, noBusybox } from '../../setup/paths.ts'
import { ElfError } from './elf.ts'
import { exportedSymbols, importedSymbols } from './elf-symbols.ts'
import { fakeProgram } from './test-archive.ts'
import { compileLibrary } from './test-library.ts'

const dir = mkdtempSync(join(tmpdir(), 'kata-elf-'))
afterAll(() => rmSync(dir, { recursive: true, force: true }))

const library = compileLibrary(
  dir,
  'liba.so.1',
  'int one(void) { return 1; } int two(void) { return 2; } int hidden(void) { return 3; }',
  'A_1 { global: one; local: *; }; A_2 { two; } A_1;',
)
const plain = compileLibrary(dir, 'libplain.so', 'int plain(void) { return 4; }', '{ plain; };')
const user = compileLibrary(
  dir,
  'libuser.so',
  'int one(void), two(void), plain(void); int use(void) { return one() + two() + plain(); }',
  'U { use; };',
  ['liba.so.1', 'libplain.so'],
)
const byName = (a: { name: string }, b: { name: string }) => (a.name < b.name ? -1 : 1)

describe('symbols of real libraries', () => {
  test('exports have their version, local ones are not among them', () => {
    const found = exportedSymbols(library).sort(byName)
    expect(found.filter(({ name }) => name !== name.toUpperCase())).toEqual([
      { name: 'one', version: 'A_1', library: undefined },
      { name: 'two', version: 'A_2', library: undefined },
    ])
    expect(exportedSymbols(plain)).toEqual([{ name: 'plain', version: undefined, library: undefined }])
  })
  test('imports name the library that has to define them', () => {
    expect(importedSymbols(user).sort(byName)).toEqual([
      { name: 'one', version: 'A_1', library: 'liba.so.1' },
      { name: 'plain', version: undefined, library: undefined },
      { name: 'two', version: 'A_2', library: 'liba.so.1' },
    ])
    expect(importedSymbols(library)).toEqual([])
  })
  test('of a program of the system', () => {
    const main = importedSymbols(readFileSync('/bin/cat')).find(({ name }) => name === '__libc_start_main')
    expect(main?.library).toBe('libc.so.6')
    expect(main?.version).toMatch(/^GLIBC_/)
  })
  test.skipIf(noBusybox !== '')(`none without a symbol table${noBusybox}`, () => {
    expect(importedSymbols(fakeProgram(['libc.so.6']))).toEqual([])
    expect(importedSymbols(readFileSync(busyboxPath))).toEqual([])
  })
})

test('damaged files are refused or read, never worse', () => {
  fc.assert(
    fc.property(fc.nat(user.length - 1), fc.nat(255), fc.nat(user.length), (at, value, cut) => {
      for (const bad of [Buffer.from(user), Buffer.from(user.subarray(0, cut))]) {
        if (at < bad.length) bad[at] = value
        try {
          importedSymbols(bad)
        } catch (error) {
          expect(error).toBeInstanceOf(ElfError)
        }
      }
    }),
    { numRuns: 1000 },
  )
})
