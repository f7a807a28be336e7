/** System calls that end in an uncommon way. */
import { expect, setDefaultTimeout, test } from 'bun:test'
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { hasQuickjs, inQuickjs } from '../src/system/in-quickjs.double.ts'

// Each script is compiled first.
setDefaultTimeout(60_000)

const imports = "import * as calls from 'syscalls'"
const setUp = `
const say = (...words) => { out.puts(words.join(' ') + '\\n'); out.flush() }
const codeOf = (action) => { try { return action() } catch (error) { return error.code } }
`
const inGuest = test.skipIf(!hasQuickjs)

inGuest('the module has the functions that its types promise, and no others', async () => {
  const types = readFileSync(join(import.meta.dir, '../types/syscalls.d.ts'), 'utf8')
  const promised = [...types.matchAll(/export function (\w+)/g)].map(([, name]) => name!)
  const said = await inQuickjs({ imports, body: `${setUp}\nsay(...Object.keys(calls).sort())` })
  expect(said.trim().split(' ')).toEqual(promised.sort())
})

inGuest('a file that takes only a part says why', async () => {
  const said = await inQuickjs(
    {
      imports,
      body: `${setUp}
say(codeOf(() => calls.writeFile('/dev/null', 'all of it', 0, 0)))`,
    },
    `#include <errno.h>
#include <unistd.h>
/* As a file system with room for four bytes. */
static size_t room = 4;
ssize_t __wrap_write(int fd, const void *data, size_t length) {
  if (fd < 3) return syscall(1, fd, data, length);
  if (!room) return errno = ENOSPC, -1;
  const size_t count = length < room ? length : room;
  return room -= count, count;
}`,
  )
  expect(said).toBe('ENOSPC\n')
})

inGuest('work that takes long keeps open nothing of the agent’s', async () => {
  const said = await inQuickjs(
    {
      imports,
      body: `${setUp}
const [from, to] = calls.pipe(4096)
const children = [
  calls.syncFileSystems(),
  calls.syncFileSystem('/'),
  calls.startMount('a', '/', 'b', 0, ''),
  calls.growFileSystem('/', 'ext4', 4096),
  calls.enterDirectories(['/']),
]
calls.close(to)
calls.setNonblocking(from)
// The children have a moment to begin.
let end = null
for (let looks = 0; end === null && looks < 500; looks++) {
  end = calls.read(from, 1)
  if (end === null) await new Promise((resolve) => setTimeout(resolve, 10))
}
for (const child of children) calls.kill(child, 9)
say(end === null ? 'open' : 'closed')`,
    },
    `#include <unistd.h>
#include <sys/types.h>
void __wrap_sync(void) { pause(); }
int __wrap_syncfs(int fd) { return pause(); }
int __wrap_mount(void) { return pause(); }
int __wrap_fstatvfs(void) { return pause(); }`,
  )
  expect(said).toBe('closed\n')
})

inGuest('a program that cannot have its descriptors is not started with those of the agent', async () => {
  const said = await inQuickjs({
    imports,
    body: `${setUp}
say(codeOf(() => calls.spawn(['/bin/true'], [], [0, 999, 2])))
say(codeOf(() => calls.spawn(['/bin/true'], [], Array(17).fill(0))))`,
  })
  expect(said).toBe('EBADF\nE2BIG\n')
})

inGuest('over vsock, the agent serves its host and nobody in the machine', async () => {
  const accepted = `#define _GNU_SOURCE
#include <sys/socket.h>
#include <linux/vm_sockets.h>
#include <unistd.h>
/* The machine itself, the guest's own address, the host, and a client of a unix socket. */
static const struct { unsigned family, cid; } peers[] = {{AF_VSOCK, 1}, {AF_VSOCK, 3}, {AF_VSOCK, 2}, {AF_UNIX, 0}};
int __wrap_accept4(int fd, struct sockaddr *address, socklen_t *length, int flags) {
  static int next;
  struct sockaddr_vm peer = {.svm_family = peers[next].family, .svm_cid = peers[next].cid};
  next++;
  if (address) *(struct sockaddr_vm *)address = peer;
  return dup(0);
}`
  const said = await inQuickjs(
    {
      imports,
      body: `${setUp}
for (let turn = 0; turn < 4; turn++) say(calls.accept(0) === null ? 'refused' : 'served')`,
    },
    accepted,
  )
  expect(said).toBe('refused\nrefused\nserved\nserved\n')
})

