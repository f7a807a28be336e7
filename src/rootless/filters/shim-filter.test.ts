/** What the shim's filter takes from root, each beside the same act without it. e2e/shim-rights.test.ts has the whole calls. */
import { afterAll, beforeAll, expect, test } from 'bun:test'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { shimDeniedSyscalls, shimFilter } from './shim-filter.ts'

let directory: string
beforeAll(() => {
  directory = mkdtempSync(`${tmpdir()}/shim-filter-`)
  writeFileSync(`${directory}/filter`, shimFilter())
})
afterAll(() => rmSync(directory, { recursive: true }))

const [EPERM, EBADF, EINVAL, ENOSYS, EAFNOSUPPORT, EOPNOTSUPP] = [1, 9, 22, 38, 97, 95]

/** Errno of a system call that perl makes, 0 when it succeeded. `TERMINAL` is a terminal that is nobody's. */
function errnoOf(call: string, filtered: boolean): number {
  const terminal = `
    open(M, '+<', '/dev/ptmx') or die; $zero = pack('i', 0); ioctl(M, 0x40045431, $zero); $n = pack('i', 0); ioctl(M, 0x80045430, $n);
    sysopen(T, '/dev/pts/' . unpack('i', $n), 02 | 0400) or die; $t = fileno(T); $x = "x\\0\\0\\0\\0\\0\\0\\0"; $fd = "\\0" x 8;`
  const code = `${call.includes('$t') ? terminal : '$fd = "\\0" x 8;'} $r = syscall(${call}); print $r == -1 ? 0+$! : 0`
  const setpriv = filtered ? ['/usr/bin/setpriv', '--seccomp-filter', `${directory}/filter`] : []
  const { stdout, exitCode } = Bun.spawnSync([...setpriv, '/usr/bin/perl', '-e', code])
  expect(exitCode).toBe(0)
  return Number(stdout.toString())
}

test.each([
  ['type into a terminal', '16, $t, 0x5412, $x', EPERM, 0],
  ['change the discipline of a terminal', '16, $t, 0x5423, $zero', EPERM, 0],
  ['make a pair of sockets of another family', '53, 16, 3, 0, $fd', EAFNOSUPPORT, EOPNOTSUPP],
  ['move the pages of a process', '279, 0, 0, 0, 0, 0, 1 << 31', ENOSYS, EINVAL],
  ['look at segments of its own', '154, 0, $fd, 8', ENOSYS, 0],
])('with it nobody can %s', (_what, call, filtered, free) => {
  expect({ filtered: errnoOf(call, true), free: errnoOf(call, false) }).toEqual({ filtered, free })
})

test.each([
  ['a unix socket', '41, 1, 1, 0'],
  ['an internet socket', '41, 2, 1, 0'],
  ['a netlink socket', '41, 16, 3, 0'],
  ['the size of a terminal', '16, $t, 0x5413, $x'],
  ['a pair of unix sockets', '53, 1, 1, 0, $fd'],
])('%s is as it was', (_what, call) => {
  expect(errnoOf(call, true)).toBe(0)
})

test('of the families of sockets that this kernel has, it has those of a runtime', () => {
  const all = Array.from({ length: 46 }, (_, family) => family)
  const has = (filtered: boolean) =>
    all.filter((family) => errnoOf(`41, ${family}, 2, 0`, filtered) !== EAFNOSUPPORT)
  const free = has(false)
  expect(has(true)).toEqual(free.filter((family) => [1, 2, 10, 16, 17, 40].includes(family)))
  expect(free).toContain(16)
})

// By number, and with arguments with which none of them does anything. The list's own numbers would follow a change of the list.
test.each<[string, string]>([
  ['ptrace', '101, 99, 0, 0, 0'],
  ['process_vm_readv', '310, -1, 0, 0, 0, 0, 0'],
  ['process_vm_writev', '311, -1, 0, 0, 0, 0, 0'],
  ['kcmp', '312, -1, -1, 99, 0, 0'],
  ['pidfd_getfd', '438, -1, 0, 0'],
  ['process_madvise', '440, -1, 0, 0, 0, 0'],
  ['bpf', '321, -1, 0, 0'],
  ['perf_event_open', '298, 0, 0, 0, 0, 0'],
  ['io_uring_setup', '425, 0, 0'],
  ['io_uring_enter', '426, -1, 0, 0, 0, 0, 0'],
  ['io_uring_register', '427, -1, 0, 0, 0'],
  ['add_key', '248, 0, 0, 0, 0, 0'],
  ['request_key', '249, 0, 0, 0, 0'],
  ['keyctl', '250, -1, 0, 0'],
  ['open_by_handle_at', '304, -1, 0, 0'],
  ['fanotify_init', '300, 0xffff, 0'],
])('a shim has no %s, which this kernel has', (_name, call) => {
  expect(errnoOf(call, false)).not.toBe(ENOSYS)
  expect(errnoOf(call, true)).toBe(ENOSYS)
})

// Not every kernel has these. One that has them says no to such arguments: a bad pointer, descriptor or flag, or a magic number that is none.
test.each<[string, string]>([
  ['migrate_pages', '256, -1, 0, 0, 0'],
  ['init_module', '175, 0, 0, 0'],
  ['delete_module', '176, 0, 0'],
  ['finit_module', '313, -1, 0, 0'],
  ['kexec_load', '246, 0, 17, 0, 0'],
  ['kexec_file_load', '320, -1, -1, 0, 0, 1 << 30'],
  ['userfaultfd', '323, -1'],
  ['remap_file_pages', '216, 1, 1, 1, 1, 1'],
  ['reboot', '169, 0, 0, 0, 0'],
  ['swapon', '167, 0, 0'],
  ['swapoff', '168, 0'],
  ['acct', '163, 1'],
  ['quotactl', '179, -1, 0, 0, 0'],
  ['quotactl_fd', '443, -1, 0, 0, 0'],
  ['syslog', '103, 99, 0, 0'],
  ['iopl', '172, 4'],
  ['ioperm', '173, 65536, 1, 1'],
  ['settimeofday', '164, 1, 0'],
  ['adjtimex', '159, 1'],
  ['clock_settime', '227, 99, 0'],
  ['clock_adjtime', '305, 99, 0'],
  ['sethostname', '170, 1, 99'],
  ['setdomainname', '171, 1, 99'],
])('a shim has no %s, where the kernel has it', (_name, call) => {
  const free = errnoOf(call, false)
  expect(free).not.toBe(0)
  if (free !== ENOSYS) expect(errnoOf(call, true)).toBe(ENOSYS)
})

test('each request to a terminal is refused before the terminal is asked', () => {
  for (const request of ['0x5412', '0x541c', '0x541d', '0x5423']) {
    expect([request, errnoOf(`16, -1, ${request}, 0`, true)]).toEqual([request, EPERM])
    expect([request, errnoOf(`16, -1, ${request}, 0`, false)]).toEqual([request, EBADF])
  }
})

test('no call is denied under two names', () => {
  const numbers = Object.values(shimDeniedSyscalls()).flatMap(Object.values)
  expect(new Set(numbers).size).toBe(numbers.length)
})
