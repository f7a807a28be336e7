import { afterEach, beforeEach, describe, expect, test } from 'bun:test'
import { mkdirSync, readdirSync, readFileSync, readlinkSync, rmSync, writeFileSync } from 'node:fs'
import { isAlive, processRef } from '../../linux/processes/proc.ts'
import { silentLogger } from '../../log.ts'
import { openLedger, removeUsers, scratch, sleeperAs, testRange } from '../test-support.ts'
import { accountResource, createAccount } from './account.ts'
import { addUser, deleteUser } from './account-useradd.ts'
import { takeIdentity } from './identity.ts'
import { type Lease, takeLease } from './lease.ts'
import { readOwner, reserve, unreserve } from './reservation.ts'
import { accountComment, uidBlock } from './uid-range.ts'

let at: ReturnType<typeof scratch>
let lease: Lease
beforeEach(async () => {
  at = scratch()
  lease = await takeLease(at.ledger, at.options)
})
afterEach(async () => {
  await openLedger(at.directory).releaseAll()
  await removeUsers([lease])
  rmSync(at.directory, { recursive: true })
})

const linesOf = (file: string, name: string) =>
  readFileSync(`/etc/${file}`, 'utf8')
    .split('\n')
    .filter((line) => line.startsWith(`${name}:`))

