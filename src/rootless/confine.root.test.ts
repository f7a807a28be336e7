import { afterEach, beforeEach, expect, test } from 'bun:test'
import { closeSync, mkdtempSync, openSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { Ledger } from '../ledger/ledger.ts'
import { processResource } from '../ledger/process-resource.ts'
import { isAlive } from '../linux/processes/proc.ts'
import { silentLogger } from '../log.ts'
import { confine, confineBy, heldAsProcess } from './confine.ts'
import { ConfinedProcess } from './confined-process.ts'
import { baseSyscalls } from './filters/base-syscalls.ts'
import type { LaunchSpec } from './jail/launch-spec.ts'
import { inJail, type Launched } from './launcher.ts'
import { expectedPosture, settledPosture } from './posture/posture-check.ts'
import { readPostureRecords } from './posture/posture-record.ts'

const uid = 0x6f000000 + 3 * 65536 - 1
let stateDir: string
let output: number
let ledger: Ledger
let spec: LaunchSpec

beforeEach(() => {
  stateDir = mkdtempSync(`${tmpdir()}/confine-`)
  output = openSync(`${stateDir}/output`, 'a')
  ledger = new Ledger(`${stateDir}/ledger.jsonl`, [processResource], silentLogger)
  spec = {
    program: '/usr/bin/sleep',
    args: ['1000'],
    identity: { name: 'kata-2', uid, gid: uid, groups: [] },
    paths: [],
    fds: [],
    syscalls: { allowed: baseSyscalls },
    output,
    stateDir,
    landlock: 'best-effort',
  }
})
afterEach(async () => {
  await ledger.releaseAll()
  closeSync(output)
  rmSync(stateDir, { recursive: true })
})

const noted = () => readPostureRecords(stateDir).map(({ name }) => name)
const confined = () => ({
  name: 'sleeper',
  spec,
  posture: { seccompFilters: 1 },
  stateDir,
  log: silentLogger,
  signal: new AbortController().signal,
})

test('a process is held by the ledger, and noted for audits with its waiter', async () => {
  const { ref } = await confine(ledger, {
    ...confined(),
    working: (checked) => ({ ...checked, sockets: 4 }),
  })
  expect(ledger.dataOf(processResource)).toEqual([{ name: 'sleeper', ref }])
  expect(readPostureRecords(stateDir)).toMatchObject([
    { name: 'sleeper', ref, expected: { sockets: 4 } },
    { name: 'sleeper-waiter', expected: { sockets: 0, seccompFilters: 0 } },
  ])
})

test('a process that differs from what was asked for is ended, and nothing is noted', async () => {
  const differs = confine(ledger, {
    ...confined(),
    posture: { seccompFilters: 1, fewestSockets: 1, sockets: 1 },
  })
  await expect(differs).rejects.toThrow(/^\[POSTURE_DIFFERS\].*sockets is "0", expected "1"/s)
  expect(ledger.held).toEqual([])
  expect(noted()).toEqual([])
})

test('a companion that differs counts as the program itself', async () => {
  let launched: Launched | undefined
  const checked = expectedPosture(spec, { seccompFilters: 1 })
  const launch: typeof jail = async (...args) => {
    launched = await jail(...args)
    const [waiter] = launched.companions
    const root = { ...checked, uid: 0 }
    return { ...launched, companions: [{ ...waiter!, asked: () => ({ checked: root, working: root }) }] }
  }
  const jail = inJail(spec, silentLogger) as (
    ...args: Parameters<ReturnType<typeof inJail>>
  ) => Promise<Launched>
  const start = { name: 'sleeper', stateDir, launch }
  const differs = confineBy(ledger, heldAsProcess('sleeper'), start, async () => ({
    checked,
    working: checked,
    settles: true,
  }))
  await expect(differs).rejects.toThrow(/^\[POSTURE_DIFFERS\].*expected "0 0 0 0"/s)
  expect(noted()).toEqual([])
  expect(isAlive(launched!.ref)).toBe(false)
})

test('in stages, a process is held at once and noted only when it was looked at', async () => {
  const checked = expectedPosture(spec, { seccompFilters: 1 })
  const sleeper = await ConfinedProcess.start(ledger, {
    name: 'sleeper',
    stateDir,
    launch: inJail(spec, silentLogger),
  })
  const { ref } = sleeper.launched
  expect(ledger.dataOf(processResource)).toEqual([{ name: 'sleeper', ref }])
  expect(noted()).toEqual([])
  await settledPosture(ref.pid, checked)
  await sleeper.confirm({ checked, working: checked })
  expect(noted()).toEqual(['sleeper', 'sleeper-waiter'])
  sleeper.handedOver('disk', [output])
  expect(readPostureRecords(stateDir)[0]?.expected.handedOver).toEqual({ disk: [`${stateDir}/output`] })
  await expect(sleeper.confirmAtWork({ ...checked, uid: 0 })).rejects.toThrow('POSTURE_DIFFERS')
  await sleeper.end()
  expect(isAlive(ref)).toBe(false)
  expect(ledger.held).toEqual([])
})

test('a process is confined where the host’s sh is bash', async () => {
  const code = `
    import { openSync } from 'node:fs'
    import { Ledger } from '${import.meta.dir}/../ledger/ledger.ts'
    import { processResource } from '${import.meta.dir}/../ledger/process-resource.ts'
    import { silentLogger as log } from '${import.meta.dir}/../log.ts'
    import { confine } from '${import.meta.dir}/confine.ts'
    const ledger = new Ledger('${stateDir}/own.jsonl', [processResource], log)
    const spec = { ...${JSON.stringify(spec)}, output: openSync('/dev/null', 'r+') }
    const asked = { name: 'sleeper', spec, posture: { seccompFilters: 1 }, stateDir: '${stateDir}', log }
    const said = await confine(ledger, { ...asked, signal: new AbortController().signal }).then(() => 'runs', String)
    await ledger.releaseAll()
    console.log(said)`
  const bashAsSh = `
    mount -t tmpfs tmpfs /mnt; mkdir /mnt/upper /mnt/work; ln -s bash /mnt/upper/sh
    mount -t overlay overlay -o lowerdir=/usr/bin,upperdir=/mnt/upper,workdir=/mnt/work /usr/bin; exec "$@"`
  const program = ['sh', '-ec', bashAsSh, 'sh', process.execPath, '-e', code]
  const run = Bun.spawn(['/usr/bin/unshare', '--mount', ...program], { stderr: 'inherit' })
  expect(await run.stdout.text()).toBe('runs\n')
})
