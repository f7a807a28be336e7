import { afterEach, beforeEach, describe, expect, spyOn, test } from 'bun:test'
import {
  chownSync,
  existsSync,
  mkdirSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
  symlinkSync,
  utimesSync,
  writeFileSync,
} from 'node:fs'
import { bootId, isAlive, processRef } from '../../linux/processes/proc.ts'
import { silentLogger } from '../../log.ts'
import { until } from '../../time.ts'
import { removeUsers, scratch, sleeperAs } from '../test-support.ts'
import { createAccount } from './account.ts'
import { addUser } from './account-useradd.ts'
import { addRecords } from './account-userdb.ts'
import { takeLease } from './lease.ts'
import { makePrivateDir } from './private-dir.ts'
import { readOwner, reserve, reservedBlocks, unreserve } from './reservation.ts'
import { sweepRootless } from './sweep.ts'
import { type UidBlock, uidBlock } from './uid-range.ts'

let at: ReturnType<typeof scratch>
let where: { runDir: string; range: typeof at.options.range; userDir: string; userdbDir: string }
beforeEach(() => {
  at = scratch('crashed')
  // A range of its own: other tests of this room run at the same time.
  const range = { base: 0x6e000000, blocks: 8 }
  where = {
    runDir: at.options.runDir,
    range,
    userDir: `${at.directory}/user`,
    userdbDir: `${at.directory}/userdb`,
  }
})
afterEach(async () => {
  await removeUsers(Array.from({ length: where.range.blocks }, (_, k) => uidBlock(where.range, k)))
  rmSync(at.directory, { recursive: true })
})

const sweep = (options = {}) => sweepRootless({ ...where, ...options }, silentLogger)
const dead = { pid: 1, startTime: '1' }
const passwd = () => readFileSync('/etc/passwd', 'utf8')

