/** On the programs of this Debian, whose loader shows what it does. */
import { afterAll, beforeAll, expect, test } from 'bun:test'
import { mkdtempSync, readFileSync, realpathSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { programInterpreter } from '../../src/linux/files/elf.ts'
import { ownLoader, ownProgram, ownQemu } from './elf-edit.ts'

const loader = realpathSync('/lib64/ld-linux-x86-64.so.2')
let directory: string
beforeAll(() => {
  directory = mkdtempSync(join(tmpdir(), 'elf-edit-'))
})
afterAll(() => rmSync(directory, { recursive: true }))

function written(name: string, bytes: Uint8Array): string {
  writeFileSync(join(directory, name), bytes, { mode: 0o755 })
  return join(directory, name)
}

function run(...argv: string[]) {
  const { exitCode, stdout, stderr } = Bun.spawnSync(argv, { env: {} })
  return { exitCode, stdout: stdout.toString(), stderr: stderr.toString() }
}

test('the loader looks for libraries in the bundle and nowhere else', () => {
  const before = readFileSync(loader)
  const own = written('ld.so', ownLoader(before))
  expect(readFileSync(own).length).toBe(before.length)
  const searched = run(own, '--help').stdout.match(/^ .*\(system search path\)$/gm)
  expect(searched?.map((line) => line.trim().split(' ')[0])).toEqual([
    '/opt/kata-ts/lib/////',
    '/opt/kata-ts/lib/////////',
    '////',
    '////////',
  ])
  const [failed, control] = [
    run(own, '/usr/bin/env', 'echo', 'ok'),
    run(loader, '/usr/bin/env', 'echo', 'ok'),
  ]
  expect(failed).toMatchObject({
    exitCode: 127,
    stderr: expect.stringContaining('cannot open shared object file'),
  })
  expect(control).toMatchObject({ exitCode: 0, stdout: 'ok\n' })
})

test('a program names the loader of the bundle, and nothing in it has moved', () => {
  const before = readFileSync('/usr/bin/env')
  const own = written('env', ownProgram(before))
  expect(programInterpreter(own)).toBe('/opt/kata-ts/ld.so')
  const differing = [...readFileSync(own)].filter((byte, at) => byte !== before[at]).length
  expect(differing).toBeLessThanOrEqual('/lib64/ld-linux-x86-64.so.2'.length)
  expect(readFileSync(own).length).toBe(before.length)
  expect(() => ownProgram(readFileSync(own))).toThrow('its loader is /opt/kata-ts/ld.so')
})

test('what is not Debian’s is refused', () => {
  expect(() => ownLoader(readFileSync('/usr/bin/env'))).toThrow('it does not have')
  expect(() => ownQemu(readFileSync('/usr/bin/env'))).toThrow('/usr/share/seabios')
  expect(() => ownProgram(Buffer.from('#!/bin/sh\n'))).toThrow('not an ELF file')
})
