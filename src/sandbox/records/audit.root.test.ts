/** An audit of a sandbox whose shim is root as it comes, and beside whose VMM another process has its user. */
import { afterEach, beforeEach, expect, test } from 'bun:test'
import { closeSync, mkdirSync, mkdtempSync, openSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { Ledger } from '../../ledger/ledger.ts'
import { processResource } from '../../ledger/process-resource.ts'
import { type ProcessRef, processesOfUid, processRef } from '../../linux/processes/proc.ts'
import { mapUserNamespace } from '../../linux/processes/user-namespace.ts'
import { silentLogger } from '../../log.ts'
import { confine } from '../../rootless/confine.ts'
import { baseSyscalls } from '../../rootless/filters/base-syscalls.ts'
import { blockSize } from '../../rootless/identity/uid-range.ts'
import { somePosture } from '../../rootless/posture/posture.double.ts'
import { recordPosture } from '../../rootless/posture/posture-record.ts'
import { sleeperAs } from '../../rootless/test-support.ts'
import { until } from '../../time.ts'
import { auditRecords, auditSandbox } from './audit.ts'
import { type SandboxPaths, sandboxPaths } from './paths.ts'

const uid = 1_867_000_060
let runDir: string
let paths: SandboxPaths
let children: Bun.Subprocess[]
beforeEach(() => {
  runDir = mkdtempSync(`${tmpdir()}/audit-`)
  paths = sandboxPaths(runDir, 'default', 'pod')
  mkdirSync(paths.stateDir, { recursive: true })
  writeFileSync(paths.facts, '{}')
  children = []
})
afterEach(async () => {
  for (const child of children) child.kill('SIGKILL')
  await Promise.all(children.map(({ exited }) => exited))
  rmSync(runDir, { recursive: true })
})

function child(process: Bun.Subprocess): ProcessRef {
  children.push(process)
  return processRef(process.pid)!
}

const ofUser = async (): Promise<ProcessRef> => child(await sleeperAs(uid))

/** A process with the id `inside` in a user namespace of the block's ids. */
async function insideBlock(first: number, inside: number): Promise<ProcessRef> {
  const [unshare, CLONE_NEWUSER, setuid] = [272, 0x10000000, 105]
  const program = `syscall(${unshare}, ${CLONE_NEWUSER}) == 0 or die;
    sub mapped { open(my $map, '<', '/proc/self/uid_map'); return <$map> }
    select(undef, undef, undef, 0.02) until mapped(); syscall(${setuid}, ${inside}) == 0 or die; sleep 1000`
  const ref = child(Bun.spawn(['perl', '-e', program]))
  const map = [{ inside: 0, outside: first, count: blockSize }]
  closeSync((await mapUserNamespace(ref, map, { timeoutMs: 10_000 }))!)
  await until(() => processesOfUid(first + inside).length > 0, { timeoutMs: 10_000 })
  return ref
}

/** What the audit says of the sandbox with this shim and VMM, by process. */
async function audited(shim: ProcessRef, vmm: ProcessRef, ...more: object[]) {
  const held = [{ op: 'take', id: 1, kind: 'owner', data: shim }, ...more]
  writeFileSync(paths.ledger, `${held.map((record) => JSON.stringify(record)).join('\n')}\n`)
  recordPosture(paths.stateDir, { name: 'vmm', ref: vmm, expected: somePosture({ uid, gid: uid }) })
  const all = await auditSandbox('pod', paths, silentLogger)
  const differing = (rows: (typeof all)[number]['rows']) =>
    rows.filter(({ expected, actual }) => expected !== actual)
  return all.map(({ name, pid, rows }) => ({ name, pid, rows: differing(rows) }))
}

test('the rights of the shim are looked at on each of its threads, and its mounts are its own', async () => {
  const shim = processRef(process.pid)!
  const found = await audited(shim, await ofUser())
  const { rows } = found.find(({ name }) => name === 'shim')!
  expect(rows).toContainEqual({ field: 'namespaces.mnt', expected: 'own', actual: 'host' })
  const threads = new Set(rows.flatMap(({ tid }) => tid ?? []))
  expect(threads.size).toBeGreaterThan(1)
  // Its score is looked at, too: one below containerd's would be a difference.
  const all = await auditSandbox('pod', paths, silentLogger)
  const score = all.find(({ name }) => name === 'shim')!.rows.find(({ field }) => field === 'oomScoreAdj')
  expect(score?.actual).toBe(readFileSync('/proc/self/oom_score_adj', 'utf8').trim())
})

test('another process of the VMM’s user is told', async () => {
  const vmm = await ofUser()
  const stranger = await ofUser()
  const found = await audited(processRef(process.pid)!, vmm)
  expect(found.filter(({ name }) => name === 'unknown')).toEqual([
    { name: 'unknown', pid: stranger.pid, rows: [{ field: 'process', expected: 'none', actual: 'sleep' }] },
  ])
})

test('a process with any other id of the sandbox’s block is told, too', async () => {
  const vmm = await ofUser()
  const first = uid - 65_535
  // As a virtiofsd that was taken over makes one: it may take every id of the block.
  const stranger = await insideBlock(first, 1000)
  // A person's, whom a directory gave that number.
  child(await sleeperAs(first + 1001))
  // Beside the block: somebody else's.
  child(await sleeperAs(uid + 1))
  const lease = { op: 'take', id: 2, kind: 'uid-lease', data: { first, uid } }
  const found = await audited(processRef(process.pid)!, vmm, lease)
  expect(found.filter(({ name }) => name === 'unknown').map(({ pid }) => pid)).toEqual([stranger.pid])
})

test('another process that has the number of one that has ended does not pass for it', async () => {
  const vmm = await ofUser()
  const found = await audited(processRef(process.pid)!, { ...vmm, startTime: '1' })
  expect(found.find(({ name }) => name === 'vmm')?.rows).toEqual([
    { field: 'process', expected: 'running', actual: 'gone' },
  ])
})

test('a difference for a moment is none, and one that stays is told', async () => {
  const { stateDir } = paths
  const ledger = new Ledger(paths.ledger, [processResource], silentLogger)
  const output = openSync('/dev/null', 'a')
  const identity = { name: 'kata-0', uid, gid: uid, groups: [] }
  const spec = {
    program: '/usr/bin/sleep',
    args: ['1000'],
    identity,
    paths: [],
    fds: [],
    output,
    stateDir,
    syscalls: { allowed: baseSyscalls },
    landlock: 'best-effort' as const,
  }
  const { signal } = new AbortController()
  const asked = { name: 'vmm', spec, posture: { seccompFilters: 1 }, stateDir, log: silentLogger, signal }
  const differing = async () => {
    const [vmm] = await auditRecords(stateDir)
    return vmm?.rows.filter(({ expected, actual }) => expected !== actual).map(({ field }) => field)
  }
  try {
    const { ref } = await confine(ledger, asked)
    const limit = (soft: number) => {
      const user = ['--reuid', `${uid}`, '--regid', `${uid}`, '--clear-groups']
      const argv = ['/usr/bin/setpriv', ...user, 'prlimit', `--pid=${ref.pid}`, `--nofile=${soft}:1024`]
      expect(Bun.spawnSync(argv).exitCode).toBe(0)
    }
    expect(await differing()).toEqual([])
    limit(512)
    // As long as several looks at it.
    const back = setTimeout(() => limit(1024), 60)
    expect(await differing()).toEqual([])
    clearTimeout(back)
    limit(512)
    expect(await differing()).toEqual(['limits.nofile'])
  } finally {
    await ledger.releaseAll()
    closeSync(output)
  }
})
