import { afterAll, expect, setDefaultTimeout, test } from 'bun:test'
import { existsSync, mkdirSync, mkdtempSync, readdirSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { hasQuickjs, inQuickjs, sources } from './in-quickjs.double.ts'

// A script is compiled first.
setDefaultTimeout(60_000)

const top = mkdtempSync(join(tmpdir(), 'files-'))
afterAll(() => rmSync(top, { recursive: true }))

test.skipIf(!hasQuickjs)('a tree goes with all its names, and what its links lead to stays', async () => {
  const odd = Buffer.from(`${top}/tree/caf\xe9`, 'latin1')
  mkdirSync(odd, { recursive: true })
  writeFileSync(Buffer.concat([odd, Buffer.from('/\xff', 'latin1')]), '')
  mkdirSync(join(top, 'tree/plain/deep'), { recursive: true })
  mkdirSync(join(top, 'outside/kept'), { recursive: true })
  symlinkSync(join(top, 'outside'), join(top, 'tree/plain/link'))
  await inQuickjs({
    imports: `import { removeTree } from ${JSON.stringify(join(sources, 'system/files.ts'))}`,
    body: `removeTree(${JSON.stringify(join(top, 'tree'))})`,
  })
  expect(existsSync(join(top, 'tree'))).toBe(false)
  expect(readdirSync(join(top, 'outside'))).toEqual(['kept'])
})

test.skipIf(!hasQuickjs)('a tree that is deeper than any path goes, too', async () => {
  const body = `
const top = ${JSON.stringify(join(top, 'deep'))}
mkdir(top)
chdir(top)
const name = 'a'.repeat(200)
for (let depth = 0; depth < 30; depth++) {
  mkdir(name)
  close(open('file', 0o101, 0o600))
  chdir(name)
}
chdir('/')
removeTree(top)`
  await inQuickjs({
    imports: `
import { chdir, mkdir } from 'os'
import { close, open } from 'syscalls'
import { removeTree } from ${JSON.stringify(join(sources, 'system/files.ts'))}`,
    body,
  })
  expect(existsSync(join(top, 'deep'))).toBe(false)
})
