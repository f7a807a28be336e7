import { expect, test } from 'bun:test'
import { existsSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { silentLogger } from '../../log.ts'
import { memberResource, membersDir } from './shared.ts'

test('a member whose shim ended while it wrote its file leaves nothing behind', async () => {
  const directory = mkdtempSync(`${tmpdir()}/member-`)
  try {
    const members = membersDir(directory, 'default', 'front')
    mkdirSync(members, { recursive: true })
    writeFileSync(`${members}/.web`, '{')
    await memberResource.release({ path: `${members}/web` }, silentLogger)
    expect(existsSync(`${directory}/networks`)).toBe(false)
  } finally {
    rmSync(directory, { recursive: true })
  }
})
