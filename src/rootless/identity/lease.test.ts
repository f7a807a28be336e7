import { afterEach, beforeEach, describe, expect, test } from 'bun:test'
import { chownSync, mkdirSync, rmSync, writeFileSync } from 'node:fs'
import { bootId, isAlive, processRef } from '../../linux/processes/proc.ts'
import { silentLogger } from '../../log.ts'
import { openLedger, scratch, sleeperAs, testRange } from '../test-support.ts'
import { leaseResource, takeLease } from './lease.ts'
import { ownerLives, readOwner, reserve, reservedBlocks, unreserve } from './reservation.ts'
import { uidBlock } from './uid-range.ts'

const isRoot = process.getuid?.() === 0
let at: ReturnType<typeof scratch>
beforeEach(() => {
  at = scratch()
})
afterEach(() => rmSync(at.directory, { recursive: true }))

describe('lease', () => {
  test('50 takers in 5 processes at once get 50 different blocks', async () => {
    const code = `
      import { takeLease } from '${import.meta.dir}/lease.ts'
      import { openLedger } from '${import.meta.dir}/../test-support.ts'
      import { processRef } from '${import.meta.dir}/../../linux/processes/proc.ts'
      import { mkdirSync } from 'node:fs'
      const [directory, count, options] = [process.argv[1], Number(process.argv[2]), JSON.parse(process.argv[3])]
      mkdirSync(directory)
      const ledger = openLedger(directory)
      const take = () => takeLease(ledger, { ...options, owner: processRef(process.pid), sandbox: directory })
      console.log(JSON.stringify((await Promise.all(Array.from({ length: count }, take))).map((lease) => lease.k)))`
    // So few that they meet.
    const options = JSON.stringify({ ...at.options, range: { ...testRange, blocks: 64 } })
    const runs = Array.from({ length: 5 }, (_, n) =>
      Bun.spawn([process.execPath, '-e', code, `${at.directory}/${n}`, '10', options], {
        stderr: 'inherit',
      }),
    )
    const taken = (await Promise.all(runs.map((run) => new Response(run.stdout).json()))).flat() as number[]
    await Promise.all(runs.map((run) => run.exited))
    expect(new Set(taken).size).toBe(50)
    expect(reservedBlocks(at.options.runDir).toSorted()).toEqual(taken.toSorted())
  })

  test('a used-up range is an error that names it', async () => {
    const options = { ...at.options, range: { ...at.options.range, blocks: 2 } }
    await takeLease(at.ledger, options)
    await takeLease(at.ledger, options)
    await expect(takeLease(at.ledger, options)).rejects.toThrow(
      /UID_RANGE_EXHAUSTED.*all 2 blocks.*1610612736.*kata-ts gc/,
    )
  })

  test('a block whose first or last id is a directory’s user or group is another’s', async () => {
    const etc = `${at.directory}/etc`
    mkdirSync(etc)
    writeFileSync(`${etc}/nsswitch.conf`, 'passwd: files sss\n')
    const answers = `${at.directory}/getent`
    const asked = [0, 1].map((k) => uidBlock(at.options.range, k))
    writeFileSync(answers, `#!/bin/sh\n[ "$2" = ${asked[0]!.first} ] || [ "$2" = ${asked[1]!.uid} ]\n`, {
      mode: 0o755,
    })
    const options = { ...at.options, etc, getent: answers, random: () => 0 }
    expect((await takeLease(at.ledger, options)).k).toBe(2)
    expect(reservedBlocks(at.options.runDir)).toEqual([2])
    writeFileSync(answers, '#!/bin/sh\nexit 0\n')
    await expect(takeLease(at.ledger, options)).rejects.toThrow('[ACCOUNT_TAKEN]')
    expect(reservedBlocks(at.options.runDir)).toEqual([2])
  })

  test('what is held of a larger range leaves all of a smaller one', async () => {
    await takeLease(at.ledger, { ...at.options, random: () => 0.999 })
    const small = { ...at.options, range: { ...at.options.range, blocks: 1 } }
    expect((await takeLease(at.ledger, small)).k).toBe(0)
    await expect(takeLease(at.ledger, small)).rejects.toThrow('UID_RANGE_EXHAUSTED')
  })

  test('ids that are held by a count from another base are another’s', async () => {
    const [one, two] = [{ ...at.options, random: () => 1.5 / testRange.blocks }, at.options]
    const held = await takeLease(at.ledger, one)
    // Its first block has the ids that the other range has in its second.
    const range = { base: uidBlock(testRange, 1).first, blocks: 3 }
    const lease = await takeLease(at.ledger, { ...two, range, random: () => 0 })
    expect([held, lease].map(({ k, first }) => [k, first])).toEqual([
      [1, range.base],
      // Number 1 has the name of the other's.
      [2, uidBlock(range, 2).first],
    ])
    await expect(takeLease(at.ledger, { ...two, range })).rejects.toThrow('[UID_RANGE_EXHAUSTED]')
    expect(reservedBlocks(at.options.runDir).toSorted()).toEqual([1, 2])
  })

  test('a block whose private directory is there already is another’s', async () => {
    const { runDir, userDir = '', range } = at.options
    const taken = uidBlock(range, 0)
    mkdirSync(`${userDir}/${taken.uid}`, { recursive: true })
    expect((await takeLease(at.ledger, { ...at.options, random: () => 0 })).k).toBe(1)
    expect(reservedBlocks(runDir)).toEqual([1])
    const one = { ...at.options, range: { ...range, blocks: 1 } }
    await expect(takeLease(at.ledger, one)).rejects.toThrow(`[PRIVATE_DIR_OCCUPIED] ${userDir}/${taken.uid}`)
  })

  test('release gives the block back, from disk, and twice does nothing', async () => {
    const lease = await takeLease(at.ledger, at.options)
    expect(readOwner(lease.runDir, lease.k)?.sandbox).toBe('test')
    await openLedger(at.directory).releaseAll()
    expect(reservedBlocks(lease.runDir)).toEqual([])
    await leaseResource.release(lease, silentLogger)
  })

  test('a reservation of another sandbox is not released', async () => {
    const lease = await takeLease(at.ledger, at.options)
    await leaseResource.release({ ...lease, sandbox: 'other' }, silentLogger)
    expect(reservedBlocks(lease.runDir)).toEqual([lease.k])
  })

  test('a reservation that a sandbox of the same name has taken since is not released', async () => {
    const lease = await takeLease(at.ledger, at.options)
    await leaseResource.release({ ...lease, token: 'an earlier taking' }, silentLogger)
    expect(reservedBlocks(lease.runDir)).toEqual([lease.k])
  })

  test.skipIf(!isRoot)('and what runs with its ids is not ended', async () => {
    const lease = await takeLease(at.ledger, at.options)
    const theirs = await sleeperAs(lease.uid)
    const ref = processRef(theirs.pid)!
    await leaseResource.release({ ...lease, token: 'an earlier taking' }, silentLogger)
    expect(isAlive(ref)).toBe(true)
    theirs.kill('SIGKILL')
    await theirs.exited
  })

  test.skipIf(!isRoot)('release kills what runs with the ids of the block, and only that', async () => {
    const lease = await takeLease(at.ledger, at.options)
    const inside = [await sleeperAs(lease.uid), await sleeperAs(lease.first)]
    const outside = await sleeperAs(lease.uid + 1)
    await at.ledger.releaseAll()
    expect(await Promise.all(inside.map((process) => process.exited))).toEqual([137, 137])
    expect(outside.exitCode).toBeNull()
    outside.kill('SIGKILL')
    await outside.exited
  })

  test.skipIf(!isRoot)('release ends nothing of another reservation that has the same ids', async () => {
    const lease = await takeLease(at.ledger, { ...at.options, random: () => 0 })
    const child = await sleeperAs(lease.uid)
    const ref = processRef(child.pid)!
    const another = { ...readOwner(lease.runDir, lease.k)!, sandbox: 'another', token: 'another' }
    reserve(lease.runDir, 7, another)
    await at.ledger.releaseAll()
    expect([isAlive(ref), reservedBlocks(lease.runDir)]).toEqual([true, [7]])
    child.kill('SIGKILL')
    await child.exited
  })

  test.skipIf(!isRoot)("the block stays leased while the user's directory is there", async () => {
    const lease = await takeLease(at.ledger, at.options)
    const directory = `${lease.userDir}/${lease.uid}`
    mkdirSync(directory, { recursive: true })
    chownSync(directory, lease.uid, lease.uid)
    await expect(at.ledger.releaseAll()).rejects.toThrow(/RELEASE_FAILED.*uid-lease/)
    expect(reservedBlocks(lease.runDir)).toEqual([lease.k])
    rmSync(directory, { recursive: true })
    await at.ledger.releaseAll()
    expect(reservedBlocks(lease.runDir)).toEqual([])
  })

  test.skipIf(!isRoot)('ids of people and services are never killed, whatever a ledger says', async () => {
    const lease = await takeLease(at.ledger, at.options)
    const bystander = await sleeperAs(1234)
    const forged = { ...lease, first: 1234, uid: 1234 }
    await expect(leaseResource.release(forged, silentLogger)).rejects.toThrow('UID_STILL_USED')
    expect(bystander.exitCode).toBeNull()
    bystander.kill('SIGKILL')
    await bystander.exited
  })
})

