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
  const asked = requireFree('kata-1', [free, known], { etc })
  if (asks)
    await expect(asked).rejects.toMatchObject({ code: 'ACCOUNT_TAKEN', fields: { name: 'kata-1', uid: 0 } })
  else await asked
  await requireFree('kata-1', [free], { etc })
})

test('a host without that file has nobody to ask', async () => {
  await requireFree('kata-1', [free, known], { etc })
})

test('a number of a group alone is another’s, too', async () => {
  writeFileSync(`${etc}/nsswitch.conf`, 'group: files sss\n')
  const getent = `${etc}/getent`
  writeFileSync(getent, '#!/bin/sh\n[ "$1" = group ]\n', { mode: 0o755 })
  await expect(requireFree('kata-1', [free], { etc, getent })).rejects.toThrow('[ACCOUNT_TAKEN]')
})

test('a number that a process has is another’s, where the service that knows does not answer', async () => {
  writeFileSync(`${etc}/nsswitch.conf`, 'passwd: sss\n')
  const getent = `${etc}/getent`
  writeFileSync(getent, '#!/bin/sh\nkill -9 $$\n', { mode: 0o755 })
  const own = process.getuid!()
  await expect(requireFree('kata-1', [own], { etc, getent })).rejects.toThrow('[ACCOUNT_TAKEN]')
  await requireFree('kata-1', [free], { etc, getent })
})
