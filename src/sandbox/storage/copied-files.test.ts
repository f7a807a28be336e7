import { afterEach, beforeEach, expect, test } from 'bun:test'
import {
  chmodSync,
  mkdirSync,
  mkdtempSync,
  renameSync,
  rmSync,
  symlinkSync,
  truncateSync,
  writeFileSync,
} from 'node:fs'
import { tmpdir } from 'node:os'
import { makeFifo } from '../../linux/files/fifo.ts'
import { until } from '../../time.ts'
import { keepCopy } from './copied-files.ts'

const isRoot = process.getuid?.() === 0
let base: string
beforeEach(() => {
  base = mkdtempSync(`${tmpdir()}/copied-`)
})
afterEach(() => rmSync(base, { recursive: true }))

interface Copied {
  readonly path: string
  readonly fileMode: number
  readonly fileSize: bigint
  readonly offset: bigint
  readonly data?: Uint8Array
}

/** An agent that keeps what it is told. */
function agent() {
  const calls: Copied[] = []
  const copyFile = async (request: unknown) => {
    calls.push(request as Copied)
    return {}
  }
  return { calls, client: { copyFile } as unknown as Parameters<typeof keepCopy>[0] }
}
const unexpected = (error: unknown) => {
  throw error
}
const request = (source: string) => ({ source, target: '/shared/x', container: 'c1' })

test('a file goes in pieces of a MiB, with its mode', async () => {
  writeFileSync(`${base}/big`, Buffer.alloc(2_500_000, 'x'))
  chmodSync(`${base}/big`, 0o640)
  const { calls, client } = agent()
  const copy = await keepCopy(client, request(`${base}/big`), unexpected)
  copy.stop()
  expect(calls.map(({ offset, data }) => [Number(offset), data?.length])).toEqual([
    [0, 1_048_576],
    [1_048_576, 1_048_576],
    [2_097_152, 402_848],
  ])
  for (const { path, fileMode, fileSize } of calls)
    expect([path, fileMode, fileSize]).toEqual(['/shared/x', 0o100640, 2_500_000n])
})

test('an empty file is one empty piece', async () => {
  writeFileSync(`${base}/none`, '')
  const { calls, client } = agent()
  ;(await keepCopy(client, request(`${base}/none`), unexpected)).stop()
  expect(calls).toMatchObject([{ fileSize: 0n, offset: 0n }])
})

test('a directory goes with its directories first and its links last', async () => {
  mkdirSync(`${base}/..one`)
  writeFileSync(`${base}/..one/key`, 'one')
  symlinkSync('..one', `${base}/..data`)
  const { calls, client } = agent()
  ;(await keepCopy(client, request(base), unexpected)).stop()
  expect(calls.map(({ path }) => path)).toEqual([
    '/shared/x',
    '/shared/x/..one',
    '/shared/x/..one/key',
    '/shared/x/..data',
  ])
  expect(Buffer.from(calls[3]!.data!).toString()).toBe('..one')
})

test.skipIf(!isRoot)(
  "a source that is a link of the system's is what it leads to, one that a pod may have made is refused",
  async () => {
    writeFileSync(`${base}/stub`, 'nameserver')
    const link = `/etc/copied-${process.pid}`
    symlinkSync(`${base}/stub`, link)
    const { calls, client } = agent()
    try {
      ;(await keepCopy(client, request(link), unexpected)).stop()
    } finally {
      rmSync(link)
    }
    expect(calls).toMatchObject([{ path: '/shared/x', fileMode: 0o100644, fileSize: 10n }])
    symlinkSync('/etc/shadow', `${base}/link`)
    await expect(keepCopy(client, request(`${base}/link`), unexpected)).rejects.toThrow(/^\[SOURCE_LINK\]/)
  },
)

/** An agent that calls `swap` when it is asked for the file `a`, and answers after that. */
function slowAgent(swap: () => void) {
  const { calls, client } = agent()
  const copyFile = async (request: Copied) => {
    calls.push(request)
    if (request.path.endsWith('/a')) swap()
    return {}
  }
  return { calls, client: { copyFile } as unknown as typeof client }
}

test.each([
  ['a link to a secret', (path: string) => symlinkSync('../secret', path)],
  ['a FIFO', (path: string) => makeFifo(path)],
  ['another file', (path: string) => writeFileSync(path, 'other')],
])('a file that becomes %s while the guest answers is not read', async (_, put) => {
  writeFileSync(`${base}/secret`, 'of the host')
  mkdirSync(`${base}/v/d`, { recursive: true })
  for (const name of ['a', 'b', 'd/c']) writeFileSync(`${base}/v/${name}`, 'fine')
  // The positive control: without the swap all of it arrives.
  const calm = agent()
  ;(await keepCopy(calm.client, request(`${base}/v`), unexpected)).stop()
  expect(texts(calm.calls)).toEqual(['fine', 'fine', 'fine'])
  const { calls, client } = slowAgent(() => {
    renameSync(`${base}/v/b`, `${base}/old`)
    put(`${base}/v/b`)
    renameSync(`${base}/v/d`, `${base}/v/e`)
    symlinkSync(base, `${base}/v/d`)
    writeFileSync(`${base}/c`, 'not of the volume')
  })
  ;(await keepCopy(client, request(`${base}/v`), unexpected)).stop()
  expect(texts(calls)).toEqual(['fine'])
})

