/** The SDK over the whole command line, against a double of the shim: a container is a process of the host. */
import { afterAll, beforeAll, expect, test } from 'bun:test'
import {
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { until } from '../time.ts'
import { type CreateOptions, Sandbox, SandboxError } from './sdk.ts'

const host = join(import.meta.dir, '../cli/client/client.host.ts')
const base = mkdtempSync(`${tmpdir()}/sdk-`)
const runtime = { executable: [process.execPath, host, base] }
const create = (options: CreateOptions = {}) => Sandbox.create({ ...runtime, rootfs: base, ...options })

let box: Sandbox
beforeAll(async () => {
  box = await create({ name: 'shared', labels: { of: 'tests' } })
}, 20_000)
afterAll(async () => {
  await box.kill()
  rmSync(base, { recursive: true })
}, 20_000)

async function failure(work: Promise<unknown>): Promise<SandboxError> {
  const error = await work.then(
    () => undefined,
    (thrown: unknown) => thrown,
  )
  if (!(error instanceof SandboxError)) throw error
  return error
}

test('a command has its exit code, both outputs and its input', async () => {
  const result = await box.exec(['sh', '-c', 'cat; echo oops >&2; exit 125'], { stdin: 'hello' })
  expect(result).toMatchObject({ exitCode: 125, text: 'hello', errorText: 'oops\n' })
  const bytes = crypto.getRandomValues(new Uint8Array(50_000))
  const many = Array.from({ length: 20 }, () => bytes)
  const { stdout } = await box.exec(['cat'], { stdin: many })
  expect(Buffer.concat(many).equals(stdout)).toBe(true)
  // One that does not read its input is no error.
  expect((await box.exec(['true'], { stdin: many })).exitCode).toBe(0)
}, 20_000)

test('what is asked for input is told when the command has ended first', async () => {
  const calls: string[] = []
  const source = (): AsyncIterable<string> => ({
    [Symbol.asyncIterator]: () => ({
      next: () => {
        calls.push('next')
        return new Promise(() => {})
      },
      return: async () => {
        calls.push('return')
        return { done: true, value: undefined }
      },
    }),
  })
  expect((await box.exec(['true'], { stdin: source() })).exitCode).toBe(0)
  expect(calls).toEqual(['next', 'return'])
  const whole = (async function* () {
    try {
      yield 'all '
      yield 'of it'
    } finally {
      calls.push('over')
    }
  })()
  expect((await box.exec(['cat'], { stdin: whole })).text).toBe('all of it')
  expect(calls).toEqual(['next', 'return', 'over'])
}, 20_000)

test('input that is neither text nor bytes ends the command', async () => {
  const numbers = [1, 2] as unknown as string[]
  await expect(box.exec(['cat'], { stdin: numbers })).rejects.toThrow(TypeError)
}, 20_000)

test('what the runtime refuses has its code and remedy', async () => {
  const error = await failure(box.exec(['no-such-command']))
  expect(error).toMatchObject({ code: 'COMMAND_NOT_FOUND', fields: { command: 'no-such-command' } })
  expect(error.remedy).not.toBe('')
  expect((await failure(box.exec([]))).code).toBe('USAGE')
  expect((await failure(create({ name: 'shared' }))).code).toBe('CONTAINER_EXISTS')
  expect((await failure(create({ memory: 'much' }))).code).toBe('OPTION_INVALID')
  expect((await failure(create({ executable: '/no/such' }))).code).toBe('SDK_EXECUTABLE_MISSING')
  expect((await failure(create({ executable: 'true' }))).code).toBe('SDK_ANSWER_MISSING')
}, 20_000)

test('volumes: a path may hold what separates the words of an option, and a disk may be read-only', async () => {
  const source = join(base, 'a:b,"c"')
  mkdirSync(source)
  const disk = join(base, 'disk.img')
  writeFileSync(disk, '')
  const target = '/x:ro,y'
  await using one = await create({
    volumes: [
      { source, target },
      { source: disk, target: '/disk', type: 'ext4', readOnly: true },
    ],
  })
  const spec = readFileSync(`${base}/state/containers/default/${one.name}/bundle/config.json`, 'utf8')
  const { mounts } = JSON.parse(spec) as { mounts: unknown[] }
  expect(mounts).toContainEqual({
    source,
    destination: target,
    type: 'bind',
    options: ['rbind', 'rprivate', 'rw'],
  })
  expect(mounts).toContainEqual({
    source: disk,
    destination: '/disk',
    type: 'ext4',
    options: expect.arrayContaining(['ro']),
  })
}, 20_000)

test('a time-out kills the process, and keeps what it wrote', async () => {
  const script = 'trap "" TERM; echo begun; echo $$ >&2; while :; do sleep 0.05; done'
  const error = await failure(box.exec(['sh', '-c', script], { timeoutMs: 8000 }))
  const text = (bytes: Uint8Array | undefined) => new TextDecoder().decode(bytes)
  expect({ code: error.code, stdout: text(error.stdout) }).toEqual({
    code: 'SDK_TIMED_OUT',
    stdout: 'begun\n',
  })
  expect(() => process.kill(Number(text(error.stderr)), 0)).toThrow('ESRCH')
}, 30_000)

test('a signal aborts with its own reason', async () => {
  const abort = new AbortController()
  const running = box.exec(['sleep', '60'], { signal: abort.signal })
  abort.abort(new Error('enough'))
  await expect(running).rejects.toThrow('enough')
  await expect(box.exec(['true'], { signal: abort.signal })).rejects.toThrow('enough')
}, 30_000)

test('a command that writes too much is killed', async () => {
  const error = await failure(box.exec(['yes'], { maxOutputBytes: 100_000 }))
  expect({ code: error.code, length: error.stdout?.length }).toEqual({
    code: 'SDK_OUTPUT_TOO_LARGE',
    length: 100_000,
  })
}, 30_000)

test('streams go both ways, at the pace of the slower side', async () => {
  await using child = await box.spawn(['cat'])
  const writer = child.stdin.getWriter()
  const chunk = new Uint8Array(65_536)
  let written = 0
  const writing = (async () => {
    for (; written < 200; written++) await writer.write(chunk)
    await writer.close()
  })()
  await Bun.sleep(1500)
  // Pipes and their readers hold some of it: a small part of the whole.
  expect(written).toBeLessThan(100)
  let length = 0
  for await (const bytes of child.stdout) length += bytes.length
  await writing
  expect([length, await child.exitCode]).toEqual([200 * 65_536, 0])
}, 30_000)

test('a process takes signals, and disposing ends it', async () => {
  const child = await box.spawn([
    'sh',
    '-c',
    'trap "echo got; exit 3" TERM; echo ready; while :; do sleep 0.05; done',
  ])
  const reader = child.stdout.getReader()
  const next = async () => new TextDecoder().decode((await reader.read()).value)
  expect(await next()).toBe('ready\n')
  await child.kill('TERM')
  expect([await next(), await child.exitCode]).toEqual(['got\n', 3])
  const disposed = await box.spawn(['sleep', '60'])
  await disposed[Symbol.asyncDispose]()
  expect(await disposed.exitCode).toBe(137)
}, 30_000)

test('a signal waits for a command that is about to start, and is refused once it has ended', async () => {
  const child = await box.spawn(['sleep', '60'])
  await child.kill('TERM')
  expect(await child.exitCode).toBe(143)
  expect((await failure(child.kill('TERM'))).code).toBe('TASK_NOT_FOUND')
}, 30_000)

test('values of variables are not seen on the host', async () => {
  const env = { SECRET: 'of mine', KEY: '-- begin\nof mine\n-- end' }
  await using _ = await box.spawn(['sleep', '7'], { env })
  const seen = Bun.spawnSync(['ps', '-eo', 'args']).stdout.toString()
  expect(seen).toContain('-- sleep 7')
  expect(seen).not.toContain('of mine')
}, 20_000)

test('files are written, listed and read', async () => {
  const path = `${base}/made/of/it/file`
  await box.files.write(path, 'text', { mode: 0o640 })
  expect(await box.files.readText(path)).toBe('text')
  await box.files.write(`${base}/made/of/it/two\nlines`, '')
  const listed = await box.files.list(`${base}/made/of/it`)
  expect(listed).toEqual([
    { name: 'file', type: 'file', size: 4, mode: 0o640, modified: expect.any(Date) },
    expect.objectContaining({ name: 'two\nlines', size: 0 }),
  ])
  expect(await failure(box.files.read(`${base}/none`))).toMatchObject({
    code: 'SDK_GUEST_FILE_FAILED',
    message: expect.stringContaining('No such file'),
  })
}, 20_000)

test('a write that is given up leaves what was there, and nothing else', async () => {
  const directory = `${base}/given-up`
  await box.files.write(`${directory}/old`, 'before', { mode: 0o640 })
  const isBegun = () =>
    readdirSync(directory).some((name) => readFileSync(`${directory}/${name}`, 'utf8') === 'partial')
  for (const name of ['old', 'new']) {
    const abort = new AbortController()
    const slow = async function* () {
      yield 'partial'
      await new Promise(() => {})
    }
    const writing = box.files.write(`${directory}/${name}`, slow(), { signal: abort.signal })
    expect(await until(isBegun, { timeoutMs: 40_000 })).toBe(true)
    abort.abort(new Error('enough'))
    await expect(writing).rejects.toThrow('enough')
    const broken = [new Uint8Array(1), 1] as unknown as Uint8Array[]
    await expect(box.files.write(`${directory}/${name}`, broken)).rejects.toThrow(TypeError)
    expect(readdirSync(directory)).toEqual(['old'])
    expect(readFileSync(`${directory}/old`, 'utf8')).toBe('before')
  }
}, 60_000)

test('what is replaced keeps its mode, and what is written through a link goes where that leads', async () => {
  const directory = `${base}/replaced`
  await box.files.write(`${directory}/file`, 'before', { mode: 0o640 })
  symlinkSync('file', `${directory}/link`)
  symlinkSync('made', `${directory}/dangling`)
  await box.files.write(`${directory}/link`, 'after')
  await box.files.write(`${directory}/dangling`, 'new')
  const listed = await box.files.list(directory)
  expect(listed.map(({ name, type, mode }) => `${type} ${name}${name === 'file' ? mode : ''}`)).toEqual([
    ...['symlink dangling', `file file${0o640}`, 'symlink link', 'file made'],
  ])
  expect(await box.files.readText(`${directory}/file`)).toBe('after')
  // No file can be made beside it.
  await box.files.write('/proc/self/coredump_filter', '0x33')
  await box.files.write('/dev/null', 'nothing')
  const into = await failure(box.files.write(directory, 'no file'))
  expect(into).toMatchObject({ code: 'SDK_GUEST_FILE_FAILED' })
  expect(readdirSync(directory)).toHaveLength(4)
  expect(readdirSync(base).filter((name) => name.endsWith('.part'))).toEqual([])
}, 60_000)

test('sandboxes are found by label and name, and another handle leaves them', async () => {
  const listed = await Sandbox.list({ ...runtime, labels: { of: 'tests' } })
  expect(listed).toEqual([expect.objectContaining({ name: 'shared', status: 'running', exitCode: null })])
  {
    await using same = await Sandbox.attach('shared', runtime)
    expect((await same.exec(['echo', 'hi'])).text).toBe('hi\n')
  }
  expect((await box.exec(['true'])).exitCode).toBe(0)
  expect((await failure(Sandbox.attach('nobody', runtime))).code).toBe('CONTAINER_NOT_FOUND')
}, 20_000)

/** Has the SDK make its directories in one that no other program has, until it is disposed of. */
function ownTmpdir(): { left(): string[] } & Disposable {
  const [usual, own] = [process.env.TMPDIR, mkdtempSync(`${base}/tmp-`)]
  process.env.TMPDIR = own
  return {
    left: () => readdirSync(own).filter((name) => name.startsWith('kata-ts-sdk-')),
    [Symbol.dispose]() {
      if (usual === undefined) delete process.env.TMPDIR
      else process.env.TMPDIR = usual
    },
  }
}

test('a sandbox that is disposed is gone, and one whose start was given up never was', async () => {
  using directories = ownTmpdir()
  {
    await using other = await create({ name: 'other' })
    await other.stop()
    expect((await failure(other.exec(['true']))).code).toBe('CONTAINER_NOT_RUNNING')
  }
  expect((await failure(create({ name: 'late', timeoutMs: 1 }))).code).toBe('SDK_TIMED_OUT')
  const names = (await Sandbox.list(runtime)).map(({ name }) => name)
  expect(names).toEqual(['shared'])
  expect(directories.left()).toEqual([])
}, 30_000)

test('a start that is given up leaves the sandbox that has the name already', async () => {
  const error = await failure(create({ name: 'shared', timeoutMs: 1 }))
  expect(error.code).toBe('SDK_TIMED_OUT')
  expect((await box.exec(['echo', 'here'])).text).toBe('here\n')
}, 30_000)

test('a sandbox is stopped, found again, started again, and its log and its events tell so', async () => {
  const over = new AbortController()
  const seen: string[] = []
  const since = new Date(Date.now() - 1000)
  const query = { ...runtime, since, labels: { of: 'life' }, signal: over.signal }
  const watching = (async () => {
    for await (const { action, name } of Sandbox.events(query)) seen.push(`${action} ${name}`)
  })()
  const made = await create({
    name: 'life',
    labels: { of: 'life' },
    command: ['sh', '-c', 'echo up; echo oops >&2; exec sleep 60'],
  })
  await made.stop({ timeoutMs: 0 })
  const again = await Sandbox.get('life', runtime)
  await again.start()
  expect((await again.exec(['echo', 'here'])).text).toBe('here\n')
  expect((await again.logs()).errorText).toBe('oops\noops\n')
  expect(await again.logs({ tail: 2 })).toEqual({ text: 'up\n', errorText: 'oops\n' })
  await again.kill()
  expect((await failure(Sandbox.get('life', runtime))).code).toBe('CONTAINER_NOT_FOUND')
  while (!seen.includes('destroy life')) await Bun.sleep(20)
  over.abort()
  await watching
  expect(seen).toEqual(['create life', 'stop life', 'destroy life'])
}, 60_000)
