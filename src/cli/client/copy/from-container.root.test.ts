/** Files of a container that the person who copies has no rights to change, without root's right to change them all the same. */
import { afterEach, beforeEach, expect, test } from 'bun:test'
import {
  chownSync,
  existsSync,
  lstatSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs'
import { makeTar } from '../../../images/testing.ts'
import { packRootCommand, sendTar } from './from-container.ts'

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

/**
 * What `copyFrom` throws, in a process of this user's that has no capabilities. `during` is code that runs while tar does, and `swapped` runs
 * between the making of the directory `made` and its opening.
 */
async function copy(to: string, path = '/app', during = '', swapped = ''): Promise<string> {
  const code = `
    import { createRequire, syncBuiltinESMExports } from 'node:module'
    const fs = createRequire('/')('node:fs')
    const { mkdtempSync } = fs
    fs.mkdtempSync = (prefix) => {
      const made = mkdtempSync(prefix)
      ${swapped}
      return made
    }
    syncBuiltinESMExports()
    const { copyFrom } = await import(${JSON.stringify(import.meta.resolve('./from-container.ts'))})
    const tar = {
      name: 'c',
      log: { debug() {}, warn() {} },
      async run(_, { output }) {
        ${during}
        await output.write(fs.readFileSync('${base}/tar'))
      },
    }
    await copyFrom(tar, '${path}', '${to}').catch((error) => process.stdout.write(String(error)))`
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

asRoot('the content of a directory needs no right above the directory that it goes into', async () => {
  // Without capabilities root may write into its own directory, and not into that of others around it.
  mkdirSync(`${base}/others/mine`, { recursive: true })
  chownSync(`${base}/others`, 1234, 1234)
  expect(await copy(`${base}/others/mine`, '/.')).toBe('')
  expect(readdirSync(`${base}/others/mine`)).toEqual(['app'])
  expect(readdirSync(`${base}/others`)).toEqual(['mine'])
})

asRoot('the directory that a relative path ends in stands for its content, as with docker', async () => {
  for (const [index, path] of ['.', './', 'app/..'].entries()) {
    mkdirSync(`${base}/to/${index}`)
    expect(await copy(`${base}/to/${index}`, path)).toBe('')
    expect(readdirSync(`${base}/to/${index}`)).toEqual(['app'])
  }
})

asRoot('a copy goes where it was sent, whatever becomes of the path meanwhile', async () => {
  mkdirSync(`${base}/victim`)
  const swap = `
    const [mine] = fs.readdirSync('${base}/to')
    fs.renameSync('${base}/to/' + mine, '${base}/to/moved')
    fs.symlinkSync('${base}/victim', '${base}/to/' + mine)
    fs.renameSync('${base}/to', '${base}/kept')
    fs.symlinkSync('${base}/victim', '${base}/to')`
  expect(await copy(`${base}/to`, '/app', swap)).toBe('')
  expect(readdirSync(`${base}/victim`)).toEqual([])
  expect(readdirSync(`${base}/kept`)).toContain('app')
})

asRoot('a directory of root’s that is put in the place of the copy’s own keeps what is in it', async () => {
  mkdirSync(`${base}/to/roots`, { mode: 0o700 })
  writeFileSync(`${base}/to/roots/hidden`, 'not for who may look into the target', { mode: 0o644 })
  const swap = `
    fs.renameSync(made, '${base}/to/moved')
    fs.renameSync('${base}/to/roots', made)`
  expect(await copy(`${base}/to`, '/.', '', swap)).toContain('somebody else changes it')
  const [left = '', ...others] = readdirSync(`${base}/to`).sort()
  expect([readdirSync(`${base}/to/${left}`), others]).toEqual([['hidden'], ['moved']])
})

asRoot('and neither is one removed that has the path of the copy’s own when that is over', async () => {
  mkdirSync(`${base}/to/roots`, { mode: 0o700 })
  writeFileSync(`${base}/to/roots/kept`, '')
  const swap = `
    const made = fs.readdirSync('${base}/to').find((name) => name.startsWith('.kata-ts-copy-'))
    fs.renameSync('${base}/to/' + made, '${base}/to/moved')
    fs.renameSync('${base}/to/roots', '${base}/to/' + made)`
  expect(await copy(`${base}/to`, '/app', swap)).toBe('')
  const [left = '', ...others] = readdirSync(`${base}/to`).sort()
  expect([readdirSync(`${base}/to/${left}`), others]).toEqual([['kept'], ['app', 'moved']])
  expect(readdirSync(`${base}/to/moved`)).toEqual([])
})

test('all of a root directory is packed but what the kernel shows', async () => {
  const root = `${base}/root`
  for (const name of ['etc', 'proc', 'sys', '.hidden', '..odd', 'proc2', 'a b'])
    mkdirSync(`${root}/${name}/sub`, { recursive: true })
  symlinkSync('nowhere', `${root}/dangling`)
  writeFileSync(`${root}/-f`, '')
  const child = Bun.spawn(packRootCommand(root), { stdio: ['ignore', 'pipe', 'inherit'] })
  const list = Bun.spawn(['tar', '-tf', '-'], { stdio: [child.stdout, 'pipe', 'inherit'] })
  const names = (await list.stdout.text()).split('\n').slice(0, -1).sort()
  expect(await child.exited).toBe(0)
  const trees = ['..odd', '.hidden', 'a b', 'etc', 'proc2'].flatMap((name) => [
    `./${name}/`,
    `./${name}/sub/`,
  ])
  expect(names).toEqual([...trees, './-f', './dangling'].sort())
})

test('the root is packed so, and any other directory by tar alone', async () => {
  const commands: (readonly string[])[] = []
  const tar = {
    name: 'c',
    log: undefined as never,
    run: async (command: readonly string[]) => void commands.push(command),
  }
  const paths = ['/', '.', '/etc/..', '/proc', '/etc/.']
  for (const path of paths) await sendTar(tar, path, { write: async () => {} })
  expect(commands.map(([program, ...args]) => `${program} ${args.at(-1)}`)).toEqual([
    ...['sh /', 'sh /', 'sh /', 'tar ./proc', 'tar .'],
  ])
})
