import { describe, expect, test } from 'bun:test'
import { KataError } from '../errors.ts'
import { errorDomain, errorFromInfo, errorFromTold, errorInfoOf, toldOf } from './told.ts'

const error = new KataError('UID_STILL_USED', { first: 65536, last: 131071, what: 'process 7' })

test('code and fields of an error make the same error again, from JSON and from an ErrorInfo', () => {
  const file: unknown = JSON.parse(JSON.stringify(toldOf(error)))
  for (const again of [errorFromTold(file), errorFromInfo(errorInfoOf(error))]) {
    expect(again).toBeInstanceOf(KataError)
    const { code, message, rawMessage, remedy, status } = error
    expect(again).toMatchObject({ code, message, rawMessage, remedy, status })
  }
  expect(errorFromTold(file)?.fields).toEqual(error.fields)
})

test('a field that held the text of its cause is told as a person saw it', () => {
  const outer = new KataError('NETNS_INVALID', { path: '/x', reason: error.message }, { cause: error })
  expect(errorFromTold(toldOf(outer))?.message).toBe(outer.message)
})

test('fields are told in bounded length, and only those that the code has', () => {
  const surplus = { first: 1, last: 2, what: 'w'.repeat(10_000), other: 'x' } as const
  const { fields } = toldOf(new KataError('UID_STILL_USED', surplus as never))
  expect(Object.keys(fields)).toEqual(['first', 'last', 'what'])
  expect(fields.what).toBe('w'.repeat(4096))
})

describe('what is no error of this catalogue is none', () => {
  const { code, fields } = toldOf(error)
  const others: [string, unknown][] = [
    ['an unknown code', { code: 'NO_SUCH_CODE', fields }],
    ['a property that every object has', { code: 'constructor', fields: {} }],
    ['no code', { fields }],
    ['no fields', { code }],
    ['a missing field', { code, fields: { first: 1, last: 2 } }],
    ['a field from the prototype', { code, fields: Object.create(fields) }],
    ['a field of another type', { code, fields: { ...fields, what: ['process'] } }],
    ['a field that is too long', { code, fields: { ...fields, what: 'w'.repeat(4097) } }],
    ['text', '[UID_STILL_USED] ids stay leased'],
    ['null', null],
  ]
  test.each(others)('%s', (_, told) => expect(errorFromTold(told)).toBeUndefined())

  test('an ErrorInfo of another domain', () => {
    const info = errorInfoOf(error)
    expect(errorFromInfo(info)?.code).toBe(error.code)
    expect(errorFromInfo({ ...info, domain: 'example.com' })).toBeUndefined()
    expect(errorFromInfo({ reason: code, metadata: info.metadata })).toBeUndefined()
    expect(errorFromInfo({ domain: errorDomain })).toBeUndefined()
  })
})