describe('useradd', () => {
  test('makes user and group with one id, nothing in subuid, and removes both from disk', async () => {
    const { name, uid } = lease
    const subuid = readFileSync('/etc/subuid', 'utf8')
    await createAccount(at.ledger, lease, 'useradd')
    expect(linesOf('passwd', name)).toEqual([
      `${name}:x:${uid}:${uid}:${accountComment}:/nonexistent:/usr/sbin/nologin`,
    ])
    expect(linesOf('group', name)).toEqual([`${name}:x:${uid}:`])
    expect(readFileSync('/etc/subuid', 'utf8')).toBe(subuid)
    await openLedger(at.directory).releaseAll()
    for (const file of ['passwd', 'group', 'shadow', 'gshadow']) expect(linesOf(file, name)).toEqual([])
  })

  test('many at once all get their account', async () => {
    const leases = await Promise.all(Array.from({ length: 8 }, () => takeLease(at.ledger, at.options)))
    await Promise.all(leases.map((one) => createAccount(at.ledger, one, 'useradd')))
    expect(leases.map(({ name }) => linesOf('passwd', name).length)).toEqual(Array(8).fill(1))
    await at.ledger.releaseAll()
    expect(leases.map(({ name }) => linesOf('passwd', name).length)).toEqual(Array(8).fill(0))
  }, 60_000)

  test('a taken block is left alone and the next one tried', async () => {
    const range = { ...testRange, blocks: 2 }
    const [first, second] = [uidBlock(range, 0), uidBlock(range, 1)]
    await at.ledger.releaseAll()
    await addUser(first.name, first.uid)
    try {
      const options = {
        ...at.options,
        range,
        random: () => 0,
        account: 'useradd',
        accelerator: 'tcg',
      } as const
      const theirs = await sleeperAs(first.uid)
      const theirRef = processRef(theirs.pid)!
      const { identity } = await takeIdentity(at.ledger, options, silentLogger)
      expect(identity).toEqual({ name: second.name, uid: second.uid, gid: second.uid, groups: [] })
      await at.ledger.releaseAll()
      expect(linesOf('passwd', first.name).length).toBe(1)
      // What runs as the other’s user is not ours to end.
      expect(isAlive(theirRef)).toBe(true)
      theirs.kill('SIGKILL')
      await theirs.exited
    } finally {
      await deleteUser(first.name, first.uid)
    }
  })

  test('only an account with our name, id and comment is deleted', async () => {
    const { name, uid } = lease
    await addUser(name, uid)
    await deleteUser(name, uid + 65536)
    expect(linesOf('passwd', name).length).toBe(1)
    Bun.spawnSync(['/usr/sbin/usermod', '-c', 'a person', name])
    await deleteUser(name, uid)
    expect(linesOf('passwd', name).length).toBe(1)
    Bun.spawnSync(['/usr/sbin/usermod', '-c', accountComment, name])
    await deleteUser(name, uid)
    expect(linesOf('passwd', name)).toEqual([])
  })

  test.each([
    ['another', 'other'],
    ['one of the same name in another run directory', 'test'],
  ])('an account is not taken from the sandbox that has the block by now: %s', async (_, sandbox) => {
    const { name, runDir, k } = lease
    await createAccount(at.ledger, lease, 'useradd')
    const owner = readOwner(runDir, k)!
    unreserve(runDir, k, owner.token)
    reserve(runDir, k, { ...owner, sandbox, token: 'another' })
    await openLedger(at.directory).releaseAll()
    try {
      expect(linesOf('passwd', name)).toHaveLength(1)
    } finally {
      await deleteUser(name, lease.uid)
    }
  })

  test('no mailbox is made, where useradd makes one for every user', async () => {
    const code = `
      import { addUser, deleteUser } from '${import.meta.dir}/account-useradd.ts'
      import { readdirSync } from 'node:fs'
      await addUser('${lease.name}', ${lease.uid})
      await deleteUser('${lease.name}', ${lease.uid})
      console.log(readdirSync('/var/mail').join())`
    const etc = `${at.directory}/etc`
    const ownEtc = `
      mount -t tmpfs tmpfs /var/mail; mkdir ${etc}; mount -t tmpfs tmpfs ${etc}
      cp -a /etc/. ${etc}; mount --bind ${etc} /etc
      echo CREATE_MAIL_SPOOL=yes >> /etc/default/useradd; "$@"; useradd control; ls /var/mail`
    const run = Bun.spawn(
      ['/usr/bin/unshare', '--mount', '/bin/sh', '-ec', ownEtc, 'sh', process.execPath, '-e', code],
      { stderr: 'inherit' },
    )
    expect(await new Response(run.stdout).text()).toBe('\ncontrol\n')
  })

  test('a read-only /etc is an error that names the other modes', async () => {
    const code = `
      import { addUser } from '${import.meta.dir}/account-useradd.ts'
      await addUser('${lease.name}', ${lease.uid}).catch((error) => console.log(error.message))`
    const remount = 'mount --bind /etc /etc; mount -o remount,ro,bind /etc; exec "$@"'
    const run = Bun.spawn(
      ['/usr/bin/unshare', '--mount', '/bin/sh', '-ec', remount, 'sh', process.execPath, '-e', code],
      { stderr: 'inherit' },
    )
    expect(await new Response(run.stdout).text()).toMatch(/ETC_READ_ONLY.*EROFS.*"userdb".*"none"/)
    await run.exited
    expect(linesOf('passwd', lease.name)).toEqual([])
  })
})

/** What `addUser` says where the host has this in the place of useradd. */
async function saidWith(useradd: string): Promise<string> {
  const code = `
      import { addUser } from '${import.meta.dir}/account-useradd.ts'
      await addUser('${lease.name}', ${lease.uid}).catch((error) => console.log(error.message))`
  const inPlace = `mount --bind ${useradd} /usr/sbin/useradd; exec "$@"`
  const argv = ['/bin/sh', '-ec', inPlace, 'sh', process.execPath, '-e', code]
  const run = Bun.spawn(['/usr/bin/unshare', '--mount', ...argv], { stderr: 'inherit' })
  return new Response(run.stdout).text()
}

