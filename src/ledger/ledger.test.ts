import { afterEach, beforeEach, expect, test } from 'bun:test'
import { appendFileSync, mkdirSync, mkdtempSync, readdirSync, rmSync, statSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { silentLogger } from '../log.ts'
import { Ledger, type ResourceKind } from './ledger.ts'

let directory: string
let released: string[]
beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), 'ledger-'))
  released = []
})
afterEach(() => rmSync(directory, { recursive: true }))

const thing: ResourceKind<{ name: string }> = {
  kind: 'thing',
  release: ({ name }) => void released.push(name),
}
const stubborn: ResourceKind<{ name: string }> = {
  kind: 'stubborn',
  release: () => Promise.reject(new Error('will not go')),
}
const open = () => new Ledger(join(directory, 'ledger.jsonl'), [thing, stubborn], silentLogger)

test('releases in reverse order, from another process as well', async () => {
  const first = open()
  for (const name of ['a', 'b', 'c']) await first.take(thing, { name }, () => {})
  await open().releaseAll()
  expect(released).toEqual(['c', 'b', 'a'])
  expect(open().held).toEqual([])
})

test('writes the holding down before it is taken', async () => {
  await open().take(thing, { name: 'a' }, () => {
    expect(open().dataOf(thing)).toEqual([{ name: 'a' }])
  })
})

test('releases what a failed taking may have taken, and passes the error on', async () => {
  const ledger = open()
  const taking = ledger.take(thing, { name: 'a' }, () => {
    throw new Error('taking failed')
  })
  await expect(taking).rejects.toThrow('taking failed')
  expect(released).toEqual(['a'])
  expect(ledger.held).toEqual([])
})

test('a failed taking tells why, although what it took stays', async () => {
  const ledger = open()
  const taking = ledger.take(stubborn, { name: 'a' }, () => {
    throw new Error('taking failed')
  })
  await expect(taking).rejects.toThrow('taking failed')
  expect(open().dataOf(stubborn)).toEqual([{ name: 'a' }])
})

test('releases it only once what goes on beside it is done', async () => {
  const beside = Promise.withResolvers<void>()
  const fail = () => {
    throw new Error('taking failed')
  }
  const taking = open().take(thing, { name: 'a' }, fail, { releaseAfter: beside.promise })
  const failed = taking.catch((error) => error.message)
  await Bun.sleep(0)
  expect(released).toEqual([])
  beside.resolve()
  expect(await failed).toBe('taking failed')
  expect(released).toEqual(['a'])
})

test('amended data is what a later process releases', async () => {
  await open().take(thing, { name: 'before' }, (entry) => entry.amend({ name: 'after' }))
  await open().releaseAll()
  expect(released).toEqual(['after'])
})

test('one release that fails keeps no other from being released and stays written down', async () => {
  const ledger = open()
  await ledger.take(thing, { name: 'a' }, () => {})
  await ledger.take(stubborn, { name: 'b' }, () => {})
  await ledger.take(thing, { name: 'c' }, () => {})
  await expect(ledger.releaseAll()).rejects.toThrow('RELEASE_FAILED')
  expect(released).toEqual(['c', 'a'])
  expect(open().held).toEqual(['stubborn'])
})

test('a record cut short by a crash is ignored and swallows no later one', async () => {
  await open().take(thing, { name: 'a' }, () => {})
  appendFileSync(join(directory, 'ledger.jsonl'), '{"op":"take","id":2,"kind":"thi')
  await open().take(thing, { name: 'b' }, () => {})
  expect(open().dataOf(thing)).toEqual([{ name: 'a' }, { name: 'b' }])
})

test('a single holding can be released on its own', async () => {
  const ledger = open()
  for (const name of ['a', 'b']) await ledger.take(thing, { name }, () => {})
  await ledger.release(thing, ({ name }) => name === 'a')
  expect(released).toEqual(['a'])
  expect(open().dataOf(thing)).toEqual([{ name: 'b' }])
})

test('of several that match, the newest is released or amended, and none of another kind', async () => {
  const ledger = open()
  await ledger.take(stubborn, { name: 'a' }, () => {})
  for (const name of ['b', 'c']) await ledger.take(thing, { name }, () => {})
  await ledger.take(stubborn, { name: 'd' }, () => {})
  const any = () => true
  ledger.amend(thing, any, { name: 'c, amended' })
  expect(open().dataOf(thing)).toEqual([{ name: 'b' }, { name: 'c, amended' }])
  await ledger.release(thing, any)
  expect(released).toEqual(['c, amended'])
  expect(open().held).toEqual(['stubborn', 'thing', 'stubborn'])
  expect(open().dataOf(stubborn)).toEqual([{ name: 'a' }, { name: 'd' }])
})

test('what a later process takes is not taken for what an earlier one holds', async () => {
  await open().take(thing, { name: 'a' }, () => {})
  const later = open()
  await later.take(thing, { name: 'b' }, () => {})
  await later.release(thing, ({ name }) => name === 'b')
  expect(open().dataOf(thing)).toEqual([{ name: 'a' }])
})