describe('sweep', () => {
  test('cleans up after a dead owner: process, directory, account, reservation', async () => {
    const lease = await takeLease(at.ledger, { ...at.options, range: where.range, owner: dead })
    await createAccount(at.ledger, lease, 'useradd')
    const directory = await makePrivateDir(at.ledger, lease)
    const process = await sleeperAs(lease.uid)
    const expected = [{ name: lease.name, uid: lease.uid, found: 'reservation' as const, sandbox: 'crashed' }]
    expect(existsSync(directory)).toBe(true)
    expect(await sweep()).toEqual(expected)
    expect(await process.exited).toBe(137)
    expect(existsSync(directory)).toBe(false)
    expect(passwd()).not.toContain(`${lease.name}:`)
    expect(reservedBlocks(where.runDir)).toEqual([])
    expect(await sweep()).toEqual([])
  })

  test('leaves alone what a live owner holds', async () => {
    const lease = await takeLease(at.ledger, { ...at.options, range: where.range })
    const directory = await makePrivateDir(at.ledger, lease)
    expect(await sweep()).toEqual([])
    expect(existsSync(directory)).toBe(true)
    await at.ledger.releaseAll()
  })

  test('finds accounts, directories and records without a reservation', async () => {
    const [account, directory, record] = [0, 1, 2].map((k) => uidBlock(where.range, k)) as [
      UidBlock,
      UidBlock,
      UidBlock,
    ]
    await addUser(account.name, account.uid)
    mkdirSync(`${where.userDir}/${directory.uid}`, { recursive: true })
    chownSync(`${where.userDir}/${directory.uid}`, directory.uid, directory.uid)
    addRecords(where.userdbDir, record.name, record.uid)
    // Beside the range and beside the last id of a block: somebody else's.
    mkdirSync(`${where.userDir}/1000`)
    mkdirSync(`${where.userDir}/${directory.uid - 1}`)
    expect((await sweep()).map(({ name, found }) => [name, found])).toEqual([
      [account.name, 'account'],
      [record.name, 'record'],
      [directory.name, 'directory'],
    ])
    expect(passwd()).not.toContain(`${account.name}:x:${account.uid}`)
    expect(existsSync(`${where.userDir}/${directory.uid}`)).toBe(false)
    expect(existsSync(`${where.userdbDir}/${record.uid}.user`)).toBe(false)
    expect(existsSync(`${where.userDir}/1000`) && existsSync(`${where.userDir}/${directory.uid - 1}`)).toBe(
      true,
    )
  })

  test('the directory of a user whom the name service knows stays, and one with a record of ours goes', async () => {
    const [person, own] = [uidBlock(where.range, 0), uidBlock(where.range, 1)]
    for (const { uid } of [person, own]) {
      mkdirSync(`${where.userDir}/${uid}`, { recursive: true })
      chownSync(`${where.userDir}/${uid}`, uid, uid)
    }
    addRecords(where.userdbDir, own.name, own.uid)
    const etc = `${at.directory}/etc`
    mkdirSync(etc)
    writeFileSync(`${etc}/nsswitch.conf`, 'passwd: files sss systemd\n')
    // It knows the users of records, too.
    const getent = `${at.directory}/getent`
    writeFileSync(getent, '#!/bin/sh\nexit 0\n', { mode: 0o755 })
    const found = await sweep({ nameService: { etc, getent } })
    expect(found.map(({ name, found }) => [name, found])).toEqual([[own.name, 'record']])
    expect([person, own].map(({ uid }) => existsSync(`${where.userDir}/${uid}`))).toEqual([true, false])
  })

  test('an account without a reservation whose user still runs is somebody else’s and left alone', async () => {
    const lease = await takeLease(at.ledger, { ...at.options, range: where.range })
    await addUser(lease.name, lease.uid)
    unreserve(where.runDir, lease.k, lease.token)
    const process = await sleeperAs(lease.uid)
    expect(await sweep()).toEqual([])
    expect(readFileSync('/etc/passwd', 'utf8')).toContain(`${lease.name}:`)
    expect(process.exitCode).toBeNull()
  })

  test('a user of a directory whose id lies within a block keeps no account and no reservation there', async () => {
    const [orphan, unread] = [uidBlock(where.range, 0), uidBlock(where.range, 1)]
    await addUser(orphan.name, orphan.uid)
    mkdirSync(`${where.runDir}/uids/${unread.k}`, { recursive: true })
    writeFileSync(`${where.runDir}/uids/${unread.k}/owner`, '')
    const people = [await sleeperAs(orphan.first + 1000), await sleeperAs(unread.first + 1000)]
    expect((await sweep()).map(({ name, found, error }) => [name, found, error])).toEqual([
      [unread.name, 'reservation', undefined],
      [orphan.name, 'account', undefined],
    ])
    expect(people.map(({ exitCode }) => exitCode)).toEqual([null, null])
    for (const person of people) person.kill()
  })

  test('removes the group that a crash of useradd left alone', async () => {
    const { name, uid } = uidBlock(where.range, 5)
    Bun.spawnSync(['/usr/sbin/groupadd', '-g', `${uid}`, name])
    const line = `${name}:x:${uid}:`
    expect(readFileSync('/etc/group', 'utf8')).toContain(line)
    expect((await sweep()).map((result) => result.name)).toEqual([name])
    expect(readFileSync('/etc/group', 'utf8')).not.toContain(line)
  })

  test('a holder that cannot be read, as of another version, keeps what runs; without processes the block is free', async () => {
    const block = uidBlock(where.range, 4)
    mkdirSync(`${where.runDir}/uids/4`, { recursive: true })
    writeFileSync(`${where.runDir}/uids/4/owner`, '{"holder":"of a later version"}')
    const process = await sleeperAs(block.uid)
    const [held] = await sweep()
    expect(held?.error).toContain('[UID_STILL_USED]')
    expect(process.exitCode).toBeNull()
    expect(reservedBlocks(where.runDir)).toEqual([4])
    process.kill('SIGKILL')
    await process.exited
    expect((await sweep()).map(({ error }) => error)).toEqual([undefined])
    expect(reservedBlocks(where.runDir)).toEqual([])
  })

  test('leaves alone a block of another range, though its owner is dead', async () => {
    const { first } = uidBlock({ base: 0x6d000000, blocks: 8 }, 4)
    const held = { sandbox: 'other', token: 't', first, process: dead, bootId: 'another boot' }
    reserve(where.runDir, 4, held)
    expect(await sweep()).toEqual([])
    expect(reservedBlocks(where.runDir)).toEqual([4])
    reserve(where.runDir, 5, { ...held, first: uidBlock(where.range, 5).first })
    expect((await sweep()).map(({ sandbox }) => sandbox)).toEqual(['other'])
    expect(reservedBlocks(where.runDir)).toEqual([4])
  })

  test('leaves alone what a live owner holds by a count from another base', async () => {
    const { first, uid } = uidBlock(where.range, 4)
    const other = { base: first - 65_536, blocks: 8 }
    const lease = await takeLease(at.ledger, { ...at.options, range: other, random: () => 0.2 })
    expect([lease.k, lease.uid]).toEqual([1, uid])
    // Before any process of it runs, its directory is one without a reservation to whoever looks for number 4.
    const directory = await makePrivateDir(at.ledger, lease)
    mkdirSync(where.userDir, { recursive: true })
    renameSync(directory, `${where.userDir}/${uid}`)
    expect(await sweep()).toEqual([])
    expect(existsSync(`${where.userDir}/${uid}`)).toBe(true)
    renameSync(`${where.userDir}/${uid}`, directory)
    // One of the dead that says it has the same ids frees its number, and nothing else.
    const child = await sleeperAs(uid)
    const ref = processRef(child.pid)!
    reserve(where.runDir, 4, { sandbox: 'dead', token: 't', first, process: dead, bootId: bootId() })
    expect((await sweep()).map(({ sandbox, error }) => [sandbox, error])).toEqual([['dead', undefined]])
    expect([isAlive(ref), existsSync(directory), reservedBlocks(where.runDir)]).toEqual([true, true, [1]])
    await at.ledger.releaseAll()
    expect(await child.exited).toBe(137)
  })

  test('a block that a start has taken since it was found is that start’s', async () => {
    // The first leftover cannot be removed, and the others are taken while that is told.
    mkdirSync(`${where.runDir}/uids/1`, { recursive: true })
    writeFileSync(`${where.runDir}/uids/1/owner`, '{"holder":"of a later version"}')
    const [unknown, released, orphan] = [1, 2, 3].map((k) => uidBlock(where.range, k)) as [
      UidBlock,
      UidBlock,
      UidBlock,
    ]
    const owner = { sandbox: 's', first: released.first, process: dead, bootId: bootId() }
    reserve(where.runDir, 2, { ...owner, token: 'before' })
    for (const { uid } of [released, orphan]) {
      mkdirSync(`${where.userDir}/${uid}`, { recursive: true })
      chownSync(`${where.userDir}/${uid}`, uid, uid)
    }
    const sleepers = await Promise.all([unknown, released].map(({ uid }) => sleeperAs(uid)))
    const refs = sleepers.map(({ pid }) => processRef(pid)!)
    const live = { ...owner, process: at.options.owner }
    const take = () => {
      unreserve(where.runDir, 2, 'before')
      reserve(where.runDir, 2, { ...live, token: 'start' })
      reserve(where.runDir, 3, { ...live, first: orphan.first, token: 'another start' })
    }
    const results = await sweepRootless(where, { ...silentLogger, error: take })
    expect(results.map(({ name, error = '' }) => [name, error.includes('UID_STILL_USED')])).toEqual([
      [unknown.name, true],
    ])
    expect(refs.map(isAlive)).toEqual([true, true])
    expect([released, orphan].map(({ uid }) => existsSync(`${where.userDir}/${uid}`))).toEqual([true, true])
    expect(reservedBlocks(where.runDir)).toEqual([1, 2, 3])
    for (const sleeper of sleepers) {
      sleeper.kill('SIGKILL')
      await sleeper.exited
    }
  })

  test('while a block is cleaned neither its dead holder’s release frees it, nor does a start take it', async () => {
    const lease = await takeLease(at.ledger, { ...at.options, range: where.range, owner: dead })
    const directory = await makePrivateDir(at.ledger, lease)
    for (let file = 0; file < 1000; file++) writeFileSync(`${directory}/${file}`, '')
    // A removal pauses by the clock, which runs so fast here that it pauses again and again.
    const now = performance.now.bind(performance)
    let looks = 0
    using _clock = spyOn(performance, 'now').mockImplementation(() => now() + 20 * looks++)
    const sweeping = sweep()
    const isTaken = () => statSync(directory, { throwIfNoEntry: false })?.uid === 0
    expect(await until(isTaken, { timeoutMs: 1e6 })).toBe(true)
    unreserve(where.runDir, lease.k, lease.token)
    const { owner: process } = at.options
    const start = { sandbox: 's', token: 'start', first: lease.first, process, bootId: bootId() }
    expect([existsSync(directory), reserve(where.runDir, lease.k, start)]).toEqual([true, false])
    expect((await sweeping).map(({ name, sandbox }) => [name, sandbox])).toEqual([[lease.name, 'crashed']])
    expect(reservedBlocks(where.runDir)).toEqual([])
  })

  test('a block that cannot be cleaned is its dead holder’s again, for another sweep and for the holder’s own release', async () => {
    const { name, uid, k, first } = uidBlock(where.range, 4)
    const holder = { sandbox: 'crashed', token: 't', first, process: dead, bootId: bootId() }
    reserve(where.runDir, k, holder)
    mkdirSync(`${where.userdbDir}/.${name}.user.new`, { recursive: true })
    for (let sweeps = 0; sweeps < 2; sweeps++) {
      const [left, ...others] = await sweep()
      expect([left?.name, left?.sandbox, others]).toEqual([name, 'crashed', []])
      expect(left?.error).toContain(`.${name}.user.new`)
      expect(readOwner(where.runDir, k)).toEqual(holder)
    }
    rmSync(where.userdbDir, { recursive: true })
    expect(await sweep()).toEqual([{ name, uid, found: 'reservation', sandbox: 'crashed' }])
    expect(reservedBlocks(where.runDir)).toEqual([])
  })

  test('an owner file that a power cut left unreadable counts as dead', async () => {
    mkdirSync(`${where.runDir}/uids/3`, { recursive: true })
    writeFileSync(`${where.runDir}/uids/3/owner`, '{"sand')
    expect((await sweep()).map(({ found, sandbox }) => [found, sandbox])).toEqual([
      ['reservation', 'unknown'],
    ])
    expect(reservedBlocks(where.runDir)).toEqual([])
  })

  test('a draft that became a reservation meanwhile fails no sweep', async () => {
    mkdirSync(`${where.runDir}/uids`, { recursive: true })
    // As one that was listed and is gone when it is looked at.
    symlinkSync('nowhere', `${where.runDir}/uids/.new-token`)
    expect(await sweep()).toEqual([])
  })

  test('a draft that nobody goes on with is removed, whichever way the clock was set', async () => {
    const draft = (token: string, hours: number) => {
      const path = `${where.runDir}/uids/.new-${token}`
      mkdirSync(path, { recursive: true })
      const time = new Date(Date.now() + hours * 3600_000)
      utimesSync(path, time, time)
      return path
    }
    const drafts = [draft('past', -1), draft('now', 0), draft('coming', 1)]
    expect(await sweep()).toEqual([])
    expect(drafts.map((path) => existsSync(path))).toEqual([false, true, false])
  })
})
