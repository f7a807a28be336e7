import { afterEach, beforeEach, describe, expect, test } from 'bun:test'
import {
  chmodSync,
  chownSync,
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs'
import { Ledger } from '../../ledger/ledger.ts'
import { bindMount, mountPoints, unmountBelow } from '../../linux/mounts/mount.ts'
import { isAlive, processRef } from '../../linux/processes/proc.ts'
import { killUids } from '../../linux/processes/uid-processes.ts'
import { silentLogger } from '../../log.ts'
import { within } from '../../time.ts'
import { rootlessKinds } from '../kinds.ts'
import { openLedger, scratch, sleeperAs } from '../test-support.ts'
import { type Lease, takeLease } from './lease.ts'
import { makePrivateDir, privateDirResource } from './private-dir.ts'
import { readOwner, reserve, reservedBlocks, unreserve } from './reservation.ts'

let at: ReturnType<typeof scratch>
let lease: Lease
let path: string
beforeEach(async () => {
  at = scratch()
  lease = await takeLease(at.ledger, at.options)
  path = `${lease.userDir}/${lease.uid}`
})
afterEach(() => {
  unmountBelow(at.directory)
  rmSync(at.directory, { recursive: true })
})

describe('private directory', () => {
  test('belongs to the user alone and goes away from disk', async () => {
    expect(await makePrivateDir(at.ledger, lease)).toBe(path)
    const { uid, gid, mode } = statSync(path)
    expect([uid, gid, mode & 0o7777]).toEqual([lease.uid, lease.uid, 0o700])
    expect(statSync(lease.userDir).mode & 0o7777).toBe(0o755)
    await openLedger(at.directory).releaseAll()
    expect(readdirSync(lease.userDir)).toEqual([])
  })

  test.each([
    ['directory', () => mkdirSync(path, { recursive: true })],
    [
      'file',
      () => {
        mkdirSync(lease.userDir)
        writeFileSync(path, 'theirs')
      },
    ],
    [
      'symlink',
      () => {
        mkdirSync(lease.userDir)
        symlinkSync('/nonexistent', path)
      },
    ],
  ])('an occupied path (%s) is refused and stays', async (_, occupy) => {
    occupy()
    await expect(makePrivateDir(at.ledger, lease)).rejects.toThrow(/PRIVATE_DIR_OCCUPIED/)
    await at.ledger.releaseAll()
    expect(readdirSync(lease.userDir)).toEqual([`${lease.uid}`])
  })

  test('who has an occupied path keeps his processes', async () => {
    const theirs = await sleeperAs(lease.uid)
    const ref = processRef(theirs.pid)!
    mkdirSync(path, { recursive: true })
    chownSync(path, lease.uid, lease.uid)
    await expect(makePrivateDir(at.ledger, lease)).rejects.toThrow(/PRIVATE_DIR_OCCUPIED/)
    await at.ledger.releaseAll()
    expect([isAlive(ref), existsSync(path), reservedBlocks(lease.runDir)]).toEqual([true, true, []])
    theirs.kill('SIGKILL')
    await theirs.exited
  })

  test('who goes on writing there is killed, and does not keep the release from ending', async () => {
    await makePrivateDir(at.ledger, lease)
    const ids = ['--reuid', `${lease.uid}`, '--regid', `${lease.uid}`, '--clear-groups']
    // They are in a directory of their own, and need no path.
    const code =
      'mkdir "d"; chdir "d"; fork; fork; fork; fork; $| = 1; print "x"; for (;;) { open F, ">", "$$." . $n++ }'
    const writer = Bun.spawn(['/usr/bin/setpriv', ...ids, 'perl', '-e', code], {
      cwd: path,
      stdio: ['ignore', 'pipe', 'ignore'],
    })
    await writer.stdout.getReader().read()
    try {
      const released = at.ledger.releaseAll().then(() => 'released')
      expect(await within(released, 20_000)).toBe('released')
      expect(existsSync(path)).toBe(false)
      expect(reservedBlocks(lease.runDir)).toEqual([])
    } finally {
      await killUids(lease.uid, lease.uid)
      await writer.exited
    }
  }, 60_000)

  test('who makes the directory at the same moment keeps it', async () => {
    const make = () => {
      mkdirSync(path)
      writeFileSync(`${path}/theirs`, '')
      chownSync(path, lease.uid, lease.uid)
    }
    // Once it was looked at: the holding is written down, and nothing is made yet.
    const reach = async (point: string) => (point === 'before-take' ? make() : undefined)
    const ledger = new Ledger(`${at.directory}/ledger.jsonl`, rootlessKinds, silentLogger, { reach })
    await expect(makePrivateDir(ledger, lease)).rejects.toThrow(/PRIVATE_DIR_OCCUPIED/)
    expect(readdirSync(path)).toEqual(['theirs'])
    await openLedger(at.directory).releaseAll()
    expect(readdirSync(path)).toEqual(['theirs'])
  })

  test('is not taken from the sandbox that has the block by now', async () => {
    await makePrivateDir(at.ledger, lease)
    // A sweep has freed the block of this ledger, whose process is dead.
    const { runDir, k } = lease
    const owner = readOwner(runDir, k)!
    unreserve(runDir, k, owner.token)
    reserve(runDir, k, { ...owner, sandbox: 'other', token: 'another' })
    await openLedger(at.directory).releaseAll()
    expect(readdirSync(lease.userDir)).toEqual([`${lease.uid}`])
  })

  test.each(['757', '775'])('a parent that others, or a group, can write to is refused: %s', async (mode) => {
    mkdirSync(lease.userDir)
    chmodSync(lease.userDir, Number.parseInt(mode, 8))
    await expect(makePrivateDir(at.ledger, lease)).rejects.toThrow(
      new RegExp(`PRIVATE_DIR_PARENT_UNSAFE.*mode ${mode}`),
    )
  })

  test('a parent that another user owns is refused', async () => {
    mkdirSync(lease.userDir)
    chownSync(lease.userDir, 1000, 0)
    await expect(makePrivateDir(at.ledger, lease)).rejects.toThrow(
      /PRIVATE_DIR_PARENT_UNSAFE.*owned by uid 1000/,
    )
  })

  test('what another user has put in its place stays', async () => {
    await makePrivateDir(at.ledger, lease)
    chownSync(path, 1000, 1000)
    await openLedger(at.directory).releaseAll()
    expect(statSync(path).uid).toBe(1000)
  })

  test('one of root’s stays, unless it is ours that a crash left half made', async () => {
    const cases: readonly [number, string[]][] = [
      [0o700, [`${lease.uid}`]],
      [0, []],
    ]
    for (const [mode, left] of cases) {
      await makePrivateDir(at.ledger, lease)
      chownSync(path, 0, 0)
      chmodSync(path, mode)
      await openLedger(at.directory).release(privateDirResource, () => true)
      expect(readdirSync(lease.userDir)).toEqual(left)
      rmSync(path, { recursive: true, force: true })
    }
  })

  test('one that is bounded takes sockets and little else, and leaves no mount', async () => {
    expect(await makePrivateDir(at.ledger, lease, true)).toBe(path)
    const { uid, gid, mode } = statSync(path)
    expect([uid, gid, mode & 0o7777]).toEqual([lease.uid, lease.uid, 0o700])
    const mounted = readFileSync('/proc/self/mountinfo', 'utf8').split('\n')
    const options = mounted
      .find((line) => line.split(' ')[4] === path)
      ?.split(' ')[5]
      ?.split(',')
    expect(options).toEqual(expect.arrayContaining(['nosuid', 'nodev', 'noexec']))
    const write = (where: string) => writeFileSync(`${where}/file`, Buffer.alloc(3 * 1024 ** 2))
    expect(() => write(path)).toThrow('ENOSPC')
    write(at.directory)
    const fill = (where: string) => {
      for (let n = 0; n < 70; n++) mkdirSync(`${where}/d${n}`)
    }
    expect(() => fill(path)).toThrow('ENOSPC')
    fill(at.directory)
    await openLedger(at.directory).releaseAll()
    expect(mountPoints().filter((point) => point.startsWith(path))).toEqual([])
    expect(readdirSync(lease.userDir)).toEqual([])
  })

  test('a bounded one that a killed shim left is gone with its mount, to the next who looks', async () => {
    const [file, module] = [`${at.directory}/ledger.jsonl`, `${import.meta.dir}/../test-support.ts`]
    // In a mount namespace of its own, as the shim is.
    const make = `
      const { openLedger } = await import(${JSON.stringify(module)})
      const { makePrivateDir } = await import(${JSON.stringify(`${import.meta.dir}/private-dir.ts`)})
      await makePrivateDir(openLedger(${JSON.stringify(at.directory)}), ${JSON.stringify(lease)}, true)
      process.kill(process.pid, 'SIGKILL')`
    const run = ['unshare', '--mount', '--propagation', 'slave', process.execPath, '-e', make]
    expect(Bun.spawnSync(run).signalCode).toBe('SIGKILL')
    expect(existsSync(file)).toBe(true)
    expect(mountPoints().filter((point) => point.startsWith(path))).toEqual([])
    expect(existsSync(path)).toBe(true)
    await openLedger(at.directory).releaseAll()
    expect(readdirSync(lease.userDir)).toEqual([])
  })

  test('removal reaches neither through mounts nor through symlinks', async () => {
    const precious = `${at.directory}/precious`
    mkdirSync(precious)
    writeFileSync(`${precious}/data`, 'kept')
    await makePrivateDir(at.ledger, lease)
    mkdirSync(`${path}/a/b`, { recursive: true })
    mkdirSync(`${path}/mounted`)
    writeFileSync(`${path}/a/b/file`, '')
    symlinkSync(precious, `${path}/a/link`)
    bindMount(precious, `${path}/mounted`)
    await at.ledger.releaseAll()
    expect(existsSync(path)).toBe(false)
    expect(mountPoints().filter((point) => point.startsWith(path))).toEqual([])
    expect(readdirSync(precious)).toEqual(['data'])
  })
})
