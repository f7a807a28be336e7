import { describe, expect, test } from 'bun:test'
import { DetachKeys, defaultDetachKeys, parseDetachKeys } from './detach-keys.ts'

test.each([
  [defaultDetachKeys, [16, 17]],
  ['ctrl-]', [29]],
  ['ctrl-@,A,~', [0, 65, 126]],
  ['ctrl-X', [24]],
  ['', []],
])('%j is %j', (text, bytes) => {
  expect([...parseDetachKeys(text)]).toEqual(bytes)
})

test.each(['ctrl-', 'ctrl-1', 'ab', 'a,', 'ctrl-p ctrl-q', 'ä', 'a,b,c,d,e,f,g,h,i'])(
  '%j is refused',
  (text) => {
    expect(() => parseDetachKeys(text)).toThrow('[OPTION_INVALID] --detach-keys')
  },
)

describe('in what is typed', () => {
  const typed = (...chunks: string[]) => {
    const keys = new DetachKeys(parseDetachKeys('a,a,b'))
    let text = ''
    for (const chunk of chunks) {
      const { bytes, leaves } = keys.feed(Buffer.from(chunk))
      text += Buffer.from(bytes).toString()
      if (leaves) return `${text}|`
    }
    return text
  }

  test.each([
    [['xaab'], 'x|'],
    [['xa', 'a', 'by'], 'x|'],
    [['aac'], 'aac'],
    [['a', 'x', 'aa', 'y'], 'axaay'],
    [['ba'], 'b'],
  ])('%j gives %j', (chunks, text) => {
    expect(typed(...chunks)).toBe(text)
  })

  test('nothing is looked for without keys', () => {
    const chunk = Buffer.from([16, 17])
    expect(new DetachKeys(parseDetachKeys('')).feed(chunk)).toEqual({ bytes: chunk, leaves: false })
  })
})
