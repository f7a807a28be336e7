import { expect, test } from 'bun:test'
import { gathered } from './gathered.ts'

const bytes = (size: number, of = 1) => new Uint8Array(size).fill(of)
const turn = () => Bun.sleep(0)

test('a chunk that is alone comes as it is, at once', async () => {
  const gate = Promise.withResolvers<void>()
  async function* source() {
    yield bytes(3)
    await gate.promise
  }
  const taken = gathered(source(), () => 100)
  expect((await taken.next()).value).toEqual(bytes(3))
  gate.resolve()
  expect((await taken.next()).done).toBe(true)
})

test('what comes while the taker works is joined, up to the limit, and no byte changes its place', async () => {
  let made = 0
  async function* source() {
    for (; made < 20; made++) yield bytes(10, made)
  }
  const sizes: number[] = []
  const got: number[] = []
  for await (const chunk of gathered(source(), () => 55)) {
    sizes.push(chunk.length)
    got.push(...chunk)
    await turn()
    // The source has gone on, and waits at the limit.
    expect(made * 10 - got.length).toBeLessThanOrEqual(60)
  }
  expect(sizes).toEqual([10, 60, 60, 60, 10])
  expect(got).toEqual(Array.from({ length: 200 }, (_, at) => Math.floor(at / 10)))
})

test('a failure comes behind what was there before it', async () => {
  async function* source() {
    yield bytes(1)
    yield bytes(2)
    throw new Error('the source broke')
  }
  const taken = gathered(source(), () => 100)
  await taken.next()
  await turn()
  expect((await taken.next()).value).toEqual(bytes(2))
  await expect(taken.next()).rejects.toThrow('the source broke')
})

test('a taker that leaves ends the source', async () => {
  let isEnded = false
  async function* source() {
    try {
      for (;;) yield bytes(1)
    } finally {
      isEnded = true
    }
  }
  for await (const _ of gathered(source(), () => 10)) break
  await turn()
  expect(isEnded).toBe(true)
})

test('and does not wait for one that is silent', async () => {
  async function* source() {
    yield bytes(1)
    await new Promise(() => {})
  }
  for await (const _ of gathered(source(), () => 10)) break
})
