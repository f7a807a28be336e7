import { afterEach, beforeEach, expect, test } from 'bun:test'
import { chmodSync, mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { keepCopy } from './copied-files.ts'

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

test('a source that is a link is what it leads to', async () => {
  writeFileSync(`${base}/stub`, 'nameserver')
  symlinkSync('stub', `${base}/resolv.conf`)
  const { calls, client } = agent()
  ;(await keepCopy(client, request(`${base}/resolv.conf`), unexpected)).stop()
  expect(calls).toMatchObject([{ path: '/shared/x', fileMode: 0o100644, fileSize: 10n }])
})

test('what has more entries or bytes than fit is refused by name', async () => {
  const { calls, client } = agent()
  for (let index = 0; index < 1025; index++) writeFileSync(`${base}/${index}`, '')
  await expect(keepCopy(client, request(base), unexpected)).rejects.toThrow(
    new RegExp(`^\\[SHARE_COPY_TOO_LARGE\\] ${base}.*c1`),
  )
  expect(calls).toEqual([])
})
