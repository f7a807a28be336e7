import { afterEach, beforeEach, expect, test } from 'bun:test'
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { LogKeeper } from '../../e2e/harness/kept-logs.ts'

let base: string
beforeEach(() => {
  base = mkdtempSync(join(tmpdir(), 'kept-logs-'))
})
afterEach(() => rmSync(base, { recursive: true, force: true }))

test('a log that went with its sandbox is still there, and so is one that was begun anew', () => {
  const directory = join(base, 'kt-1')
  const sandbox = join(directory, 'default/box')
  mkdirSync(sandbox, { recursive: true })
  const keeper = new LogKeeper(join(base, 'note'), mkdtempSync)
  keeper.watch(directory)
  keeper.look()
  writeFileSync(join(sandbox, 'console.log'), 'first')
  writeFileSync(join(sandbox, 'ledger.jsonl'), 'no log')
  keeper.look()
  renameSync(join(sandbox, 'console.log'), join(sandbox, 'console.log.1'))
  writeFileSync(join(sandbox, 'console.log'), 'second')
  keeper.look()
  keeper.look()
  rmSync(directory, { recursive: true })
  keeper.look()
  const [place = ''] = readFileSync(join(base, 'note'), 'utf8').split('\n')
  const logs = readdirSync(place, { recursive: true, encoding: 'utf8' }).filter((path) =>
    path.endsWith('.log'),
  )
  expect(
    logs.map((path) => [path.split('/kt-1/')[1], readFileSync(join(place, path), 'utf8')]).toSorted(),
  ).toEqual([
    ['default/box/2-console.log', 'second'],
    ['default/box/console.log', 'first'],
  ])
})
