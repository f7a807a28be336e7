import { describe, expect, test } from 'bun:test'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { dictionary, list, needed, record } from './compounds.ts'
import { readFile, readText, readValue } from './document.ts'
import { JsonMismatch } from './place.ts'
import {
  bool,
  choice,
  exactUint64,
  int64,
  number,
  positive,
  type Reader,
  text,
  textUpTo,
  uint32,
  uint64,
} from './values.ts'

interface Box {
  readonly name: string
  readonly sizes?: readonly number[]
  readonly lid?: { readonly open?: boolean }
}
const box = record<Box>({
  name: needed(text),
  sizes: list(uint32),
  lid: record<{ readonly open?: boolean }>({ open: bool }),
})

function messageOf(read: () => unknown): string {
  try {
    read()
  } catch (error) {
    expect(error).toBeInstanceOf(JsonMismatch)
    return (error as JsonMismatch).message
  }
  return 'it was read'
}

describe('what is wrong is told with its place', () => {
  test.each<[unknown, string]>([
    [{ name: 5 }, 'name: expected a string, is a number'],
    [{}, 'name: expected a string, is missing'],
    [{ name: null }, 'name: expected a string, is null'],
    [{ name: 'a', sizes: 3 }, 'sizes: expected a list, is a number'],
    [{ name: 'a', sizes: [1, -2] }, 'sizes[1]: expected a number from 0 to 4294967295, is -2'],
    [{ name: 'a', lid: [] }, 'lid: expected an object, is a list'],
    [{ name: 'a', lid: { open: 'yes' } }, 'lid.open: expected true or false, is a string'],
    [[], 'expected an object, is a list'],
    ['x', 'expected an object, is a string'],
  ])('%j', (json, says) => {
    expect(messageOf(() => readValue(box, json))).toBe(says)
  })

  test('with the name of the document before it', () => {
    expect(messageOf(() => readValue(box, {}, { path: 'box' }))).toBe(
      'box.name: expected a string, is missing',
    )
  })

  test('with keys made fit for a terminal, and short', () => {
    const json = { ['\u001b[2J'.repeat(40)]: 1 }
    const says = messageOf(() => readValue(dictionary(text), json))
    expect(says).not.toContain('\u001b')
    expect(says.length).toBeLessThan(120)
  })
})

test('a value is frozen with all that is in it, and shares nothing with what it was read from', () => {
  const json = { name: 'a', sizes: [1], lid: { open: true } }
  const read = readValue(box, json)
  for (const part of [read, read.sizes, read.lid]) expect(Object.isFrozen(part)).toBe(true)
  json.sizes.push(2)
  expect(read.sizes).toEqual([1])
})

test('null counts as absent where a field may be absent', () => {
  expect(readValue(box, { name: 'a', sizes: null, lid: { open: null } })).toEqual({ name: 'a', lid: {} })
})

test('fields that nobody knows are left out, and named', () => {
  const dropped: string[] = []
  const json = { name: 'a', color: 'red', lid: { hinge: 1 } }
  expect(readValue(box, json, { dropped })).toEqual({ name: 'a', lid: {} })
  expect(dropped).toEqual(['color', 'lid.hinge'])
  const many: string[] = []
  readValue(
    box,
    { name: 'a', ...Object.fromEntries(Array.from({ length: 1000 }, (_, i) => [`x${i}`, 1])) },
    { dropped: many },
  )
  expect(many).toHaveLength(17)
  expect(many.slice(-2)).toEqual(['x15', 'and others'])
})

test('a field of many items is named once, and hides no other', () => {
  const shelf = record<{ readonly boxes?: readonly object[]; readonly name?: string }>({
    boxes: list(record<{ readonly name?: string }>({ name: text })),
    name: text,
  })
  const dropped: string[] = []
  const boxes = Array.from({ length: 100 }, (_, i) => ({ color: i }))
  readValue(shelf, { boxes, height: 1 }, { dropped })
  expect(dropped.toSorted()).toEqual(['boxes[].color', 'height'])
})