test('nor for what is still held, when an older holding was released last', async () => {
  const first = open()
  for (const name of ['a', 'b']) await first.take(thing, { name }, () => {})
  await first.release(thing, ({ name }) => name === 'a')
  const later = open()
  await later.take(thing, { name: 'c' }, () => {})
  await later.release(thing, ({ name }) => name === 'c')
  expect(open().dataOf(thing)).toEqual([{ name: 'b' }])
})

test('a ledger that cannot be read is an error, and not one that holds nothing', () => {
  expect(open().held).toEqual([])
  mkdirSync(join(directory, 'ledger.jsonl'))
  expect(open).toThrow('EISDIR')
})

test('what nobody knows how to release stays written down, and is no success', async () => {
  await open().take(stubborn, { name: 'a' }, () => {})
  const path = join(directory, 'ledger.jsonl')
  const other = new Ledger(path, [thing], silentLogger)
  await expect(other.releaseAll()).rejects.toThrow(/^\[RELEASE_FAILED\].*names an unknown holding stubborn/)
  expect(open().held).toEqual(['stubborn'])
})

test('a holding that two release at once takes no other along', async () => {
  const ledger = open()
  for (const name of ['a', 'b']) await ledger.take(thing, { name }, () => {})
  const releaseA = () => ledger.release(thing, ({ name }) => name === 'a')
  await Promise.all([releaseA(), releaseA()])
  expect(ledger.dataOf(thing)).toEqual([{ name: 'b' }])
  await ledger.releaseAll()
  expect(released.at(-1)).toBe('b')
})

test('is root’s alone', async () => {
  await open().take(thing, { name: 'a' }, () => {})
  expect(statSync(join(directory, 'ledger.jsonl')).mode & 0o777).toBe(0o600)
})

test('what work took goes with it, whatever comes of it, and what was there before stays', async () => {
  const ledger = open()
  await ledger.take(thing, { name: 'before' }, () => {})
  const work = async (name: string) => {
    await ledger.take(thing, { name }, () => {})
    await ledger.take(thing, { name: `${name} too` }, () => {})
    return name
  }
  expect(await ledger.within(() => work('a'))).toBe('a')
  const failing = ledger.within(async () => {
    await work('b')
    throw new Error('no use')
  })
  await expect(failing).rejects.toThrow('no use')
  expect(released).toEqual(['a too', 'a', 'b too', 'b'])
  expect(ledger.dataOf(thing)).toEqual([{ name: 'before' }])
})

test('work whose holdings stay is no success', async () => {
  const ledger = open()
  const take = () => ledger.take(stubborn, { name: 'a' }, () => {})
  await expect(ledger.within(take)).rejects.toThrow('[RELEASE_FAILED]')
  expect(ledger.held).toEqual(['stubborn'])
  // Its own failure counts more.
  const failing = ledger.within(() => take().then(() => Promise.reject(new Error('no use'))))
  await expect(failing).rejects.toThrow('no use')
  expect(ledger.held).toEqual(['stubborn', 'stubborn'])
})

test('a holding of a kind that another version knows stays written down, and is told', async () => {
  await open().take(thing, { name: 'a' }, () => {})
  const path = join(directory, 'ledger.jsonl')
  appendFileSync(path, `${JSON.stringify({ op: 'take', id: 9, kind: 'of-tomorrow', data: {} })}\n`)
  const failed = await open()
    .releaseAll()
    .catch((error) => error)
  expect(failed.code).toBe('RELEASE_FAILED')
  expect(failed.cause).toMatchObject({
    code: 'LEDGER_KIND_UNKNOWN',
    fields: { kind: 'of-tomorrow', path },
    remedy: expect.stringContaining('of that version'),
  })
  expect([released, open().held]).toEqual([['a'], ['of-tomorrow']])
})

/** What the containers of a pod that lives for months take and release, and what stays meanwhile. */
async function manyRestarts(ledger: Ledger): Promise<void> {
  await ledger.take(thing, { name: 'stays' }, (entry) => entry.amend({ name: 'stays on' }))
  const data = { name: 'x'.repeat(1000) }
  for (let restart = 0; restart < 2000; restart++) {
    await ledger.take(thing, data, () => {})
    await ledger.release(thing, ({ name }) => name === data.name)
  }
}

test('what was released takes no room for ever, and what is held stays written down', async () => {
  const ledger = open()
  await manyRestarts(ledger)
  expect(statSync(ledger.path).size).toBeLessThan(512 * 1024)
  expect(statSync(ledger.path).mode & 0o777).toBe(0o600)
  await ledger.take(thing, { name: 'later' }, () => {})
  expect(open().dataOf(thing)).toEqual([{ name: 'stays on' }, { name: 'later' }])
  expect(readdirSync(directory)).toEqual(['ledger.jsonl'])
})

test('a ledger that cannot be written anew goes on as it is', async () => {
  const ledger = open()
  mkdirSync(`${ledger.path}.${process.pid}.new`)
  await manyRestarts(ledger)
  await ledger.take(thing, { name: 'later' }, () => {})
  expect(open().dataOf(thing)).toEqual([{ name: 'stays on' }, { name: 'later' }])
})
