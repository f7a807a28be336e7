import { describe, expect, test } from 'bun:test'
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import fc from 'fast-check'
import { programInterpreter } from './elf.ts'

describe('programInterpreter', () => {
  test('names the loader of a dynamic program and none for others', () => {
    const loader = programInterpreter('/usr/bin/true')
    expect(loader).toMatch(/^\/.*ld.*\.so/)
    expect(existsSync(loader!)).toBe(true)
    expect(programInterpreter('/etc/passwd')).toBeUndefined()
  })

  test('a damaged file is read without harm', () => {
    const directory = mkdtempSync(`${tmpdir()}/elf-`)
    const head = readFileSync('/usr/bin/true').subarray(0, 1024)
    const damage = fc.array(fc.tuple(fc.nat(1023), fc.nat(255)), { maxLength: 8 })
    fc.assert(
      fc.property(damage, fc.nat(1024), (bytes, length) => {
        const copy = Buffer.from(head)
        for (const [at, value] of bytes) copy[at] = value
        writeFileSync(`${directory}/elf`, copy.subarray(0, length))
        const found = programInterpreter(`${directory}/elf`)
        expect(found === undefined || typeof found === 'string').toBe(true)
      }),
      { numRuns: 100 },
    )
    rmSync(directory, { recursive: true })
  })
})