test('what every object inherits is no field', () => {
  const inherited: Reader<object> = record<{ readonly constructor?: string; readonly __proto__?: string }>({
    constructor: text,
    ['__proto__']: text,
  } as never)
  expect(Object.keys(readValue(inherited, {}))).toEqual([])
  const poisoned = readText(dictionary(text), '{"__proto__":"x","constructor":"y"}')
  expect(Object.getPrototypeOf(poisoned)).toBe(Object.prototype)
  expect(Object.entries(poisoned)).toEqual([
    ['__proto__', 'x'],
    ['constructor', 'y'],
  ])
})

describe('limits', () => {
  test('of entries', () => {
    expect(readValue(list(uint32, 2), [1, 2])).toEqual([1, 2])
    expect(messageOf(() => readValue(list(uint32, 2), [1, 2, 3]))).toBe(
      'expected at most 2 entries, is one with 3',
    )
    expect(messageOf(() => readValue(dictionary(text, 1), { a: '', b: '' }))).toBe(
      'expected at most 1 entries, is one with 2',
    )
  })

  test('of bytes, and no NUL', () => {
    expect(readValue(textUpTo(2), 'é')).toBe('é')
    expect(messageOf(() => readValue(textUpTo(2), 'éa'))).toBe(
      'expected a string of at most 2 bytes, is one of 3',
    )
    expect(messageOf(() => readValue(text, 'a\0b'))).toBe('expected a string without NUL, is one with it')
  })

  test.each<[string, Reader<number>, number[], unknown[]]>([
    ['uint32', uint32, [0, 0xffffffff], [-1, 2 ** 32, 0.5, '1', Number.NaN]],
    ['uint64', uint64, [0, 2 ** 64], [-1, 0.5, Number.POSITIVE_INFINITY]],
    ['exactUint64', exactUint64, [0, 2 ** 53 - 1, 2 ** 64], [-1, 0.5, 2 ** 53, 2 ** 63]],
    ['int64', int64, [-(2 ** 63), 2 ** 63], [-(2 ** 64), 0.5]],
    ['positive', positive, [1], [0, -1, 0.5, 2 ** 53]],
    ['number', number, [0.5, -3], [Number.NaN, Number.POSITIVE_INFINITY, '1']],
  ])('of %s', (_, reader, good, bad) => {
    for (const value of good) expect(readValue(reader, value)).toBe(value)
    for (const value of bad) expect(() => readValue(reader, value)).toThrow(JsonMismatch)
  })

  test('of words', () => {
    expect(readValue(choice('a', 'b'), 'b')).toBe('b')
    expect(messageOf(() => readValue(choice('a', 'b'), 'c'))).toBe('expected "a" or "b", is a string')
  })

  test('of depth: what is nested too deeply is no JSON, and no value of ours', () => {
    const deep = '['.repeat(1_000_000)
    expect(messageOf(() => readText(list(text), deep))).toStartWith('expected JSON, is none (')
    expect(messageOf(() => readText(list(text), '[[[[]]]]'))).toBe('[0]: expected a string, is a list')
  })
})

test('a file that is too large is not read', () => {
  const directory = mkdtempSync(join(tmpdir(), 'json-'))
  try {
    const file = join(directory, 'file.json')
    writeFileSync(file, '{"name":"a"}')
    expect(readFile(box, file)).toEqual({ name: 'a' })
    expect(messageOf(() => readFile(box, file, { maxBytes: 5 }))).toBe(
      'expected a file of at most 5 bytes, is one of 12',
    )
    // Its size says 0.
    expect(messageOf(() => readFile(box, '/dev/zero', { maxBytes: 100_000 }))).toBe(
      'expected a file of at most 100000 bytes, is a longer one',
    )
    expect(() => readFile(box, `${file}.absent`)).toThrow('ENOENT')
  } finally {
    rmSync(directory, { recursive: true })
  }
})
