/** No room both has root's rights and reads what a guest wrote: rooms.ts has the marks, this test compares the imports with them. */
import { describe, expect, test } from 'bun:test'
import { existsSync, readFileSync } from 'node:fs'
import { dirname, join, normalize } from 'node:path'
import { doors, hostFiles, rooms, type Side } from './rooms.ts'

/** Files by their path below src, with the modules of src that they import. */
type Imports = Readonly<Record<string, readonly string[]>>

const forTests = /(\.(test|double|host)|(^|\/)(testing|test-[^/]+))\.ts$/
const transpiler = new Bun.Transpiler({ loader: 'ts' })

/** What is left of a file's imports once types are gone. */
const importsIn = (file: string, text: string): string[] =>
  transpiler
    .scanImports(text)
    .filter(({ path }) => path.startsWith('.'))
    .map(({ path }) => normalize(join(dirname(file), path)))

const files = [...new Bun.Glob('**/*.ts').scanSync(import.meta.dir)].filter((file) => !forTests.test(file))
const product: Imports = Object.fromEntries(
  files.map((file) => [file, importsIn(file, readFileSync(join(import.meta.dir, file), 'utf8'))]),
)

const roomOf = (file: string): string => (dirname(file) === '.' ? '' : dirname(file))

function sideOf(file: string): Side | 'door' {
  if (file in doors || roomOf(file) in doors) return 'door'
  // The first test reports a folder without a mark.
  return rooms[roomOf(file)]?.[0] ?? 'neither'
}

/** What each side may import. Root's rooms reach the other side only through a door, the guest's rooms never reach root's. */
const mayImport = {
  neither: ['neither'],
  guest: ['guest', 'neither'],
  root: ['root', 'neither', 'door'],
  door: ['root', 'guest', 'neither', 'door'],
}

/** Every import across the line, as `from -> to`. What lies outside of src has rules of its own (.dependency-cruiser.cjs). */
function crossings(imports: Imports): string[] {
  return Object.entries(imports).flatMap(([from, targets]) =>
    targets
      .filter(
        (to) => !to.startsWith('../') && to.endsWith('.ts') && !mayImport[sideOf(from)].includes(sideOf(to)),
      )
      .map((to) => `${from} -> ${to}`),
  )
}

test('every folder has a mark with a reason, and every mark has its folder', () => {
  expect(files.length).toBeGreaterThan(300)
  const folders = [...new Set(files.map(roomOf))]
  expect(Object.keys(rooms).sort()).toEqual(folders.sort())
  for (const [, why] of Object.values(rooms)) expect(why).not.toBe('')
})

test('a door is a room or a file that exists', () => {
  for (const door of Object.keys(doors)) expect(existsSync(join(import.meta.dir, door)), door).toBe(true)
})

test('no import crosses the line', () => {
  expect(crossings(product)).toEqual([])
})

test('the guest’s side starts no process, binds no library, and opens files of the host only where it is named', () => {
  const right = /\bBun\.(spawn|\$)|'(node:child_process|bun:ffi)'/
  const guests = files.filter((file) => sideOf(file) === 'guest')
  expect(guests.length).toBeGreaterThan(40)
  expect(right.test("import { spawn } from 'node:child_process'")).toBe(true)
  const filesWith = (pattern: RegExp) =>
    guests.filter((file) => pattern.test(readFileSync(join(import.meta.dir, file), 'utf8')))
  expect(filesWith(right)).toEqual([])
  expect(filesWith(/'node:fs(\/promises)?'|\bBun\.write\(/).sort()).toEqual(Object.keys(hostFiles).sort())
})

test('every door is used as one', () => {
  const meets = (door: string) => {
    const own = files.filter((file) => file === door || roomOf(file) === door)
    const sides = new Set(own.flatMap((file) => product[file]!.filter((to) => to in product).map(sideOf)))
    return sides.has('guest') || sides.has('door')
  }
  expect(Object.keys(doors).filter((door) => !meets(door))).toEqual([])
})

describe('made-up imports', () => {
  const of = (file: string, line: string) => crossings({ [file]: importsIn(file, line) })

  test.each([
    [
      'agent/made-up.ts',
      "import { mount } from '../linux/mounts/mount.ts'; mount()",
      'linux/mounts/mount.ts',
    ],
    ['images/formats/made-up.ts', "export * from '../../linux/files/inode.ts'", 'linux/files/inode.ts'],
    ['sandbox/guest/made-up.ts', "await import('../start/create.ts')", 'sandbox/start/create.ts'],
    ['network/made-up.ts', "import '../agent/connection.ts'", 'agent/connection.ts'],
    ['config/made-up.ts', "import '../agent/connection.ts'", 'agent/connection.ts'],
    ['oci/made-up.ts', "import '../linux/mounts/mount.ts'", 'linux/mounts/mount.ts'],
  ])('%s: %s is caught', (file, line, to) => {
    expect(of(file, line)).toEqual([`${file} -> ${to}`])
  })

  test.each([
    ['agent/made-up.ts', "import type { Ledger } from '../ledger/ledger.ts'"],
    ['agent/made-up.ts', "import { ask } from '../sandbox/guest/health.ts'; ask()"],
    ['network/made-up.ts', "import { create } from '../sandbox/start/create.ts'; create()"],
    ['sandbox/start/made-up.ts', "import '../../agent/connection.ts'; import '../../linux/mounts/mount.ts'"],
  ])('%s: %s is allowed', (file, line) => {
    expect(of(file, line)).toEqual([])
  })
})