const texts = (calls: readonly Copied[]) =>
  calls.flatMap(({ data }) => (data === undefined ? [] : [Buffer.from(data).toString()]))

test('sockets, FIFOs and devices are passed over, also in a deep tree', async () => {
  const deep = `${base}/${'d/'.repeat(500)}`
  mkdirSync(deep, { recursive: true })
  makeFifo(`${deep}fifo`)
  writeFileSync(`${deep}file`, 'fine')
  const { calls, client } = agent()
  ;(await keepCopy(client, request(base), unexpected)).stop()
  expect(texts(calls)).toEqual(['fine'])
  expect(calls.length).toBe(502)
})

test('what has more entries or bytes than fit is refused by name', async () => {
  const { calls, client } = agent()
  for (let index = 0; index < 1025; index++) writeFileSync(`${base}/${index}`, '')
  await expect(keepCopy(client, request(base), unexpected)).rejects.toThrow(
    new RegExp(`^\\[SHARE_COPY_TOO_LARGE\\] ${base}.*c1`),
  )
  expect(calls).toEqual([])
})

test('what has more bytes than fit is refused before any is copied, or when it grows meanwhile', async () => {
  for (const name of ['a', 'b']) writeFileSync(`${base}/${name}`, 'fine')
  const grow = (name: string) => truncateSync(`${base}/${name}`, 33 * 1024 * 1024)
  const slow = slowAgent(() => grow('b'))
  await expect(keepCopy(slow.client, request(base), unexpected)).rejects.toThrow('[SHARE_COPY_TOO_LARGE]')
  expect(texts(slow.calls)).toEqual(['fine'])
  const { calls, client } = agent()
  await expect(keepCopy(client, request(base), unexpected)).rejects.toThrow('[SHARE_COPY_TOO_LARGE]')
  expect(calls).toEqual([])
})

/** As kubelet's atomic writer does it. */
function publish(version: string): void {
  mkdirSync(`${base}/${version}`)
  for (const name of ['a', 'b']) writeFileSync(`${base}/${version}/${name}`, version)
  symlinkSync(version, `${base}/..data_tmp`)
  renameSync(`${base}/..data_tmp`, `${base}/..data`)
}

test('a version that kubelet is writing or removing is not copied', async () => {
  publish('..old')
  publish('..one')
  mkdirSync(`${base}/..next`)
  const { calls, client } = agent()
  ;(await keepCopy(client, request(base), unexpected)).stop()
  expect(calls.map(({ path }) => path.slice('/shared/x'.length))).toEqual([
    ...['', '/..one', '/..one/a', '/..one/b', '/..data'],
  ])
})

test('no link leads to a version that is replaced while it is copied', async () => {
  publish('..one')
  const { calls, client } = slowAgent(() => {
    publish('..two')
    rmSync(`${base}/..one`, { recursive: true })
  })
  ;(await keepCopy(client, request(base), unexpected)).stop()
  expect(calls.map(({ path }) => path.slice('/shared/x'.length))).toEqual(['', '/..one', '/..one/a'])
})

test('a guest that answers late is asked for one thing at a time, and for nothing once it is stopped', async () => {
  const { calls, client } = agent()
  const answers: (() => void)[] = []
  const late = {
    copyFile(piece: Copied) {
      calls.push(piece)
      if (calls.length === 1) return Promise.resolve({})
      return new Promise<object>((resolve) => answers.push(() => resolve({})))
    },
  } as unknown as typeof client
  const [file, everyMs] = [`${base}/file`, 5]
  const isAsked = async (times: number) => {
    while (calls.length < times) await Bun.sleep(everyMs)
    // For many more looks there is no further call.
    await Bun.sleep(20 * everyMs)
    expect(calls.length).toBe(times)
  }
  writeFileSync(file, '1')
  const copy = await keepCopy(late, request(file), unexpected, { everyMs })
  writeFileSync(file, '12')
  await isAsked(2)
  writeFileSync(file, '123')
  await isAsked(2)
  // The positive control: it goes on once the guest has answered.
  answers.shift()!()
  await isAsked(3)
  expect(texts(calls)).toEqual(['1', '12', '123'])
  writeFileSync(file, Buffer.alloc(3_000_000))
  answers.shift()!()
  await isAsked(4)
  copy.stop()
  answers.shift()!()
  await isAsked(4)
})

test('a failure that comes again and again is told once, and again after a success', async () => {
  const file = `${base}/file`
  writeFileSync(file, 'first')
  const { calls, client } = agent()
  const told: string[] = []
  let looks = 0
  const watched = {
    ...request(''),
    get source() {
      looks++
      return file
    },
  }
  const copy = await keepCopy(client, watched, (error) => void told.push(String(error)), { everyMs: 5 })
  const isTold = (times: number) => () => told.length === times
  rmSync(file)
  expect(await until(isTold(1), { timeoutMs: 5000 })).toBe(true)
  const before = looks
  expect(await until(() => looks > before + 5, { timeoutMs: 5000 })).toBe(true)
  writeFileSync(file, 'second, longer')
  expect(await until(() => calls.length === 2, { timeoutMs: 5000 })).toBe(true)
  rmSync(file)
  expect(await until(isTold(2), { timeoutMs: 5000 })).toBe(true)
  copy.stop()
  expect(told.map((words) => /\[\w+\]/.exec(words)?.[0])).toEqual(Array(2).fill('[SHARE_SOURCE_MISSING]'))
})
