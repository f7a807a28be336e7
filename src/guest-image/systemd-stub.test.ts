import { dlopen, FFIType } from 'bun:ffi'
import { afterAll, expect, test } from 'bun:test'
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { constants, tmpdir } from 'node:os'
import { join } from 'node:path'
import { neededLibraries } from './elf.ts'
import { buildSystemdStub } from './systemd-stub.ts'

const dir = mkdtempSync(join(tmpdir(), 'kata-stub-'))
afterAll(() => rmSync(dir, { recursive: true, force: true }))

test('equal sources give equal bytes, and nothing is done twice', async () => {
  const one = await buildSystemdStub({ outDir: join(dir, 'one') })
  const two = await buildSystemdStub({ outDir: join(dir, 'two') })
  expect([one.rebuilt, two.rebuilt]).toEqual([true, true])
  expect(two.inputsSha256).toBe(one.inputsSha256)
  const bytes = readFileSync(one.path)
  expect(readFileSync(two.path).equals(bytes)).toBe(true)
  expect((await buildSystemdStub({ outDir: join(dir, 'one') })).rebuilt).toBe(false)
  writeFileSync(one.path, 'damaged')
  expect((await buildSystemdStub({ outDir: join(dir, 'one') })).rebuilt).toBe(true)
  expect(readFileSync(one.path).equals(bytes)).toBe(true)
})

test('it needs no library, and its functions say that there is no systemd', async () => {
  const { path } = await buildSystemdStub({ outDir: dir })
  expect(neededLibraries(readFileSync(path))).toEqual([])
  const int = { args: [], returns: FFIType.int } as const
  const library = dlopen(path, { sd_bus_default_system: int, sd_notify: int, sd_bus_error_get_errno: int })
  try {
    expect(library.symbols.sd_bus_default_system()).toBe(-constants.errno.ENOSYS)
    expect(library.symbols.sd_notify()).toBe(-constants.errno.ENOSYS)
    expect(library.symbols.sd_bus_error_get_errno()).toBe(constants.errno.ENOSYS)
  } finally {
    library.close()
  }
})
