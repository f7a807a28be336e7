import { describe, expect, test } from 'bun:test'
import { portsOf } from '../egress/egress.ts'
import { addressRecord, readAnswer, readQuery, writeAnswer, writeQuery } from './message.ts'
import { nameOf, questionOf } from './testing.ts'

const record = (owner: Buffer, type: number, ttl: number, data: Buffer) => {
  const head = Buffer.alloc(10)
  head.writeUInt16BE(type, 0)
  head.writeUInt16BE(1, 2)
  head.writeUInt32BE(ttl, 4)
  head.writeUInt16BE(data.length, 8)
  return Buffer.concat([owner, head, data])
}
const answer = (id: number, asked: Buffer, ...records: Buffer[]) => {
  const message = writeQuery(id, asked)
  message.writeUInt16BE(0x8180, 2)
  message.writeUInt16BE(records.length, 6)
  return Buffer.concat([message, ...records])
}
const pointer = Buffer.from([0xc0, 12])

test('a query is read in lower case, and its question is kept as it was', () => {
  const asked = questionOf('WwW.Example.org')
  const query = readQuery(writeQuery(7, asked))
  expect(query).toMatchObject({ id: 7, name: 'www.example.org', type: 1 })
  expect(query!.question.equals(asked)).toBe(true)
  expect(
    readAnswer(writeAnswer(query!, 0, [addressRecord({ address: '1.2.3.4', ttl: 60 })]), 7, asked),
  ).toEqual({
    code: 0,
    addresses: [{ address: '1.2.3.4', ttl: 60 }],
    truncated: false,
  })
})

/** A question whose labels hold these bytes. */
const odd = (...labels: (string | Buffer)[]) => {
  const parts = labels.map((label) => Buffer.from(label as Buffer))
  const name = parts.flatMap((label) => [Buffer.of(label.length), label])
  return Buffer.concat([...name, Buffer.of(0)])
}
const asking = (name: Buffer) => Buffer.concat([name, Buffer.of(0, 1, 0, 1)])
const nameIn = (...labels: (string | Buffer)[]) => readQuery(writeQuery(1, asking(odd(...labels))))?.name

test('a label may hold any byte, and none makes the name of another one', () => {
  expect(nameIn('0/25', '2', 'test')).toBe('0\\04725.2.test')
  expect(nameIn('a.b', 'test')).toBe('a\\046b.test')
  expect(nameIn('a\\046b', 'test')).toBe('a\\092046b.test')
  expect(nameIn(Buffer.of(0, 0xc9, 0xe9), 'test')).toBe('\\000\\201\\233.test')
  expect(nameIn('A b', 'TEST')).toBe('a\\032b.test')
})

test('a name is allowed by its labels alone, whatever bytes they hold', () => {
  const allowed = [{ host: 'a.test' }, { host: '*.b.test' }]
  const isAllowed = (...labels: (string | Buffer)[]) => portsOf(allowed, nameIn(...labels)!).length > 0
  expect(isAllowed('a', 'test')).toBe(true)
  expect(isAllowed('my printer', 'b', 'test')).toBe(true)
  for (const labels of [
    ['a.test'],
    ['x.b.test'],
    ['x.b', 'test'],
    ['x', 'b.test'],
    ['a\0', 'test'],
    ['*', 'a', 'test'],
  ])
    expect({ labels, isAllowed: isAllowed(...labels) }).toEqual({ labels, isAllowed: false })
})

