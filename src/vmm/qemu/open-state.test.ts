import { afterEach, beforeEach, expect, test } from 'bun:test'
import { closeSync, mkdtempSync, readFileSync, renameSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileFacts } from '../../linux/files/file-facts.ts'
import type { SavedFiles } from '../vmm.ts'
import { openState } from './open-state.ts'

let directory: string
let saved: SavedFiles
beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), 'kata-ts-open-state-'))
  const state = `${directory}/state`
  writeFileSync(state, 'memory')
  saved = { state, recorded: fileFacts(statSync(state, { bigint: true })) }
})
afterEach(() => rmSync(directory, { recursive: true }))

test('the file that was looked at is opened', () => {
  const fd = openState(saved, 'TEMPLATE_DAMAGED')
  expect(readFileSync(fd, 'utf8')).toBe('memory')
  closeSync(fd)
})

test.each<[string, (state: string) => void, string]>([
  [
    'another one has its name',
    (state) => {
      writeFileSync(`${state}.new`, 'Memory')
      renameSync(`${state}.new`, state)
    },
    'it was changed since it was saved',
  ],
  ['it has other bytes', (state) => writeFileSync(state, 'Memory'), 'it was changed since it was saved'],
  ['it is shorter', (state) => writeFileSync(state, 'mem'), 'it has 3 bytes, recorded are 6'],
  ['it is gone', (state) => rmSync(state), 'it is not there'],
])('none goes on when %s', async (_, spoil, reason) => {
  // Two changes within one tick of the kernel's clock have one time.
  await Bun.sleep(20)
  spoil(saved.state)
  for (const code of ['TEMPLATE_DAMAGED', 'CHECKPOINT_DAMAGED'] as const)
    expect(() => openState(saved, code)).toThrow(
      new RegExp(`^\\[${code}\\] .*${saved.state} is damaged: ${reason}`),
    )
})
