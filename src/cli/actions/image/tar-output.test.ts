import { expect, test } from 'bun:test'
import {
  lstatSync,
  mkdtempSync,
  readdirSync,
  readlinkSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs'
import { tmpdir } from 'node:os'
import { makeFifo } from '../../../linux/files/fifo.ts'
import { writeTar } from './tar-output.ts'

/** More than a pipe holds. */
const code = (failure: string) => `
  import { writeTar } from '${import.meta.dir}/tar-output.ts'
  async function* chunks() {
    for (let sent = 0; sent < 64; sent++) yield new Uint8Array(65_536)
    ${failure}
  }
  await writeTar(undefined, chunks())`
const start = (failure = '') =>
  Bun.spawn([process.execPath, '-e', code(failure)], { stdout: 'pipe', stderr: 'pipe' })

test('a reader that wants no more of a tar than its beginning ends it, which is no failure', async () => {
  const child = start(`throw new Error('nobody reads this far')`)
  const reader = child.stdout.getReader()
  await reader.read()
  await reader.cancel()
  expect([await child.stderr.text(), await child.exited]).toEqual(['', 0])
})

test('what fails before that is told', async () => {
  const child = start(`throw Object.assign(new Error('a source broke'), { code: 'EPIPE' })`)
  const [, stderr] = await Promise.all([child.stdout.bytes(), child.stderr.text()])
  expect(stderr).toContain('a source broke')
  expect(await child.exited).toBe(1)
})

async function* tar() {
  yield Buffer.from('a tar')
}

test('nothing is left of a tar whose source breaks, and what was there stays', async () => {
  const directory = mkdtempSync(`${tmpdir()}/tar-output-`)
  writeFileSync(`${directory}/there`, 'before')
  async function* broken() {
    yield* tar()
    throw new Error('a source broke')
  }
  for (const name of ['there', 'new'])
    await expect(writeTar(`${directory}/${name}`, broken())).rejects.toThrow('a source broke')
  expect(readdirSync(directory)).toEqual(['there'])
  expect(lstatSync(`${directory}/there`).size).toBe(6)
  rmSync(directory, { recursive: true })
})

test('a directory that is not there is told by the name that was asked for', async () => {
  const path = `${tmpdir()}/no-such-${crypto.randomUUID()}/files.tar`
  await expect(writeTar(path, tar())).rejects.toMatchObject({ code: 'ENOENT', path })
})

test('a file is replaced as a whole, and so is a link to one', async () => {
  const directory = mkdtempSync(`${tmpdir()}/tar-output-`)
  writeFileSync(`${directory}/there`, 'before')
  symlinkSync('there', `${directory}/link`)
  symlinkSync('nowhere', `${directory}/dangling`)
  for (const name of ['link', 'dangling', 'new']) {
    await writeTar(`${directory}/${name}`, tar())
    expect(lstatSync(`${directory}/${name}`)).toMatchObject({ size: 5 })
  }
  expect(lstatSync(`${directory}/there`).size).toBe(6)
  await writeTar(`${directory}/there`, tar())
  expect(readdirSync(directory).sort()).toEqual(['dangling', 'link', 'new', 'there'])
  expect(lstatSync(`${directory}/there`).size).toBe(5)
  rmSync(directory, { recursive: true })
})

test('what is no file, as /dev/null, stays, and nothing is read for it', async () => {
  const directory = mkdtempSync(`${tmpdir()}/tar-output-`)
  makeFifo(`${directory}/fifo`)
  symlinkSync('/dev/null', `${directory}/null`)
  symlinkSync('/proc/self/exe', `${directory}/stdout`)
  symlinkSync('.', `${directory}/directory`)
  const unread = {
    [Symbol.asyncIterator]() {
      throw new Error('it was read')
    },
  }
  for (const name of ['fifo', 'null', 'stdout', 'directory'])
    await expect(writeTar(`${directory}/${name}`, unread)).rejects.toMatchObject({ code: 'COPY_TARGET' })
  expect(readdirSync(directory).sort()).toEqual(['directory', 'fifo', 'null', 'stdout'])
  expect(lstatSync(`${directory}/fifo`).isFIFO()).toBe(true)
  expect(readlinkSync(`${directory}/null`)).toBe('/dev/null')
  rmSync(directory, { recursive: true })
})
