import { afterAll, beforeAll, describe, expect, test } from 'bun:test'
import { chmodSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { parsePrograms, variablesOf } from './programs.ts'

let directory: string
let file: string
beforeAll(() => {
  directory = mkdtempSync(join(tmpdir(), 'kata-ts-programs-'))
  file = join(directory, 'a program = of mine')
  writeFileSync(file, '#!/bin/sh\n')
  chmodSync(file, 0o755)
})
afterAll(() => rmSync(directory, { recursive: true }))

describe('programs for the lab host', () => {
  test('one VMM, with all that goes with it', () => {
    const programs = [{ name: 'cloud-hypervisor', file }]
    expect(parsePrograms([`cloud-hypervisor=${file}`])).toEqual({ driver: 'clh', programs })
    const both = parsePrograms([`jailer=${file}`, `firecracker=${file}`])
    expect(both.driver).toBe('firecracker')
    expect(variablesOf(both)).toEqual({
      KATA_TS_JAILER: '/usr/local/bin/jailer',
      KATA_TS_FIRECRACKER: '/usr/local/bin/firecracker',
    })
  })

  test.each([
    ['nothing', () => [], 'Name programs of one VMM'],
    ['a name that is not known', () => [`qemu=${file}`], 'names no program that is known'],
    ['no name', () => [file.replace('=', '-')], 'names no program'],
    ['two VMMs', () => [`cloud-hypervisor=${file}`, `jailer=${file}`, `firecracker=${file}`], 'of one VMM'],
    ['half a VMM', () => [`firecracker=${file}`], 'jailer is missing'],
    ['a program twice', () => [`cloud-hypervisor=${file}`, `cloud-hypervisor=${file}`], 'named twice'],
    [
      'a file that is not there',
      () => ['cloud-hypervisor=/nowhere/x'],
      'cloud-hypervisor: /nowhere/x cannot be executed: ENOENT',
    ],
    ['a directory', () => [`cloud-hypervisor=${directory}`], 'is not a file'],
  ])('%s is refused', (_, words, reason) => {
    expect(() => parsePrograms(words())).toThrow(reason)
  })
})
