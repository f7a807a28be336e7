import { expect, test } from 'bun:test'
import { Message } from './message.ts'
import { MalformedMessage } from './wire-reader.ts'

interface Node {
  id: number
  next: Node | undefined
  tags: string[]
  sizes: bigint[]
  notes: { [key: string]: string }
  level?: number | undefined
}
const Node: Message<Node> = new Message(
  '1 id uint32;2 next Node?;3 tags string[];4 sizes int64[];5 notes string{};6 level int32?',
  () => ({ Node }),
)

const hex = (message: Node) => Buffer.from(Node.encode(message).finish()).toString('hex')
const decode = (bytes: string, mostValues?: number) => Node.decode(Buffer.from(bytes, 'hex'), mostValues)
const empty = Node.fromPartial({})

test('what is left out has its default, and is not written', () => {
  expect(empty).toEqual({ id: 0, next: undefined, tags: [], sizes: [], notes: {}, level: undefined })
  expect(hex(empty)).toBe('')
  expect(decode('')).toEqual(empty)
})

test('a field that may be absent is written with its default, too', () => {
  expect(hex({ ...empty, level: 0 })).toBe('3000')
  expect(decode('3000').level).toBe(0)
})

test('numbers in a list stand in one field, and are read one by one as well', () => {
  expect(hex({ ...empty, sizes: [1n, -1n] })).toBe(`220b01${'ff'.repeat(9)}01`)
  expect(decode('22020102').sizes).toEqual([1n, 2n])
  expect(decode('20012002').sizes).toEqual([1n, 2n])
})

test('a later value of a field takes the place of an earlier one', () => {
  expect(decode('08010802').id).toBe(2)
})

test('fields that the type does not have, or has as another kind, are passed over', () => {
  const unknown = ['7801', `79${'00'.repeat(8)}`, '7a0100', `7d${'00'.repeat(4)}`]
  expect(decode(`${unknown.join('')}0a01000807`)).toEqual({ ...empty, id: 7 })
})

test('a map has its keys as they are', () => {
  const notes = { a: '1', '': '2', ['__proto__']: '3' }
  const read = decode(hex({ ...empty, notes })).notes
  expect(Object.entries(read)).toEqual(Object.entries(notes))
  expect(Object.getPrototypeOf(read)).toBe(Object.prototype)
})

test.each([
  ['that end inside a number', '08', 'it ends inside a number'],
  ['with a number that never ends', `08${'ff'.repeat(11)}`, 'a number of more than ten bytes'],
  ['whose text is shorter than its length', '1a0541', 'it ends inside a field'],
  ['with a message that ends behind the one around it', '12031a0541', 'it ends inside a field'],
  ['with a length of 2^63', `1a${'ff'.repeat(9)}00`, 'it ends inside a field'],
  ['with a tag of more than 32 bits', '8a80808080808001', 'a tag of more than 32 bits'],
  ['with the field 0', '0001', 'field number 0'],
  ['with a group', '0b', 'wire type 3'],
  ['with a number that goes on behind its message', '1201201a00', 'it ends inside a number'],
])('bytes %s are no message', (_, bytes, reason) => {
  expect(() => decode(bytes)).toThrow(new MalformedMessage(reason))
})

test('messages in one another have an end', () => {
  const nested = (depth: number) => {
    let node = empty
    for (let count = 0; count < depth; count++) node = { ...empty, next: node }
    return Node.decode(Node.encode(node).finish())
  }
  expect(nested(100).next).toBeDefined()
  expect(() => nested(101)).toThrow(new MalformedMessage('more than 100 messages in one another'))
})

test('no more values are read than may be', () => {
  const bytes = '1a00'.repeat(10)
  expect(decode(bytes, 20).tags).toHaveLength(10)
  expect(() => decode(bytes, 19)).toThrow(new MalformedMessage('it has too many values'))
  const inside = `120a${'1a00'.repeat(5)}`
  expect(() => decode(inside, 11)).toThrow(MalformedMessage)
  expect(decode(inside, 12).next?.tags).toHaveLength(5)
})

test.each<[string, Partial<Node>]>([
  ['4294967296 as uint32', { id: 2 ** 32 }],
  ['-1 as uint32', { id: -1 }],
  ['1.5 as uint32', { id: 1.5 }],
  ['2147483648 as int32', { level: 2 ** 31 }],
  ['2^63 as int64', { sizes: [2n ** 63n] }],
])('%s is not written', (_, fields) => {
  expect(() => hex({ ...empty, ...fields })).toThrow(RangeError)
})

test('a text may begin with a mark of the byte order', () => {
  expect(decode(hex({ ...empty, tags: ['\ufeffx'] })).tags).toEqual(['\ufeffx'])
})

test('a long text in a message in a message comes back', () => {
  const tags = ['x'.repeat(100_000), 'é€🙂']
  const node = { ...empty, next: { ...empty, next: { ...empty, tags } } }
  expect(decode(hex(node))).toEqual(node)
})
