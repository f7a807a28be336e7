import { afterAll, expect, test } from 'bun:test'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { lockFile } from './lock.ts'

const dir = mkdtempSync(join(tmpdir(), 'kata-lock-'))
afterAll(() => rmSync(dir, { recursive: true, force: true }))
const path = join(dir, 'lock')

test('one holder at a time; the next one gets it when it is given back', async () => {
  const first = await lockFile(path)
  let second: Disposable | undefined
  const waiting = lockFile(path).then((lock) => {
    second = lock
  })
  await expect(lockFile(path, AbortSignal.timeout(50))).rejects.toThrow()
  expect(second).toBeUndefined()
  first[Symbol.dispose]()
  await waiting
  second?.[Symbol.dispose]()
})

test('a holder that is killed leaves nothing locked', async () => {
  const source = `import { lockFile } from '${import.meta.dir}/lock.ts'
    await lockFile(${JSON.stringify(path)}); console.log('held'); await new Promise(() => setInterval(() => {}, 1e6))`
  const child = Bun.spawn([process.execPath, '-e', source], { stdout: 'pipe' })
  await child.stdout.getReader().read()
  await expect(lockFile(path, AbortSignal.timeout(50))).rejects.toThrow()
  child.kill('SIGKILL')
  await child.exited
  const lock = await lockFile(path, AbortSignal.timeout(2000))
  lock[Symbol.dispose]()
})
