import { afterEach, beforeEach, expect, test } from 'bun:test'
import {
  closeSync,
  ftruncateSync,
  mkdtempSync,
  openSync,
  rmSync,
  statSync,
  writeFileSync,
  writeSync,
} from 'node:fs'
import { join } from 'node:path'
import { copySparse, digestOf } from './sparse-file.ts'

const running = new AbortController().signal
const mebibyte = 1024 * 1024

let directory: string
beforeEach(() => {
  // Not in memory: holes are what this is about.
  directory = mkdtempSync('/var/tmp/kata-ts-sparse-')
})
afterEach(() => rmSync(directory, { recursive: true }))

const opened = <T>(path: string, flags: string, work: (fd: number) => Promise<T>): Promise<T> => {
  const fd = openSync(path, flags)
  return work(fd).finally(() => closeSync(fd))
}
const digest = (path: string) => opened(path, 'r', (fd) => digestOf(fd, running))

/** 64 MiB with a few bytes in two places. */
function sparse(name: string, text = 'here'): string {
  const path = join(directory, name)
  const fd = openSync(path, 'wx')
  ftruncateSync(fd, 64 * mebibyte)
  writeSync(fd, text, 5 * mebibyte)
  writeSync(fd, 'there', 40 * mebibyte + 12_345)
  closeSync(fd)
  return path
}

test('a hole counts as the zeros that it reads as', async () => {
  const holes = sparse('holes')
  const whole = join(directory, 'whole')
  writeFileSync(whole, Buffer.from(await Bun.file(holes).arrayBuffer()))
  expect(statSync(holes).blocks).toBeLessThan(statSync(whole).blocks)
  expect(await digest(holes)).toEqual(await digest(whole))
  expect(await digest(holes)).toMatchObject({ bytes: 64 * mebibyte })
})

test('other bytes, other places and another size are another digest, or size', async () => {
  const { sha256, bytes } = await digest(sparse('one'))
  expect((await digest(sparse('other', 'hers'))).sha256).not.toBe(sha256)
  const moved = sparse('moved')
  await opened(moved, 'r+', async (fd) => {
    writeSync(fd, Buffer.alloc(4), 0, 4, 5 * mebibyte)
    writeSync(fd, 'here', 6 * mebibyte)
  })
  expect((await digest(moved)).sha256).not.toBe(sha256)
  const longer = sparse('longer')
  await opened(longer, 'r+', async (fd) => ftruncateSync(fd, 65 * mebibyte))
  expect((await digest(longer)).bytes).not.toBe(bytes)
})

test('a copy has the same bytes, and is as sparse', async () => {
  const from = sparse('from')
  const to = join(directory, 'to')
  const copied = await opened(from, 'r', (source) =>
    opened(to, 'wx', (target) => copySparse(source, target, running)),
  )
  expect(copied).toEqual(await digest(from))
  expect(await digest(to)).toEqual(copied)
  expect(
    await Bun.file(to)
      .slice(40 * mebibyte + 12_345, 40 * mebibyte + 12_350)
      .text(),
  ).toBe('there')
  expect(statSync(to).blocks * 512).toBeLessThan(mebibyte)
})

test('an empty file has a digest, too', async () => {
  writeFileSync(join(directory, 'empty'), '')
  expect(await digest(join(directory, 'empty'))).toMatchObject({ bytes: 0 })
})
