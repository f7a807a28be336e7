import { afterEach, beforeEach, expect, test } from 'bun:test'
import { chownSync, existsSync, mkdirSync, mkdtempSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { whileMakingTemplates, whileRemovingTemplates } from './template-lock.ts'

let scratch: string
/** The directory that a configuration names. */
let path: string
beforeEach(() => {
  scratch = mkdtempSync(`${tmpdir()}/template-lock-`)
  path = `${scratch}/cache/templates`
})
afterEach(() => rmSync(scratch, { recursive: true }))

const never = async () => {
  throw new Error('this is not to be done')
}
const failed = (work: Promise<unknown>): Promise<unknown> =>
  work.then(
    () => 'nothing failed',
    (error) => error,
  )

/** A making that goes on until `end` is called. */
function making(of = path): { readonly over: Promise<string>; end(): void } {
  const { promise, resolve } = Promise.withResolvers<void>()
  const over = whileMakingTemplates(of, async () => {
    writeFileSync(`${of}/template`, '')
    await promise
    return 'made'
  })
  return { over, end: resolve }
}

test('while one makes templates, no other makes or removes any below the same path', async () => {
  const first = making()
  const busy = { code: 'TEMPLATE_BUSY', message: expect.stringContaining(`templates in ${path}`) }
  expect(await failed(whileMakingTemplates(path, never))).toMatchObject(busy)
  expect(await failed(whileRemovingTemplates(path, never))).toMatchObject(busy)
  const elsewhere = making(`${scratch}/other`)
  elsewhere.end()
  expect(await elsewhere.over).toBe('made')
  first.end()
  expect(await first.over).toBe('made')
  expect(await whileMakingTemplates(path, async () => 'next')).toBe('next')
})

test('while one removes templates, no other makes any, and one whose directory has gone may start anew', async () => {
  mkdirSync(path, { recursive: true, mode: 0o700 })
  const removed = await whileRemovingTemplates(path, async () => {
    expect(await failed(whileMakingTemplates(path, never))).toMatchObject({ code: 'TEMPLATE_BUSY' })
    rmSync(path, { recursive: true })
    return 'removed'
  })
  expect(removed).toBe('removed')
  expect(await whileRemovingTemplates(path, async () => 'nothing there')).toBe('nothing there')
  const next = making()
  next.end()
  expect(await next.over).toBe('made')
})

test('the directory is root’s alone, and goes again with a making that failed; one that was there stays', async () => {
  const failing = () =>
    failed(
      whileMakingTemplates(path, async () => {
        expect(statSync(path)).toMatchObject({ uid: 0, mode: 0o40700 })
        throw new Error('no machine')
      }),
    )
  expect(await failing()).toMatchObject({ message: 'no machine' })
  expect(existsSync(path)).toBe(false)
  mkdirSync(path, { mode: 0o700 })
  expect(await failing()).toMatchObject({ message: 'no machine' })
  expect(existsSync(path)).toBe(true)
})

test('nothing is made in the directory of another user, but all in it can be removed', async () => {
  mkdirSync(path, { recursive: true })
  chownSync(path, 1234, 0)
  expect(await failed(whileMakingTemplates(path, never))).toMatchObject({ code: 'TEMPLATE_FOREIGN' })
  expect(await whileRemovingTemplates(path, async () => 'removed')).toBe('removed')
})
