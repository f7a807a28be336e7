import { afterEach, beforeEach, expect, test } from 'bun:test'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { requireFree } from './name-service.ts'

let etc: string
beforeEach(() => {
  etc = mkdtempSync(`${tmpdir()}/name-service-`)
})
afterEach(() => rmSync(etc, { recursive: true }))

/** Of root, whom every host knows, and of a number that none does. */
const [known, free] = [0, 0x7f00ffff]

test.each([
  ['passwd: files sss', true],
  ['group: files systemd [NOTFOUND=return] winbind # of the domain', true],
  ['passwd:\tfiles systemd\ngroup: files [SUCCESS=merge] systemd\nhosts: files dns', false],
  ['# passwd: files ldap', false],
])('%j asks somebody: %p', async (text, asks) => {
  writeFileSync(`${etc}/nsswitch.conf`, `${text}\n`)
  const asked = requireFree('kata-1', known, etc)
  if (asks)
    await expect(asked).rejects.toMatchObject({ code: 'ACCOUNT_TAKEN', fields: { name: 'kata-1', uid: 0 } })
  else await asked
  await requireFree('kata-1', free, etc)
})

test('a host without that file has nobody to ask', async () => {
  await requireFree('kata-1', known, etc)
})
