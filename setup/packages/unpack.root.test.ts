import { expect, test } from 'bun:test'
import { existsSync, mkdirSync, mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { ScratchDebian } from './scratch-debian.ts'
import { unpackPackages } from './unpack.ts'

test('packages of an archive whose lists have stronger sums, too, are found, checked and unpacked', async () => {
  const directory = mkdtempSync(join(tmpdir(), 'unpack-'))
  try {
    const host = new ScratchDebian(directory)
    host.offer([{ name: 'crun' }, { name: 'libc6' }])
    await host.apt('update')
    const [tree, scratch] = [join(directory, 'tree'), join(directory, 'scratch')]
    mkdirSync(scratch)
    await unpackPackages(['crun', 'libc6'], { tree, scratch, tools: host.tools })
    for (const name of ['crun', 'libc6']) expect(existsSync(`${tree}/usr/share/${name}/here`)).toBe(true)
  } finally {
    rmSync(directory, { recursive: true })
  }
})
