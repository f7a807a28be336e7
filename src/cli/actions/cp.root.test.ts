/** `cp` against a double of the shim, whose containers see the files of the host. */
import { expect, setDefaultTimeout, test } from 'bun:test'
import {
  closeSync,
  mkdirSync,
  openSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs'
import { makeTar } from '../../images/testing.ts'
import { type TestClient, testClient } from '../client/client.double.ts'

// Each command is a process that is compiled first.
setDefaultTimeout(60_000)

async function withFiles(client: TestClient): Promise<{ inside: string; outside: string }> {
  const [inside, outside] = [`${client.base}/inside`, `${client.base}/outside`]
  mkdirSync(`${inside}/tree/deep`, { recursive: true })
  mkdirSync(outside)
  writeFileSync(`${inside}/tree/deep/file`, 'x'.repeat(300_000))
  symlinkSync('deep/file', `${inside}/tree/link`)
  await client.start('box', ['sleep', '60'])
  return { inside, outside }
}

test('a tree comes out of a container: into a directory, under a new name, its content', async () => {
  await using client = testClient()
  const { inside, outside } = await withFiles(client)
  const silent = { code: 0, stdout: '', stderr: '' }
  expect(await client.kata('cp', `box:${inside}/tree`, outside)).toEqual(silent)
  expect(await client.kata('cp', `box:${inside}/tree`, `${outside}/renamed`)).toEqual(silent)
  mkdirSync(`${outside}/content`)
  expect(await client.kata('cp', `box:${inside}/tree/.`, `${outside}/content`)).toEqual(silent)
  for (const name of ['tree', 'renamed', 'content']) {
    expect(statSync(`${outside}/${name}/deep/file`).size).toBe(300_000)
    expect(readlinkSync(`${outside}/${name}/link`)).toBe('deep/file')
  }
  expect(readdirSync(outside).sort()).toEqual(['content', 'renamed', 'tree'])
  // A file takes the place of a file, and nothing else that of anything.
  writeFileSync(`${outside}/old`, 'old')
  expect(await client.kata('cp', `box:${inside}/tree/deep/file`, `${outside}/old`)).toEqual(silent)
  expect(statSync(`${outside}/old`).size).toBe(300_000)
  expect((await client.kata('cp', `box:${inside}/tree`, outside)).stderr).toContain('[COPY_TARGET]')
})

test('files go into a container: into a directory, under a new name, as a tar', async () => {
  await using client = testClient()
  const { inside, outside } = await withFiles(client)
  writeFileSync(`${outside}/a.b`, 'hello')
  expect(await client.kata('cp', `${outside}/a.b`, `box:${inside}/tree`)).toMatchObject({
    code: 0,
    stderr: '',
  })
  expect(await client.kata('cp', `${outside}/a.b`, `box:${inside}/new,&name`)).toMatchObject({
    code: 0,
    stderr: '',
  })
  expect(readFileSync(`${inside}/tree/a.b`, 'utf8')).toBe('hello')
  expect(readFileSync(`${inside}/new,&name`, 'utf8')).toBe('hello')
  const tar = client.spawn(['cp', `box:${inside}/tree`, '-'])
  const bytes = await new Response(tar.stdout).blob()
  expect(await tar.exited).toBe(0)
  mkdirSync(`${inside}/second`)
  const back = client.spawn(['cp', '-', `box:${inside}/second`], bytes)
  expect(await back.exited).toBe(0)
  expect(readFileSync(`${inside}/second/tree/a.b`, 'utf8')).toBe('hello')
})

test('no tar of a container goes to a terminal', async () => {
  await using client = testClient()
  const { inside } = await withFiles(client)
  const host = `${import.meta.dir}/../client/client.host.ts`
  const copy = [process.execPath, host, client.base, 'cp', `box:${inside}/tree`, '-']
  const to = async (output: number | 'ignore') => {
    const child = Bun.spawn(copy, { stdio: ['ignore', output, 'pipe'] })
    return { stderr: await child.stderr.text(), code: await child.exited }
  }
  const terminal = openSync('/dev/ptmx', 'r+')
  try {
    expect(await to(terminal)).toEqual({ code: 1, stderr: expect.stringContaining('[OUTPUT_TERMINAL]') })
  } finally {
    closeSync(terminal)
  }
  // The positive control.
  expect(await to('ignore')).toEqual({ code: 0, stderr: '' })
})

test('what is not there, or not to be had, is told, and leaves nothing', async () => {
  await using client = testClient()
  const { inside, outside } = await withFiles(client)
  for (const [from, to, problem, expected = 1] of [
    [`box:${inside}/nothing`, outside, '[COPY_FAILED]'],
    [`box:${inside}/tree`, `${outside}/no/where`, '[COPY_TARGET]'],
    [`box:${inside}/tree`, `${outside}/new/`, '[COPY_TARGET]'],
    [`${outside}/nothing`, `box:${inside}`, '[FILE_FAILED]'],
    [outside, `box:${inside}/no/where/`, '[COPY_FAILED]'],
    ['nobody:/x', outside, '[CONTAINER_NOT_FOUND]'],
    [inside, outside, '[COPY_PATH_INVALID]', 125],
  ] as const) {
    const { code, stderr } = await client.kata('cp', from, to)
    expect({ from, code, stderr }).toEqual({
      from,
      code: expected,
      stderr: expect.stringContaining(problem),
    })
  }
  expect(readdirSync(outside)).toEqual([])
})

test('a reader that wants no more of a tar than its beginning ends the copy, which is no failure', async () => {
  await using client = testClient()
  const { inside } = await withFiles(client)
  const child = client.spawn(['cp', `box:${inside}/tree`, '-'])
  const reader = child.stdout.getReader()
  await reader.read()
  await reader.cancel()
  const [stderr, code] = await Promise.all([child.stderr.text(), child.exited])
  expect({ stderr, code }).toEqual({ stderr: '', code: 0 })
})

/** The `tar` of a container is its own. */
test('a container whose tar lies, and never ends, gets nothing written', async () => {
  await using client = testClient()
  const [bin, outside] = [`${client.base}/bin`, `${client.base}/outside`]
  for (const directory of [bin, outside]) mkdirSync(directory)
  writeFileSync(`${client.base}/secret`, 'before')
  const script = `#!/bin/sh\ncat ${client.base}/$(basename "$5").tar\nexec cat /dev/zero\n`
  writeFileSync(`${bin}/tar`, script, { mode: 0o755 })
  const streams = {
    upwards: [{ name: '../secret', content: 'after' }],
    link: [
      { name: 'link', type: '2', linkName: client.base },
      { name: 'link/secret', content: 'after' },
    ],
    other: [
      { name: 'other', content: 'x' },
      { name: 'second', content: 'not asked for' },
    ],
    // The positive control: an honest stream of the same program, but for its end.
    honest: [{ name: 'honest', content: 'x' }],
  }
  for (const [name, entries] of Object.entries(streams))
    writeFileSync(`${client.base}/${name}.tar`, makeTar(entries))
  const host = `${import.meta.dir}/../client/client.host.ts`
  const run = [client.base, 'run', '-d', '--name', 'evil', '--rootfs', client.base, '--', 'sleep', '100']
  const env = { ...process.env, PATH: `${bin}:${process.env.PATH}` }
  expect(
    await Bun.spawn([process.execPath, host, ...run], { env, stdio: ['ignore', 'ignore', 'inherit'] }).exited,
  ).toBe(0)
  for (const [name, problem] of [
    ['upwards', '[COPY_UNSAFE]'],
    ['link', '[COPY_UNSAFE]'],
    ['other', '[COPY_FAILED]'],
    ['honest', '[COPY_FAILED] the copy failed in container evil: it goes on behind its end'],
  ] as const) {
    const { code, stderr } = await client.kata('cp', `evil:/${name}`, outside)
    expect({ name, code, stderr }).toEqual({ name, code: 1, stderr: expect.stringContaining(problem) })
  }
  writeFileSync(`${bin}/tar`, script.replace('exec cat /dev/zero', ''))
  expect((await client.kata('cp', 'evil:/other', outside)).stderr).toContain('only "other" was asked for')
  expect(readdirSync(outside)).toEqual([])
  expect((await client.kata('cp', 'evil:/honest', outside)).code).toBe(0)
  expect(readdirSync(outside)).toEqual(['honest'])
  expect(readFileSync(`${client.base}/secret`, 'utf8')).toBe('before')
})
