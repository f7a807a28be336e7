/** Files of a container that the person who copies has no rights to change, without root's right to change them all the same. */
import { afterEach, beforeEach, expect, test } from 'bun:test'
import { existsSync, lstatSync, mkdirSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs'
import { makeTar } from '../../../images/testing.ts'

const asRoot = test.skipIf(process.getuid?.() !== 0)
let base: string
beforeEach(() => {
  base = mkdtempSync('/var/tmp/kata-ts-from-')
  mkdirSync(`${base}/to`)
  const files = [
    { name: './app/', type: '5', mode: 0o555 },
    { name: './app/sub/', type: '5', mode: 0o500 },
    { name: './app/sub/file', content: 'x', mode: 0o400 },
  ]
  writeFileSync(`${base}/tar`, makeTar(files))
})
afterEach(() => rmSync(base, { recursive: true }))

/** What `copyFrom` throws, in a process of this user's that has no capabilities. */
async function copy(to: string): Promise<string> {
  const code = `
    import { readFileSync } from 'node:fs'
    import { copyFrom } from ${JSON.stringify(import.meta.resolve('./from-container.ts'))}
    const tar = {
      name: 'c',
      log: { debug() {}, warn() {} },
      run: (_, { output }) => output.write(readFileSync('${base}/tar')),
    }
    await copyFrom(tar, '/app', '${to}').catch((error) => process.stdout.write(String(error)))`
  const without = ['setpriv', '--bounding-set=-all', '--inh-caps=-all', '--']
  const child = Bun.spawn([...without, process.execPath, '-e', code], {
    stdio: ['ignore', 'pipe', 'inherit'],
  })
  return await child.stdout.text()
}

asRoot('a directory that is only read is copied, and stays so', async () => {
  expect(await copy(`${base}/to/`)).toBe('')
  expect(readdirSync(`${base}/to`)).toEqual(['app'])
  expect(lstatSync(`${base}/to/app`).mode & 0o7777).toBe(0o555)
  expect(lstatSync(`${base}/to/app/sub`).mode & 0o7777).toBe(0o500)
  expect(existsSync(`${base}/to/app/sub/file`)).toBe(true)
})

asRoot('nothing is left of a copy that is refused', async () => {
  mkdirSync(`${base}/to/app`)
  expect(await copy(`${base}/to`)).toContain('[COPY_TARGET]')
  expect(readdirSync(`${base}/to`)).toEqual(['app'])
  expect(readdirSync(`${base}/to/app`)).toEqual([])
})