describe('no query', () => {
  const good = writeQuery(1, questionOf('a.test'))
  // The name is behind the question, where no query has one.
  const pointing = Buffer.concat([writeQuery(1, Buffer.from([0xc0, 18, 0, 1, 0, 1])), nameOf('a.test')])
  test('a name of 255 bytes is one', () => {
    expect(readQuery(writeQuery(1, questionOf(`${'a'.repeat(62)}.`.repeat(4).concat('b'))))?.type).toBe(1)
  })

  test.each([
    ['too short', good.subarray(0, 11)],
    ['cut short', good.subarray(0, good.length - 1)],
    ['a response', Buffer.concat([good.subarray(0, 2), Buffer.from([0x81, 0]), good.subarray(4)])],
    ['two questions', Buffer.concat([good.subarray(0, 4), Buffer.from([0, 2]), good.subarray(6)])],
    ['a name that points at itself', writeQuery(1, Buffer.concat([pointer, Buffer.from([0, 1, 0, 1])]))],
    ['a name that points elsewhere', pointing],
    [
      'a name of more than 255 bytes',
      writeQuery(1, questionOf(`${'a'.repeat(62)}.`.repeat(4).concat('bbb'))),
    ],
    ['another class', writeQuery(1, Buffer.concat([nameOf('a.test'), Buffer.from([0, 1, 0, 3])]))],
  ])('%s', (_, message) => expect(readQuery(Buffer.from(message))).toBeUndefined())
})

describe('an answer', () => {
  const asked = questionOf('a.test')
  const ip = (text: string) => Buffer.from(text.split('.').map(Number))

  test('follows aliases in any order, and counts for the shortest of them', () => {
    const message = answer(
      9,
      asked,
      record(nameOf('c.test'), 1, 300, ip('1.1.1.1')),
      record(nameOf('b.test'), 5, 20, nameOf('c.test')),
      record(pointer, 5, 50, nameOf('b.test')),
    )
    expect(readAnswer(message, 9, asked)?.addresses).toEqual([{ address: '1.1.1.1', ttl: 20 }])
  })

  test('follows an alias of odd bytes, and none that only looks like it', () => {
    const alias = odd('c.d', 'test')
    const message = answer(
      9,
      asked,
      record(pointer, 5, 50, alias),
      record(nameOf('c.d.test'), 1, 300, ip('6.6.6.6')),
      record(alias, 1, 300, ip('1.1.1.1')),
    )
    expect(readAnswer(message, 9, asked)?.addresses).toEqual([{ address: '1.1.1.1', ttl: 50 }])
  })

  test('gives nothing of other names', () => {
    const message = answer(9, asked, record(nameOf('evil.test'), 1, 300, ip('1.1.1.1')))
    expect(readAnswer(message, 9, asked)?.addresses).toEqual([])
  })

  test('gives nothing of another type or class than was asked for', () => {
    const [ofOtherType, ofOtherClass] = [
      record(pointer, 28, 300, Buffer.alloc(16, 0x20)),
      record(pointer, 1, 300, ip('1.1.1.1')),
    ]
    ofOtherClass.writeUInt16BE(3, pointer.length + 2)
    const message = answer(9, asked, ofOtherType, ofOtherClass, record(pointer, 1, 300, ip('9.9.9.9')))
    expect(readAnswer(message, 9, asked)?.addresses).toEqual([{ address: '9.9.9.9', ttl: 300 }])
  })

  test.each([
    ['another number', answer(8, asked)],
    ['the bit of a question', writeQuery(9, asked)],
    [
      'more records than an answer needs',
      answer(9, asked, ...Array.from({ length: 101 }, () => record(pointer, 1, 1, ip('1.1.1.1')))),
    ],
    ['another question', answer(9, questionOf('b.test'))],
    ['a record beyond its end', answer(9, asked, record(pointer, 1, 1, ip('1.1.1.1'))).subarray(0, -1)],
    ['a name in a circle', answer(9, asked, Buffer.from([0xc0, 24, 0, 1, 0, 1, 0, 0, 0, 1, 0, 0]))],
  ])('that has %s is none', (_, message) => {
    expect(readAnswer(Buffer.from(message), 9, asked)).toBeUndefined()
  })
})

test('no bytes make it throw', () => {
  const asked = questionOf('a.test')
  const good = answer(9, asked, record(pointer, 1, 1, Buffer.from([1, 2, 3, 4])))
  for (let round = 0; round < 3000; round++) {
    const bytes = Buffer.from(good)
    for (let change = 0; change < 3; change++)
      bytes[Math.floor(Math.random() * bytes.length)] = Math.floor(Math.random() * 256)
    const cut = bytes.subarray(0, Math.floor(Math.random() * (bytes.length + 1)))
    expect(() => [readAnswer(cut, 9, asked), readQuery(cut)]).not.toThrow()
  }
})