inGuest('programs that the kernel starts for modules share a cgroup, before they do anything', async () => {
  const wraps = `#include <string.h>
#include <unistd.h>
int __wrap_open(const char *path, int flags) {
  write(1, path, strlen(path));
  write(1, "\\n", 1);
  return dup(1);
}`
  const started = (...args: string[]) =>
    inQuickjs({ imports, body: `${setUp}\nsay(' is where it is')`, args }, wraps)
  expect(await started('-q', '--', 'net-pf-31')).toBe(
    '/sys/fs/cgroup/module-requests/cgroup.procs\n0 is where it is\n',
  )
  expect(await started()).toBe(' is where it is\n')
})

inGuest('users of the guest have as many processes and waiting signals as there may be', async () => {
  const said = await inQuickjs(
    {
      imports,
      body: `${setUp}
calls.unlimitUsers()`,
    },
    `#include <stdio.h>
#include <sys/resource.h>
int __wrap_setrlimit(int resource, const struct rlimit *limit) {
  const char *name = resource == RLIMIT_NPROC ? "processes" : resource == RLIMIT_SIGPENDING ? "signals" : "others";
  printf("%s %d\\n", name, limit->rlim_cur == RLIM_INFINITY && limit->rlim_max == RLIM_INFINITY);
  fflush(stdout);
  return 0;
}`,
  )
  expect(said).toBe('processes 1\nsignals 1\n')
})

inGuest('files whose names are no UTF-8 are found by them, and no other file is', async () => {
  const top = mkdtempSync(join(tmpdir(), 'names-'))
  try {
    const names = [
      Buffer.from('plain'),
      Buffer.from('ü😀'),
      Buffer.from('caf\xe9', 'latin1'),
      Buffer.alloc(255, 0xff),
      // A character that is too long, one that is cut, and a surrogate: the last looks like what stands for a byte.
      Buffer.from('\xc0\xaf', 'latin1'),
      Buffer.from('\xf0\x9f', 'latin1'),
      Buffer.from('\xed\xb2\x80', 'latin1'),
      Buffer.from('\x80', 'latin1'),
    ]
    for (const name of names)
      writeFileSync(Buffer.concat([Buffer.from(`${top}/`), name]), name.toString('hex'))
    const said = await inQuickjs({
      imports,
      body: `${setUp}
for (const name of calls.names('${top}')) say(calls.readFile('${top}/' + name))`,
    })
    expect(said.trim().split('\n').sort()).toEqual(names.map((name) => name.toString('hex')).sort())
  } finally {
    rmSync(top, { recursive: true })
  }
})

inGuest('a path that the kernel is not sure of is looked up again, but not for ever', async () => {
  const said = await inQuickjs(
    {
      imports,
      body: `${setUp}
for (const path of ['some/../times', 'never/../ever']) say(codeOf(() => calls.openIn(0, path, 0, 0)))`,
    },
    `#include <errno.h>
#include <string.h>
long __wrap_syscall(long number, long directory, const char *path) {
  static int looks;
  return strcmp(path, "some/../times") || ++looks < 5 ? (errno = EAGAIN, -1) : 7;
}`,
  )
  expect(said).toBe('7\nEAGAIN\n')
})

inGuest('nobody but the kernel answers on a netlink socket', async () => {
  const said = await inQuickjs(
    {
      imports,
      body: `${setUp}
const fd = calls.openSocket(16, 3, 0)
calls.write(fd, new Uint8Array(0), 0)
const answer = calls.receive(fd, 4096)
say(answer === null ? 'nothing' : answer.length)`,
    },
    `#include <linux/netlink.h>
#include <sys/socket.h>
#include <unistd.h>
ssize_t __real_write(int fd, const void *data, size_t length);
/* A container with CAP_NET_ADMIN sends to the agent, whose network namespace is the container's. Without that right it cannot. */
ssize_t __wrap_write(int fd, const void *data, size_t length) {
  struct sockaddr_nl agent = {0};
  socklen_t size = sizeof agent;
  if (fd < 3 || getsockname(fd, (struct sockaddr *)&agent, &size) < 0) return __real_write(fd, data, length);
  /* As the first request would. */
  if (agent.nl_pid == 0 && bind(fd, (struct sockaddr *)&agent, size) == 0) getsockname(fd, (struct sockaddr *)&agent, &size);
  struct nlmsghdr forged = {.nlmsg_len = sizeof forged, .nlmsg_type = NLMSG_DONE, .nlmsg_seq = 1};
  const int container = socket(AF_NETLINK, SOCK_RAW, NETLINK_ROUTE);
  sendto(container, &forged, sizeof forged, 0, (struct sockaddr *)&agent, sizeof agent);
  close(container);
  return length;
}`,
  )
  expect(said).toBe('nothing\n')
})
