/** What a program that reads a stranger's bytes may do, asked of such a program. */
import { afterAll, beforeAll, expect, test } from 'bun:test'
import {
  chownSync,
  closeSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  openSync,
  readFileSync,
  readlinkSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs'
import { processesOfUids } from '../../linux/processes/uid-processes.ts'
import { throwAwayUid } from '../../rootless/identity/throw-away-uid.ts'
import { poll, until } from '../../time.ts'
import { runWithoutRights } from './without-rights.ts'

let base: string
beforeAll(() => {
  base = mkdtempSync('/run/kata-ts-rights-')
})
afterAll(() => rmSync(base, { recursive: true }))

const firstThrowAway = 0x7fff0000
const endOfAll = { timeoutMs: 10_000, everyMs: 10 }

interface RunOptions {
  readonly uid: number
  readonly gid: number
  readonly signal: AbortSignal
  /** Told of its directory. */
  readonly prepare: (directory: string) => void
}

let runs = 0
/** What a shell script prints as such a program. */
async function run(script: string, { uid = throwAwayUid(), gid, signal, prepare }: Partial<RunOptions> = {}) {
  const directory = `${base}/${++runs}`
  mkdirSync(directory)
  prepare?.(directory)
  chownSync(directory, uid, uid)
  const output = openSync(`${base}/${runs}.out`, 'w')
  try {
    const { failed, words } = await runWithoutRights({
      argv: ['/bin/sh', '-c', script],
      environment: { ITS: 'own' },
      uid,
      gid,
      directory,
      output,
      signal: signal ?? new AbortController().signal,
      received: () => 0,
      onBytes: () => {},
      stalled: () => new Error('nothing came'),
    })
    return { uid, failed, words, printed: readFileSync(`${base}/${runs}.out`, 'utf8') }
  } finally {
    closeSync(output)
    // One that may be a person's is not waited for.
    if (uid < firstThrowAway) await until(() => processesOfUids(uid, uid).length === 0, endOfAll)
    expect(processesOfUids(uid, uid)).toEqual([])
  }
}

test('it is a user of its own without groups, capabilities and ways to get any', async () => {
  const { uid, failed, printed } = await run('cat /proc/self/status')
  expect(failed).toBe(false)
  const status = new Map(printed.split('\n').map((line) => line.split(/:\s*/, 2) as [string, string]))
  const four = Array(4).fill(uid).join('\t')
  expect([status.get('Uid'), status.get('Gid'), status.get('Groups')?.trim()]).toEqual([four, four, ''])
  for (const set of ['CapInh', 'CapPrm', 'CapEff', 'CapBnd', 'CapAmb'])
    expect([set, status.get(set)]).toEqual([set, '0'.repeat(16)])
  expect(status.get('NoNewPrivs')).toBe('1')
})

test('its namespaces are its own, but those of network and users, and its /tmp holds no device or set-id program', async () => {
  const kinds = ['ipc', 'mnt', 'net', 'pid', 'user', 'uts']
  const { printed } = await run(`
    for kind in ${kinds.join(' ')}; do readlink /proc/self/ns/$kind; done
    grep -c shared: /proc/self/mountinfo
    grep ' /tmp ' /proc/self/mountinfo`)
  const lines = printed.trim().split('\n')
  const shared = kinds.filter((kind, index) => lines[index] === readlinkSync(`/proc/self/ns/${kind}`))
  expect(shared).toEqual(['net', 'user'])
  // What it mounts, and what root mounts for it, comes nowhere else.
  expect(lines[kinds.length]).toBe('0')
  const options = lines.slice(kinds.length + 1).map((line) => line.split(' ')[5]?.split(','))
  expect(options).toEqual([expect.arrayContaining(['nosuid', 'nodev'])])
})

test('it opens no way to guests or into the kernel: no vsock, no netlink, no user namespace, no keys of root’s', async () => {
  const tries = {
    ...{ vsock: '41, 40, 1, 0', netlink: '41, 16, 3, 0', namespace: '272, 0x10000000' },
    // By it sockets are made that socket(2) refuses. A host may have it switched off.
    uring: '425, 1, 0',
    // The first key of root's session, which it is in still.
    keys: '250, 0, -3, 0',
  }
  const free = { inet: '41, 2, 1, 0', unix: '41, 1, 1, 0' }
  const code = Object.entries({ ...tries, ...free })
    .map(([name, call]) => `print "${name}=", syscall(${call}) < 0 ? 0+$! : 0, " "`)
    .join('; ')
  const { printed } = await run(`perl -e '${code}'; ls /proc/self/fd | wc -w`)
  // Without all this the host allows each. Descriptors are the standard ones, and that by which ls looks.
  const plain = Bun.spawnSync(['perl', '-e', code]).stdout.toString()
  expect(plain).toMatch(/^vsock=0 netlink=0 namespace=0 uring=\d+ keys=\d+ inet=0 unix=0 $/)
  expect(printed).toBe('vsock=97 netlink=97 namespace=38 uring=38 keys=38 inet=0 unix=0 4\n')
})

/** Writes a program that runs a shell script as such a program, and is not this test: `NAME.ts`, with the output in `NAME.out`. */
function writeRunner(name: string, script: string): void {
  const directory = `${base}/${name}`
  mkdirSync(directory)
  const runner = `
    import { chownSync, openSync } from 'node:fs'
    import { throwAwayUid } from '${import.meta.dir}/../../rootless/identity/throw-away-uid.ts'
    import { runWithoutRights } from '${import.meta.dir}/without-rights.ts'
    const [uid, directory] = [throwAwayUid(), '${directory}']
    chownSync(directory, uid, uid)
    await runWithoutRights({
      ...{ argv: ['/bin/sh', '-c', ${JSON.stringify(script)}], environment: {}, uid, gid: undefined, directory },
      ...{ output: openSync('${base}/${name}.out', 'w'), signal: new AbortController().signal },
      ...{ received: () => 0, onBytes: () => {}, stalled: () => new Error('nothing came') },
    })`
  writeFileSync(`${base}/${name}.ts`, runner)
}

test('it has not the terminal at which root started it', () => {
  writeRunner('terminal', 'true < /dev/tty && echo has one || echo has none')
  // script(1) has its command at a terminal of its own.
  const command = `: < /dev/tty && ${process.execPath} ${base}/terminal.ts`
  const { exitCode, stdout } = Bun.spawnSync(['script', '-qec', command, '/dev/null'])
  expect({ exitCode, stdout: stdout.toString() }).toEqual({ exitCode: 0, stdout: '' })
  expect(readFileSync(`${base}/terminal.out`, 'utf8')).toBe('has none\n')
})

test('it and what it has started end with root’s process, however that ends', async () => {
  writeRunner('orphan', 'sleep 86400 & id -u; sleep 86400')
  const parent = Bun.spawn([process.execPath, `${base}/orphan.ts`], { stderr: 'inherit' })
  const uid = await poll(
    () =>
      (existsSync(`${base}/orphan.out`) && Number(readFileSync(`${base}/orphan.out`, 'utf8'))) || undefined,
    { timeoutMs: 10_000 },
  )
  expect(processesOfUids(uid!, uid!).length).toBeGreaterThan(1)
  parent.kill('SIGKILL')
  await parent.exited
  await until(() => processesOfUids(uid!, uid!).length === 0, endOfAll)
  expect(processesOfUids(uid!, uid!)).toEqual([])
})

test('each of its processes has 4 GiB of memory of its own at most', async () => {
  // Private memory that may be written, of which no page is used: so many GiB.
  const map = (gib: number) => `syscall(9, 0, ${gib} << 30, 3, 0x4022, -1, 0) == -1 ? 0+$! : 0, " "`
  const code = [5, 3].map((gib) => `print ${map(gib)}`).join('; ')
  expect(Bun.spawnSync(['perl', '-e', code]).stdout.toString()).toBe('0 0 ')
  expect((await run(`perl -e '${code}'`)).printed).toBe('12 0 ')
})

test('it has the one group that it is given', async () => {
  const { printed } = await run('grep Groups: /proc/self/status', { gid: 0x7ffffffe })
  expect(printed.trim().split(/\s+/)).toEqual(['Groups:', String(0x7ffffffe)])
})

test('it sees no process but its own, writes where it is told to, and has no environment of root’s', async () => {
  const script = 'echo /proc/[0-9]*; pwd; echo x > a && cat a; ls /tmp; ulimit -Hc; /usr/bin/env | sort'
  const { printed } = await run(script)
  const [processes, ...lines] = printed.trim().split('\n')
  expect(processes?.split(' ').length).toBeLessThan(4)
  expect(lines.slice(0, 4)).toEqual(['/tmp', 'x', 'a', '0'])
  const names = lines.slice(4).map((line) => line.split('=')[0]!)
  expect(names).toEqual(['HOME', 'ITS', 'PATH', 'PWD', 'TMPDIR'])
})

test('no user of the host reads its environment, which may have the password of a proxy', async () => {
  const stop = new AbortController()
  const ended = run('echo $ITS; : marked; sleep 86400', { signal: stop.signal }).catch((error) => error)
  const output = `${base}/${runs}.out`
  await poll(() => (existsSync(output) && readFileSync(output, 'utf8') !== '') || undefined, {
    timeoutMs: 10_000,
  })
  expect(readFileSync(output, 'utf8')).toBe('own\n')
  const asNobody = ['setpriv', '--reuid', '65534', '--regid', '65534', '--clear-groups', '--']
  const seen = Bun.spawnSync([
    ...asNobody,
    'sh',
    '-c',
    'cat /proc/[0-9]*/cmdline /proc/[0-9]*/environ',
  ]).stdout
  stop.abort(new Error('enough'))
  await ended
  // Command lines are everybody's to read.
  expect(seen.includes(': marked')).toBe(true)
  expect(seen.includes('ITS=own')).toBe(false)
})

test('it cannot fill the host’s table of processes', async () => {
  const { printed } = await run('grep "Max processes" /proc/self/limits')
  expect(printed.trim().split(/ {2,}/)).toEqual(['Max processes', '1024', '1024', 'processes'])
})

test('of what it says without end, the end is kept, and not in root’s memory all of it', async () => {
  const { failed, words } = await run('head -c 20000000 /dev/zero | tr "\\0" x >&2; echo over >&2; exit 1')
  expect(failed).toBe(true)
  expect(words.length).toBeLessThan(100_000)
  expect(words).toEndWith('xover\n')
})

test('what it has started ends with it, also when it is told to stop', async () => {
  expect((await run('sleep 86400 & exit 3')).failed).toBe(true)
  const stop = new AbortController()
  const reason = new Error('enough')
  setTimeout(() => stop.abort(reason), 300)
  await expect(run('setsid sleep 86400 & sleep 86400', { signal: stop.signal })).rejects.toBe(reason)
})

test('what an earlier one left in its directory is not written through', async () => {
  writeFileSync(`${base}/victim`, 'before')
  const prepare = (directory: string) => symlinkSync(`${base}/victim`, `${directory}/filter`)
  await expect(run('true', { prepare })).rejects.toThrow('EEXIST')
  expect(readFileSync(`${base}/victim`, 'utf8')).toBe('before')
})

test('that its user may have processes still is an error, whatever else went wrong', async () => {
  // Killing ends at once for an id that people and services may have.
  // No other run of the tests has it at the same time.
  const uid = 60_000 + (process.pid % 5000)
  const left = { code: 'IMAGE_READER_LEFT', message: expect.stringContaining(`user ${uid}`) }
  await expect(run('true', { uid })).rejects.toMatchObject(left)
  const stop = new AbortController()
  const reason = new Error('enough')
  setTimeout(() => stop.abort(reason), 300)
  const stopped = run('sleep 86400', { uid, signal: stop.signal })
  await expect(stopped).rejects.toMatchObject({ ...left, cause: reason })
})
