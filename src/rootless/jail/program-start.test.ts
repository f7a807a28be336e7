import { expect, test } from 'bun:test'
import { statSync } from 'node:fs'
import { ownProcess, processRef } from '../../linux/processes/proc.ts'
import { programOf } from './program-start.ts'

/** Following it fails with another error than ENOENT, as it does in the moment in which a process ends. */
const unfollowable = '/dev/null/exe'

test('a process that ends while its program is looked at has none', async () => {
  const child = Bun.spawn(['/bin/sleep', '60'])
  const ref = processRef(child.pid)!
  child.kill()
  await child.exited
  expect(programOf(ref, unfollowable)).toBeUndefined()
  expect(programOf(ref)).toBeUndefined()
})

test('that of a process that lives is known, or its error told', () => {
  const { dev, ino } = statSync(process.execPath, { bigint: true })
  expect(programOf(ownProcess())).toBe(`${dev}:${ino}`)
  expect(() => programOf(ownProcess(), unfollowable)).toThrow('ENOTDIR')
})
