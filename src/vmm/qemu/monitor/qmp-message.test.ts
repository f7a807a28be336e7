import { expect, test } from 'bun:test'
import fc from 'fast-check'
import { KataError } from '../../../errors.ts'
import { LineSplitter } from './line-splitter.ts'
import { parseQmpMessage } from './qmp-message.ts'

const isProtocolError = (error: unknown) => error instanceof KataError && error.code === 'VMM_PROTOCOL'

function parses(line: string): boolean {
  try {
    parseQmpMessage(line)
    return true
  } catch (error) {
    if (isProtocolError(error)) return false
    throw error
  }
}

test('reads the four messages', () => {
  expect(
    parseQmpMessage(
      '{"QMP":{"version":{"qemu":{"micro":13,"minor":0,"major":10},"package":""},"capabilities":[]}}',
    ),
  ).toEqual({ kind: 'greeting', version: { major: 10, minor: 0, micro: 13 } })
  expect(parseQmpMessage('{"return":{"status":"paused"},"id":3}')).toEqual({
    kind: 'return',
    id: 3,
    value: { status: 'paused' },
  })
  expect(parseQmpMessage('{"id":4,"error":{"class":"GenericError","desc":"no\\nway"}}')).toEqual({
    kind: 'error',
    id: 4,
    reason: 'no way',
  })
  expect(parseQmpMessage('{"event":"STOP","timestamp":{"seconds":1,"microseconds":2}}')).toEqual({
    kind: 'event',
    name: 'STOP',
    data: {},
  })
})

test('says VMM_PROTOCOL, and nothing else, to whatever is no message', () => {
  fc.assert(
    fc.property(fc.oneof(fc.string(), fc.json()), (line) => {
      parses(line)
    }),
  )
  const messageLike = fc.record(
    {
      QMP: fc.anything(),
      event: fc.anything(),
      data: fc.anything(),
      id: fc.anything(),
      return: fc.anything(),
      error: fc.anything(),
    },
    { requiredKeys: [] },
  )
  fc.assert(
    fc.property(messageLike, (message) => {
      const text = JSON.stringify(message, (_, value) => (typeof value === 'bigint' ? `${value}` : value))
      if (text !== undefined) parses(text)
    }),
  )
  expect(parses(`${'['.repeat(200_000)}`)).toBe(false)
  expect(parses('{"return":{},"id":-1}')).toBe(false)
  expect(parses('{"return":{}}')).toBe(false)
  expect(parses('{"QMP":{}}')).toBe(false)
})

test('lines survive any cutting of the stream', () => {
  const line = fc.string().filter((text) => !/[\r\n]/.test(text) && text.trim() === text && text !== '')
  fc.assert(
    fc.property(fc.array(line), fc.array(fc.nat(20)), (lines, cuts) => {
      const bytes = Buffer.from(lines.map((text) => `${text}\r\n`).join(''))
      const splitter = new LineSplitter()
      const got: string[] = []
      let at = 0
      for (const cut of cuts) {
        got.push(...splitter.push(bytes.subarray(at, at + cut)))
        at += cut
      }
      got.push(...splitter.push(bytes.subarray(at)))
      expect(got).toEqual(lines.map((text) => Buffer.from(text).toString()))
    }),
  )
})

test('an endless line is refused at the limit', () => {
  const splitter = new LineSplitter(10)
  expect(splitter.push(Buffer.from('0123456789'))).toEqual([])
  expect(() => splitter.push(Buffer.from('x'))).toThrow(/VMM_PROTOCOL/)
  expect(() => new LineSplitter(10).push(Buffer.from('0123456789x\n'))).toThrow(/VMM_PROTOCOL/)
})
