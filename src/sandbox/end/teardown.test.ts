import { afterEach, beforeEach, expect, test } from 'bun:test'
import {
  appendFileSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { failpointsOf } from '../../ledger/failpoints.ts'
import { tryDirectoryLock } from '../../linux/files/directory-lock.ts'
import { processRef } from '../../linux/processes/proc.ts'
import { silentLogger } from '../../log.ts'
import { clocksThatRush } from '../../time.double.ts'
import { until } from '../../time.ts'
import { sandboxPaths } from '../records/paths.ts'
import { stillUsed, teardown } from './teardown.ts'

let runDir: string
beforeEach(() => {
  runDir = mkdtempSync(join(tmpdir(), 'teardown-'))
})
afterEach(() => rmSync(runDir, { recursive: true, force: true }))

/** A sandbox that a shim left, with these holdings in its ledger. */
function left(...holdings: [kind: string, data: unknown][]) {
  const paths = sandboxPaths(runDir, 'default', 'pod')
  mkdirSync(paths.stateDir, { recursive: true })
  const lines = holdings.map(([kind, data], index) =>
    JSON.stringify({ op: 'take', id: index + 1, kind, data }),
  )
  writeFileSync(paths.ledger, `${lines.join('\n')}\n`)
  return paths
}

const tree = () => {
  const path = join(runDir, 'tree')
  mkdirSync(path)
  return path
}

test('two at the same time are one: the second waits, and finds nothing to do', async () => {
  const path = tree()
  const paths = left(['tree', { path }])
  const [hold, notes] = [join(runDir, 'hold'), join(runDir, 'notes')]
  writeFileSync(hold, '')
  const points = failpointsOf(
    'delete',
    {
      KATA_TS_FAILPOINTS: 'delete/before-release:tree=hold',
      KATA_TS_FAILPOINTS_HOLD: hold,
      KATA_TS_FAILPOINTS_REACHED: notes,
    },
    silentLogger,
  )
  let second = 'waits'
  const both = Promise.all([
    teardown(paths, silentLogger, points),
    teardown(paths, silentLogger, points).then(() => {
      second = 'is done'
    }),
  ])
  await Bun.sleep(100)
  expect([second, existsSync(path)]).toEqual(['waits', true])
  rmSync(hold)
  await both
  expect([existsSync(path), existsSync(paths.stateDir)]).toEqual([false, false])
  expect(readFileSync(notes, 'utf8')).toBe('delete/before-release:tree\n')
})

/** As a start does: it writes each holding down, and takes it. */
const takesMore = `
  my ($ledger, $trees) = @ARGV;
  open my $file, '>>', $ledger or die; $file->autoflush(1);
  for (my $id = 2; ; $id++) {
    print $file qq({"op":"take","id":$id,"kind":"tree","data":{"path":"$trees/$id"}}\\n); mkdir "$trees/$id"
  }`

test('what a shim took until it was killed is released, too', async () => {
  const trees = tree()
  const paths = left()
  const shim = Bun.spawn(['/usr/bin/perl', '-MIO::Handle', '-e', takesMore, paths.ledger, trees])
  const owner = { op: 'take', id: 1, kind: 'owner', data: processRef(shim.pid) }
  appendFileSync(paths.ledger, `${JSON.stringify(owner)}\n`)
  try {
    await until(() => readdirSync(trees).length > 0, { timeoutMs: 10_000 })
    await teardown(paths, silentLogger)
    expect([readdirSync(trees), existsSync(paths.stateDir)]).toEqual([[], false])
  } finally {
    shim.kill('SIGKILL')
    await shim.exited
  }
})

test('one that another process takes down for longer than anybody waits is busy', async () => {
  const path = tree()
  const paths = left(['tree', { path }])
  {
    using _held = tryDirectoryLock(paths.stateDir)
    using _rush = clocksThatRush()
    await expect(teardown(paths, silentLogger)).rejects.toMatchObject({
      code: 'TEARDOWN_BUSY',
      fields: { path: paths.stateDir, seconds: 75 },
      remedy: expect.stringContaining('kata-ts gc'),
    })
  }
  expect(existsSync(path)).toBe(true)
  await teardown(paths, silentLogger)
  expect(existsSync(path)).toBe(false)
})

test('a sandbox that is not there is torn down', async () => {
  await teardown(sandboxPaths(runDir, 'default', 'nobody'), silentLogger)
})

test('a sandbox is used as long as a process of it may be there, its shim included', () => {
  const [self, dead] = [processRef(process.pid)!, { pid: process.pid, startTime: 'another' }]
  const names = (...holdings: Parameters<typeof left>) => stillUsed(left(...holdings), silentLogger)
  expect(names(['owner', self])).toEqual(['shim'])
  expect(names(['owner', dead], ['uid-lease', {}], ['account', {}], ['cgroups', {}])).toEqual([])
  expect(names(['owner', dead], ['process', {}], ['process', {}], ['mount', {}])).toEqual([
    'process',
    'mount',
  ])
  expect(names(['of-a-later-version', {}])).toEqual(['of-a-later-version'])
})
