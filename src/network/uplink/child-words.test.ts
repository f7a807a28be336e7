import { expect, test } from 'bun:test'
import { tailOf, untilReady } from './child-words.ts'

/** A child that ends, and leaves a process behind that holds its pipes for as long as the test runs. */
function leaving(words: string) {
  const left = Promise.withResolvers<void>()
  const stream = new ReadableStream<Uint8Array>({
    async start(controller) {
      controller.enqueue(new TextEncoder().encode(words))
      await left.promise
      controller.close()
    },
  })
  return { stream, end: () => left.resolve() }
}

test('what a child said is there although a process that it left behind still could say more', async () => {
  const { stream, end } = leaving('no such device\n')
  expect(await tailOf(stream)()).toBe('no such device\n')
  end()
})

test('of what a child says the last is kept', async () => {
  const { stream, end } = leaving(`${'x'.repeat(10_000)}last`)
  end()
  const said = await tailOf(stream)()
  expect(said).toHaveLength(4096)
  expect(said).toEndWith('last')
})

test('a word that is a part of a line is no word', async () => {
  const { stream, end } = leaving('ready or not\n')
  end()
  expect(await untilReady(stream, 'ready', new AbortController().signal)).toBe(false)
})

test('a word is waited for until the time is over, whoever still has the pipe', async () => {
  const { stream, end } = leaving('almost\n')
  expect(await untilReady(stream, 'ready', AbortSignal.timeout(10))).toBe(false)
  end()
})

test('a word that has come counts', async () => {
  const { stream, end } = leaving('almost\nready\n')
  expect(await untilReady(stream, 'ready', new AbortController().signal)).toBe(true)
  end()
})
