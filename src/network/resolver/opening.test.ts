import { expect, test } from 'bun:test'
import { openingBy } from './opening.ts'

/** A name server that keeps answers says them again with less time left. */
const answer = (ttl: number) => [{ address: '1.2.3.4', ttl }]

test('an address is given when it is open, also to the second who asks for it at once', async () => {
  const nft = Promise.withResolvers<void>()
  const commands: string[] = []
  const open = openingBy((text) => {
    commands.push(text)
    return nft.promise
  })
  const given: number[] = []
  const all = [60, 30].map((ttl) => open(answer(ttl), [443]).then(() => given.push(ttl)))
  await Bun.sleep(5)
  expect([commands.length, given]).toEqual([1, []])
  nft.resolve()
  await Promise.all(all)
  // The positive control: it was opened once.
  expect([commands.length, given]).toEqual([1, [60, 30]])
})

test('what could not be opened is not taken for open', async () => {
  let fails = true
  const commands: string[] = []
  const open = openingBy(async (text) => {
    commands.push(text)
    if (fails) throw new Error('nft refused')
  })
  await expect(open(answer(60), [443])).rejects.toThrow('nft refused')
  fails = false
  await open(answer(30), [443])
  expect(commands.length).toBe(2)
  // The positive control: now it is.
  await open(answer(5), [443])
  expect(commands.length).toBe(2)
})