test('a host without useradd, and one whose useradd fails, are told with the modes that need none', async () => {
  expect(await saidWith('/dev/null')).toMatch(/^\[ACCOUNT_TOOL_MISSING\] useradd was not found in .*"none"/)
  const broken = `${at.directory}/useradd`
  writeFileSync(broken, '#!/bin/sh\necho "no more users" >&2; exit 3\n', { mode: 0o755 })
  expect(await saidWith(broken)).toMatch(
    /^\[ACCOUNT_FAILED\] useradd for account kata-\d+ failed with exit code 3: no more users\. .*"userdb"/,
  )
  expect(linesOf('passwd', lease.name)).toEqual([])
})

describe('userdb and none', () => {
  test('drop-ins for name and id, removed from disk', async () => {
    const userdbDir = `${at.directory}/userdb`
    const { name, uid } = lease
    await createAccount(at.ledger, lease, 'userdb', { userdbDir })
    const user = JSON.parse(readFileSync(`${userdbDir}/${name}.user`, 'utf8'))
    expect(user).toMatchObject({ userName: name, realName: accountComment, uid, gid: uid, locked: true })
    expect(JSON.parse(readFileSync(`${userdbDir}/${name}.group`, 'utf8'))).toMatchObject({
      groupName: name,
      gid: uid,
    })
    expect(readlinkSync(`${userdbDir}/${uid}.user`)).toBe(`${name}.user`)
    expect(readlinkSync(`${userdbDir}/${uid}.group`)).toBe(`${name}.group`)
    await openLedger(at.directory).releaseAll()
    expect(readdirSync(userdbDir)).toEqual([])
  })

  test('half a record, as a full disk or a crash leaves it, goes with the others', async () => {
    const userdbDir = `${at.directory}/userdb`
    await createAccount(at.ledger, lease, 'userdb', { userdbDir })
    for (const kind of ['user', 'group']) writeFileSync(`${userdbDir}/.${lease.name}.${kind}.new`, '{"userN')
    await openLedger(at.directory).releaseAll()
    expect(readdirSync(userdbDir)).toEqual([])
  })

  test("somebody else's record is refused and stays", async () => {
    const userdbDir = `${at.directory}/userdb`
    mkdirSync(userdbDir)
    writeFileSync(`${userdbDir}/${lease.name}.user`, `{"userName":"${lease.name}","uid":${lease.uid}}`)
    await expect(createAccount(at.ledger, lease, 'userdb', { userdbDir })).rejects.toThrow('ACCOUNT_TAKEN')
    expect(readdirSync(userdbDir)).toEqual([`${lease.name}.user`])
  })

  test.each(['user', 'group'])('so is one of the number, under another name: .%s', async (kind) => {
    const userdbDir = `${at.directory}/userdb`
    mkdirSync(userdbDir)
    writeFileSync(`${userdbDir}/${lease.uid}.${kind}`, '{"userName":"eve"}')
    await expect(createAccount(at.ledger, lease, 'userdb', { userdbDir })).rejects.toThrow('ACCOUNT_TAKEN')
    await at.ledger.releaseAll()
    expect(readdirSync(userdbDir)).toEqual([`${lease.uid}.${kind}`])
  })

  test('records that somebody else has written over ours stay', async () => {
    const userdbDir = `${at.directory}/userdb`
    const { name, uid } = lease
    await createAccount(at.ledger, lease, 'userdb', { userdbDir })
    const theirs = {
      user: { userName: name, uid, realName: 'a person' },
      group: { groupName: name, gid: uid + 1 },
    }
    for (const [kind, record] of Object.entries(theirs))
      writeFileSync(`${userdbDir}/${name}.${kind}`, JSON.stringify(record))
    await openLedger(at.directory).releaseAll()
    expect(readdirSync(userdbDir).sort()).toEqual([`${name}.group`, `${name}.user`])
  })

  test('none makes nothing and holds nothing', async () => {
    const before = readFileSync('/etc/passwd', 'utf8')
    await createAccount(at.ledger, lease, 'none')
    expect(readFileSync('/etc/passwd', 'utf8')).toBe(before)
    expect(at.ledger.dataOf(accountResource)).toEqual([])
  })
})