describe('reservation', () => {
  test('a leftover is never handed out until it is removed', () => {
    const { runDir } = at.options
    const gone = {
      sandbox: 'dead',
      first: -1,
      token: 't',
      process: { pid: 1, startTime: '1' },
      bootId: 'another boot',
    }
    expect(reserve(runDir, 3, gone)).toBe(true)
    expect(ownerLives(gone)).toBe(false)
    const live = { ...gone, process: processRef(process.pid)! }
    expect(reserve(runDir, 3, live)).toBe(false)
    // Process numbers and start times come again after a boot.
    expect(ownerLives(live)).toBe(false)
    expect(ownerLives({ ...live, bootId: bootId() })).toBe(true)
    unreserve(runDir, 3, 'another taking')
    expect(reserve(runDir, 3, live)).toBe(false)
    unreserve(runDir, 3, gone.token)
    expect(reserve(runDir, 3, live)).toBe(true)
  })

  test('an unreadable owner keeps the block', async () => {
    const { runDir } = at.options
    mkdirSync(`${runDir}/uids/0`, { recursive: true })
    writeFileSync(`${runDir}/uids/0/owner`, '{"sandb')
    const options = { ...at.options, range: { ...at.options.range, blocks: 1 } }
    await expect(takeLease(at.ledger, options)).rejects.toThrow('UID_RANGE_EXHAUSTED')
  })
})
