import { expect, test } from 'bun:test'
import { closeSync, mkdtempSync, openSync, readdirSync, renameSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { MadeFiles, madeNone } from './made-files.ts'

const error = (code: string) => ({ code, message: '', remedy: '', fields: {} })

test.each([
  [125, ['IMAGE_NOT_STORED'], true],
  [127, ['COMMAND_NOT_FOUND'], true],
  [130, ['INTERRUPTED'], true],
  // Exit codes of the command's own.
  [127, [], false],
  [126, ['CONTAINER_OOM'], false],
  // The machine of a container that ran.
  [255, ['AGENT_DIED'], false],
  [137, ['SHIM_DIED'], false],
  [0, [], false],
])('after exit code %d with the errors %j, that there is no container is %j', (exitCode, codes, none) => {
  expect(madeNone({ exitCode, errors: codes.map(error), warnings: [] })).toBe(none)
})

test('only what was made is removed', () => {
  const directory = mkdtempSync(`${tmpdir()}/made-`)
  const made = new MadeFiles()
  for (const name of ['kept', 'gone']) {
    const fd = openSync(`${directory}/${name}`, 'wx')
    made.add(`${directory}/${name}`, fd)
    closeSync(fd)
  }
  writeFileSync(`${directory}/other`, '')
  renameSync(`${directory}/other`, `${directory}/kept`)
  made.remove()
  expect(readdirSync(directory)).toEqual(['kept'])
  rmSync(directory, { recursive: true })
})
