import { expect, test } from 'bun:test'
import { copyFileSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, statSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { provideBusybox } from './busybox.ts'
import { ScratchDebian } from './packages/scratch-debian.ts'
import { busyboxPath, noBusybox } from './paths.ts'

/** A host whose busybox is `program`, and an archive with Debian's static one. */
function scratchHost(program: string) {
  const directory = mkdtempSync(join(tmpdir(), 'setup-busybox-'))
  const host = new ScratchDebian(directory)
  host.offer([{ name: 'busybox-static', files: { 'usr/bin/busybox': "Debian's" } }])
  const bin = join(directory, 'bin')
  mkdirSync(bin)
  copyFileSync(program, join(bin, 'busybox'))
  const env = { ...host.tools.env, PATH: `${bin}:${process.env.PATH}` }
  const path = join(directory, 'build/busybox')
  return {
    host,
    path,
    provide: () => provideBusybox(path, { env }),
    [Symbol.dispose]: () => rmSync(directory, { recursive: true }),
  }
}

test("beside a dynamic busybox, Debian's static one is unpacked and not installed", async () => {
  using scratch = scratchHost('/usr/bin/env')
  await scratch.provide()
  expect(readFileSync(scratch.path, 'utf8')).toBe("Debian's")
  expect(statSync(scratch.path).mode & 0o777).toBe(0o755)
  expect(await scratch.host.installed('busybox-static')).toEqual([])
  expect(readdirSync(join(scratch.path, '..'))).toEqual(['busybox'])
})

test.skipIf(noBusybox !== '')(`a static one that the host has is taken${noBusybox}`, async () => {
  using scratch = scratchHost(busyboxPath)
  await scratch.provide()
  expect(readFileSync(scratch.path)).toEqual(readFileSync(busyboxPath))
})
