import { afterEach, beforeEach, expect, test } from 'bun:test'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { silentLogger } from '../log.ts'
import { failpointsOf } from './failpoints.ts'
import { Ledger, type ResourceKind } from './ledger.ts'

let directory: string
let done: string[]
beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), 'failpoints-'))
  done = []
})
afterEach(() => rmSync(directory, { recursive: true }))

const thing: ResourceKind<object> = { kind: 'thing', release: () => void done.push('released') }
const open = (asked?: string) => {
  const env = asked === undefined ? {} : { KATA_TS_FAILPOINTS: asked }
  return new Ledger(
    join(directory, 'ledger'),
    [thing],
    silentLogger,
    failpointsOf('serve', env, silentLogger),
  )
}
const take = (ledger: Ledger) => ledger.take(thing, {}, () => void done.push('taken'))

test('before a taking: nothing was taken, and it is released all the same', async () => {
  await expect(take(open('before-take:thing=fail'))).rejects.toThrow('[FAILPOINT]')
  expect(done).toEqual(['released'])
})

test('after a taking: what was taken is released', async () => {
  await expect(take(open('after-take:thing=fail'))).rejects.toThrow('[FAILPOINT]')
  expect(done).toEqual(['taken', 'released'])
  expect(open().held).toEqual([])
})

test.each([
  'before-take:thing',
  'before-take:thing=explode',
  'beforetake:thing=fail',
  'before-take:thing=fail; x',
  'gc2/before-take:thing=fail',
])('%s is refused: it would show that everything is fine', (asked) => {
  expect(() => open(asked)).toThrow('[FAILPOINT_INVALID]')
})

test('around a release: it stays written down, and another process releases it', async () => {
  for (const [point, so] of [
    ['before-release', ['taken', 'released']],
    ['after-release', ['taken', 'released', 'released']],
  ] as const) {
    done = []
    const ledger = open(`${point}:thing=fail`)
    await take(ledger)
    await expect(ledger.releaseAll()).rejects.toThrow('[RELEASE_FAILED]')
    await open().releaseAll()
    expect(done).toEqual([...so])
  }
})

test('a hang never ends, a kind or role that was not named is left alone', async () => {
  const ledger = open('after-take:thing=hang,before-take:other=fail,delete/before-take:thing=fail')
  const outcome = await Promise.race([take(ledger), Bun.sleep(20).then(() => 'still there')])
  expect(outcome).toBe('still there')
})

test('a hold lasts as long as its file is there, and is no fault', async () => {
  const file = join(directory, 'hold')
  writeFileSync(file, '')
  const env = { KATA_TS_FAILPOINTS: 'before-take:thing=hold', KATA_TS_FAILPOINTS_HOLD: file }
  const points = failpointsOf('serve', env, silentLogger)
  const taking = take(new Ledger(join(directory, 'ledger'), [thing], silentLogger, points))
  expect(await Promise.race([taking, Bun.sleep(60).then(() => 'held')])).toBe('held')
  rmSync(file)
  await taking
  expect(done).toEqual(['taken'])
})

test('without any there is nothing to ask; a misspelt one is an error', () => {
  expect(failpointsOf('serve', {}, silentLogger)).toBeUndefined()
  expect(
    failpointsOf('serve', { KATA_TS_FAILPOINTS: 'gc/after-take:thing=kill' }, silentLogger),
  ).toBeUndefined()
  for (const entry of [
    'thing=fail',
    'before-take:thing',
    'before-take:thing=explode',
    'me/after-take:a=fail',
  ])
    expect(() => failpointsOf('serve', { KATA_TS_FAILPOINTS: entry }, silentLogger)).toThrow(entry)
})
