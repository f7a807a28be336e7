/** What a tool may do over the files of strangers, tried from inside by perl, and that nothing of it stays. */
import { afterEach, beforeEach, expect, setDefaultTimeout, test } from 'bun:test'
import {
  chmodSync,
  chownSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs'
import { readStatus } from '../linux/processes/proc.ts'
import { processesOfUids } from '../linux/processes/uid-processes.ts'
import { until } from '../time.ts'
import { readPosture } from './posture/posture.ts'
import { type ConfinedRun, runConfined } from './run-confined.ts'

setDefaultTimeout(60_000)

/** Pids of our own processes of throw-away users: those that others test meanwhile are not ours. */
const running = (): number[] =>
  processesOfUids(0x7fff0000, 0x7ffffffd)
    .map(({ pid }) => pid)
    .filter((pid) => [parentOf(pid), parentOf(parentOf(pid))].includes(process.pid))
const parentOf = (pid: number) => Number(readStatus(`/proc/${pid}/status`)?.get('PPid') ?? 0)

let base: string
let directory: string
beforeEach(() => {
  // On a disk, as an overlay of a tmpfs needs a newer kernel.
  base = mkdtempSync('/var/tmp/kata-ts-confined-')
  directory = `${base}/jail`
  for (const path of [directory, `${base}/upper`, `${base}/lower`]) mkdirSync(path, { mode: 0o700 })
  for (const [layer, name] of [
    ['lower', 'both'],
    ['lower', 'low'],
    ['upper', 'both'],
  ]) {
    writeFileSync(`${base}/${layer}/${name}`, layer!, { mode: 0o600 })
    chownSync(`${base}/${layer}/${name}`, 4242, 4242)
  }
  writeFileSync(`${base}/disk`, '', { mode: 0o600 })
})
afterEach(() => {
  const { uid, gid } = statSync(`${base}/disk`)
  const left = { running: running(), files: readdirSync(directory), owner: [uid, gid] }
  rmSync(base, { recursive: true })
  expect(left).toEqual({ running: [], files: [], owner: [0, 0] })
})

/** How large the disk may become. */
const size = 64 * 2 ** 20
/** Perl reads its -e from /dev/null. */
const perl = (code: string, more: Partial<ConfinedRun> = {}) =>
  runConfined({
    program: '/usr/bin/perl',
    args: ['-e', code],
    files: ['/dev/null'],
    tree: { target: '/tree/merged', layers: [`${base}/upper`, `${base}/lower`] },
    disk: { source: `${base}/disk`, target: '/disk', mostBytes: size },
    directory,
    timeoutMs: 30_000,
    ...more,
  })

/** Perl that does `act` and prints `ok` or the number of the errno. */
const attempt = (act: string) => `$!=0; print((${act}) ? "ok" : 0+$!, "\\n");`
const [ENOENT, EACCES, EFBIG, EROFS, ENOSYS] = ['2', '13', '27', '30', '38']
const answers = ({ stdout }: { stdout: string }) => stdout.trim().split('\n')
const read = (path: string) => `open F, "<", "${path}"; print <F>, "\\n";`

test('reads the layers as one directory, whoever may read the files, and writes the disk', async () => {
  const code = `${read('/tree/merged/both')} ${read('/tree/merged/low')} open D, ">", "/disk"; print D "made"; warn "told\n"; exit 3`
  expect(await perl(code)).toEqual({ code: 3, stdout: 'upper\nlower\n', stderr: 'told\n' })
  expect(readFileSync(`${base}/disk`, 'utf8')).toBe('made')
})

test('its disk becomes no larger than it may', async () => {
  const write = (bytes: number) => attempt(`sysseek(D, ${bytes} - 1, 0) && syswrite(D, "x")`)
  const code = `open D, ">", "/disk";${write(size)}${write(size + 1)}`
  expect(answers(await perl(code))).toEqual(['ok', EFBIG])
  expect(statSync(`${base}/disk`).size).toBe(size)
})

test('a single layer is the directory', async () => {
  const tree = { target: '/tree/merged', layers: [`${base}/lower`] }
  expect(
    answers(await perl(`${read('/tree/merged/both')}${attempt('opendir D, "/tree"')}`, { tree })),
  ).toEqual(['lower', 'ok'])
})

test('more layers than mount(2) would take by their paths', async () => {
  const layers = Array.from({ length: 120 }, (_, index) => `${base}/${'x'.repeat(40)}${index}`)
  for (const [index, layer] of layers.entries()) {
    mkdirSync(layer)
    writeFileSync(`${layer}/${index}`, '')
  }
  const tree = { target: '/tree/merged', layers }
  const { stdout, stderr } = await perl('opendir D, "/tree/merged"; print scalar(grep /\\d/, readdir D)', {
    tree,
  })
  expect([stdout, stderr]).toEqual(['120', ''])
})

test('sees nothing of the host, and writes nowhere else', async () => {
  const acts = [
    ...['/etc/shadow', '/proc/self', '/dev/kvm', base].map((path) => attempt(`lstat "${path}"`)),
    ...['/tree/merged/both', '/tree/merged/new', '/file', '/usr/file'].map((path) =>
      attempt(`open F, ">", "${path}"`),
    ),
    attempt('exec { "/usr/bin/env" } "env"'),
    attempt('open F, ">", "/disk"'),
  ]
  expect(answers(await perl(acts.join('')))).toEqual([
    ...[ENOENT, ENOENT, ENOENT, ENOENT],
    ...[EROFS, EROFS, EROFS, EROFS],
    EACCES,
    'ok',
  ])
})

test('its capability leads to no file by a handle, no namespace, no network, no other process and no memory that its limit does not count', async () => {
  const calls = {
    name_to_handle_at: '303, -100, 0, 0, 0, 0',
    open_by_handle_at: '304, 0, 0, 0',
    unshare: '272, 0x10000000',
    mount: '165, 0, 0, 0, 0, 0',
    chroot: '161, 0',
    mknod: '133, 0, 0, 0',
    chown: '92, 0, 0, 0',
    fork: '57',
    ptrace: '101, 0, 0, 0, 0',
    memfd_create: '319, $name, 0',
  }
  const acts = Object.values(calls).map((call) => attempt(`syscall(${call}) != -1`))
  const said = await perl(
    `$name = "x";${acts.join('')}${attempt('syscall(41, 2, 1, 0) != -1')}${attempt('syscall(39) != -1')}`,
  )
  const EAFNOSUPPORT = '97'
  expect(answers(said)).toEqual([...acts.map(() => ENOSYS), EAFNOSUPPORT, 'ok'])
})

test('reaches no service by a socket in what it reads', async () => {
  const path = `${base}/lower/socket`
  using _ = Bun.listen({ unix: path, socket: { data: () => {} } })
  chmodSync(path, 0o600)
  // For us somebody listens there.
  using control = await Bun.connect({ unix: path, socket: { data: () => {} } })
  expect(control.readyState).toBe(1)
  const said = await perl(
    `$a = pack "S a108", 1, "/tree/merged/socket"; $word = "word";${[
      'syscall(41, 1, 1, 0) != -1',
      'lstat "/tree/merged/socket"',
      'syscall(42, 3, $a, 110) != -1',
      'syscall(44, 3, $word, 4, 0, $a, 110) != -1',
      'syscall(46, 3, $a, 0) != -1',
    ]
      .map(attempt)
      .join('')}`,
    { tree: { target: '/tree/merged', layers: [`${base}/lower`] } },
  )
  expect(answers(said)).toEqual(['ok', 'ok', ENOSYS, ENOSYS, ENOSYS])
})

test('has a user of its own and one capability', async () => {
  const over = new AbortController()
  const run = perl('sleep 100', { signal: over.signal })
  const perlOf = () => running().find((pid) => readFileSync(`/proc/${pid}/comm`, 'utf8') === 'perl\n')
  expect(await until(() => perlOf() !== undefined, { timeoutMs: 20_000, everyMs: 5 })).toBe(true)
  const { threads, environment, limits, interfaces } = readPosture(perlOf()!)
  const [{ uid, gid, groups, capabilities, noNewPrivs, seccomp }] = threads as [(typeof threads)[0]]
  expect(new Set([...uid, ...gid]).size).toBe(1)
  expect(uid[0]).toBeGreaterThanOrEqual(0x7fff0000)
  expect(new Set(Object.values(capabilities))).toEqual(new Set(['0000000000000002']))
  expect([groups, noNewPrivs, seccomp, interfaces]).toEqual([[], 1, 2, ['lo']])
  expect([environment < 100, limits.as]).toEqual([true, `${4 * 2 ** 30}:${4 * 2 ** 30}`])
  over.abort(new Error('given up'))
  await expect(run).rejects.toThrow('given up')
})

test('its time ends with the limit, and of what it says only the end is read', async () => {
  expect((await perl('sleep 100', { timeoutMs: 2000 })).code).toBeNull()
  const { stdout } = await perl('print "x" x 10_000_000, "end"')
  expect([stdout.length, stdout.slice(-4)]).toEqual([65536, 'xend'])
})

test('what it says takes no room on a disk of the host', async () => {
  const ESPIPE = '29'
  const allocate = (fd: string) => attempt(`syscall(285, ${fd}, 0, 0, ${size}) != -1`)
  const acts = ['1', '2'].map(allocate).join('')
  // Control: the same call gives the disk room.
  const said = await perl(`${acts} open D, "+<", "/disk"; ${allocate('fileno D')}`)
  expect(answers(said)).toEqual([ESPIPE, ESPIPE, 'ok'])
  expect(statSync(`${base}/disk`).size).toBe(size)
})

test('takes the time that it is given for its own', async () => {
  const { stdout } = await perl('print join ",", map "$_=$ENV{$_}", grep !/PWD/, sort keys %ENV', {
    sourceDateEpoch: 42,
  })
  expect(stdout).toBe('SOURCE_DATE_EPOCH=42')
})
