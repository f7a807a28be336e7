import { afterAll, beforeAll, expect, test } from 'bun:test'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { networkFilter, resolverFilter } from './network-filter.ts'

const [EPERM, ENOSYS, EAFNOSUPPORT, ESOCKTNOSUPPORT] = [1, 38, 97, 94]
let directory: string
beforeAll(() => {
  directory = mkdtempSync(`${tmpdir()}/network-filter-`)
  writeFileSync(`${directory}/filter`, networkFilter())
  writeFileSync(`${directory}/resolver`, resolverFilter())
})
afterAll(() => rmSync(directory, { recursive: true }))

/** What perl prints, with the filter and without it. */
const both = (code: string, ...args: string[]) => ({
  filtered: says('filter', code, args),
  free: says(undefined, code, args),
})

function says(filter: string | undefined, code: string, args: readonly string[] = []): string {
  const under = filter === undefined ? [] : ['/usr/bin/setpriv', '--seccomp-filter', `${directory}/${filter}`]
  const { stdout } = Bun.spawnSync([...under, '/usr/bin/perl', '-MSocket', '-e', code, ...args])
  return stdout.toString()
}

const socket = (family: number, type: number) => `print syscall(41, ${family}, ${type}, 0) < 0 ? 0+$! : 0`
const pair = (type: number) => `print syscall(53, 1, ${type}, 0, $b = "\\0" x 8) < 0 ? 0+$! : 0`

test.each([
  ['a unix socket', socket(1, 1), EAFNOSUPPORT],
  ['a vsock', socket(40, 1), EAFNOSUPPORT],
  ['a pair of unix sockets for datagrams', pair(2), ESOCKTNOSUPPORT],
  ['one that is neither inherited nor waits', pair(2 | 0o2004000), ESOCKTNOSUPPORT],
  // Which the kernel takes for one of datagrams.
  ['a raw pair', pair(3), ESOCKTNOSUPPORT],
])('%s is refused', (_, code, errno) => {
  expect(both(code)).toEqual({ filtered: `${errno}`, free: '0' })
})

test('io_uring, which makes sockets without socket(2), is not there', () => {
  const { filtered, free } = both('print syscall(425, 1, 0) < 0 ? 0+$! : 0')
  expect(filtered).toBe(`${ENOSYS}`)
  expect(free).not.toBe(`${ENOSYS}`)
})

test.each([
  ['an internet socket', socket(2, 1)],
  ['a netlink socket', socket(16, 3)],
  ['a pair of streams', pair(1 | 0o2000000)],
  ['a pair of packets in sequence', pair(5)],
])('%s is not', (_, code) => {
  expect(both(code)).toEqual({ filtered: '0', free: '0' })
})

// pasta needs a user namespace; a name server in one of its own would have all of root's ways into the kernel.
test.each([
  ['a user namespace', '272, 0x10000000', ENOSYS],
  ['one by clone', '56, 0x10000011, 0, 0, 0, 0', EPERM],
  ['a call whose flags lie in memory', '435, 0, 0', ENOSYS],
])('the name server makes no namespaces: %s', (_, call, errno) => {
  const code = `$p = $$; $r = syscall(${call}); exit if $$ != $p; print $r == -1 ? 0+$! : 0`
  expect(says('resolver', code)).toBe(`${errno}`)
  expect(says('filter', code)).not.toBe(`${errno}`)
})

test('it makes processes, and its sockets are the same', () => {
  expect(says('resolver', 'print system("/usr/bin/true")')).toBe('0')
  expect([socket(2, 1), socket(1, 1), pair(2)].map((code) => says('resolver', code))).toEqual([
    '0',
    `${EAFNOSUPPORT}`,
    `${ESOCKTNOSUPPORT}`,
  ])
})

test('no end of a pair leads to the socket of another program', async () => {
  const listens = `socket(S, AF_UNIX, SOCK_DGRAM, 0) or die; bind(S, pack_sockaddr_un($ARGV[0])) or die;
    $| = 1; print "up\\n"; for (1, 2) { recv(S, $m, 9, 0); print "$m\\n"; last if $m eq "end" }`
  const path = `${directory}/socket`
  const listener = Bun.spawn(['/usr/bin/perl', '-MSocket', '-e', listens, path], { stdout: 'pipe' })
  const words = listener.stdout.pipeThrough(new TextDecoderStream())
  const heard = words[Symbol.asyncIterator]()
  expect((await heard.next()).value).toBe('up\n')
  const sends = (word: string) => `socketpair(A, B, AF_UNIX, SOCK_DGRAM, 0) or print(0+$!), exit;
    connect(A, pack_sockaddr_un($ARGV[0])) or print(0+$!), exit; print send(A, "${word}", 0)`
  try {
    expect(both(sends('end'), path)).toEqual({ filtered: `${ESOCKTNOSUPPORT}`, free: '3' })
    expect((await heard.next()).value).toBe('end\n')
  } finally {
    listener.kill('SIGKILL')
    await listener.exited
  }
})
