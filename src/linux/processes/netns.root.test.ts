import { afterAll, beforeAll, describe, expect, test } from 'bun:test'
import { inNetns, inNewNetns, lastingIdentity, type Netns, openNetns, openOwnNetns } from './netns.ts'

let [one, other]: Netns[] = []
beforeAll(() => {
  const fresh = () => inNewNetns(openOwnNetns)
  ;[one, other] = [fresh(), fresh()]
})
afterAll(() => {
  for (const netns of [one, other]) netns!.close()
})

describe('the lasting identity of a namespace', () => {
  test('is the same by each of its names', () => {
    const again = inNetns(one!, openOwnNetns)
    expect(lastingIdentity(again)).toBe(lastingIdentity(one!))
    again.close()
  })

  test('is another one’s never, even where that has its inode: it ends with the kernel’s cookie', () => {
    const [first, second] = [lastingIdentity(one!), lastingIdentity(other!)]
    expect(first).toMatch(/^\d+:\d+:\d+$/)
    expect(first.split(':').at(-1)).not.toBe(second.split(':').at(-1)!)
  })

  test('is none of what is no network namespace', () => {
    const file = openNetns('/proc/self/ns/uts')
    expect(() => lastingIdentity(file)).toThrow('EINVAL')
    file.close()
  })
})

test('the thread is back in its own namespace afterwards', () => {
  const before = openOwnNetns()
  lastingIdentity(one!)
  const after = openOwnNetns()
  expect(after.identity).toBe(before.identity)
  for (const netns of [before, after]) netns.close()
})
