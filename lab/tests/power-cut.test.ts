/** A power cut while a sandbox runs: what the next boot finds is said, and `kata-ts gc` takes it away. */
import { expect, test } from 'bun:test'
import { cutPower, startLab } from '../machine/host.ts'
import { mustInLab } from '../machine/ssh.ts'

const accounts = `getent passwd | grep '^kata-[0-9]' || true`

test('an account and a container that a power cut left are dead by ps, and gone after gc', async () => {
  await mustInLab('kata-ts run -d --name unlucky -- sleep 3000; sync')
  expect(await mustInLab(accounts)).toMatch(/^kata-\d+:/)

  await cutPower()
  await startLab()

  const [left] = JSON.parse(await mustInLab('kata-ts ps --format json')) as { status: string }[]
  expect(left).toMatchObject({ id: 'unlucky', status: 'dead' })
  expect(await mustInLab('kata-ts gc')).toContain('unlucky')
  expect(await mustInLab(accounts)).toBe('')
  // The record stays until somebody removes it, as that of any container does.
  const [kept] = JSON.parse(await mustInLab('kata-ts ps --format json')) as { status: string }[]
  expect(kept).toMatchObject({ id: 'unlucky', status: 'stopped', vmmPid: null, shimPid: null })
  await mustInLab('kata-ts rm unlucky')
  expect(await mustInLab('ls /run/user /run/kata-ts/uids 2>/dev/null | grep -v : || true')).not.toMatch(
    /\d{7}/,
  )
})
