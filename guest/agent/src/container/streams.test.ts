import { expect, setDefaultTimeout, test } from 'bun:test'
import { join } from 'node:path'
import { hasQuickjs, inQuickjs, sources } from '../system/in-quickjs.double.ts'

// The script is compiled first.
setDefaultTimeout(60_000)

const imports = `
import { close, pipe, read, unread, write } from 'syscalls'
import { createOutputStream } from ${JSON.stringify(join(sources, 'container/streams.ts'))}
import { createLoop } from ${JSON.stringify(join(sources, 'devices/loop.ts'))}
`
const setUp = `
const call = { onCancel: () => {} }
const [mine, its] = pipe(1 << 20)
const stream = createOutputStream(createLoop(), mine, 'pipe')
const say = (...words) => { out.puts(words.join(' ') + '\\n'); out.flush() }
`

test.skipIf(!hasQuickjs)(
  'what the host was told of is there, although the process reads its own output',
  async () => {
    const body = `${setUp}
write(its, new Uint8Array(100_000), 0)
const tail = await stream.read(65_536, call)
// As a process does it that opens /proc/self/fd/1.
read(mine, 1 << 20)
say(tail.bytes, unread(tail.fd))
tail.over()
write(its, new Uint8Array(5), 0)
// What was not brought to the host is what it gets next.
const next = await stream.read(40_000, call)
say(next.bytes, unread(next.fd))
read(next.fd, 65_536)
next.over()
say((await stream.read(65_536, call)).length)
close(its)
say((await stream.read(65_536, call)).length)`
    expect(await inQuickjs({ imports, body })).toBe('65536 65536\n40000 65536\n5\n0\n')
  },
)

test.skipIf(!hasQuickjs)(
  'output is copied out of its pipe, as a splice takes the buffers with it that the process made',
  async () => {
    // What a kernel before 6.15 has in a pipe whose process wrote from where no memory is: the kernel of the tests is a later one.
    const replaced = `
#define _GNU_SOURCE
#include <fcntl.h>
#include <stdlib.h>
ssize_t __wrap_splice(int from, off_t *at, int to, off_t *there, size_t size, unsigned flags) { abort(); }`
    const body = `${setUp}
write(its, new Uint8Array(100_000).fill(7), 0)
const tail = await stream.read(1 << 20, call)
const bytes = read(tail.fd, tail.bytes)
say(tail.bytes, bytes.length, bytes.every((byte) => byte === 7))
tail.over()
write(its, new Uint8Array(100_000).fill(8), 0)
const next = await stream.read(66_000, call)
say(next.bytes, unread(next.fd), unread(mine))
read(next.fd, next.bytes)
next.over()
write(its, new Uint8Array((1 << 20) - 65_536).fill(9), 0)
const whole = await stream.read(1 << 21, call)
say(whole.bytes, unread(mine))
stream.close()`
    expect(await inQuickjs({ imports, body }, replaced)).toBe(
      '100000 100000 true\n66000 66000 34000\n1017040 0\n',
    )
  },
)

test.skipIf(!hasQuickjs)('a page that cannot be read ends its own stream alone', async () => {
  // As one of a file whose server failed. Only what is copied is read in blocks of that size.
  const replaced = `
#include <errno.h>
#include <unistd.h>
ssize_t __real_read(int fd, void *to, size_t size);
ssize_t __wrap_read(int fd, void *to, size_t size) {
  if (size == 65536) return errno = EIO, -1;
  return __real_read(fd, to, size);
}`
  const body = `${setUp}
write(its, new Uint8Array(100_000), 0)
say(await stream.read(65_536, call).catch((error) => error.code))
say((await stream.read(65_536, call)).length)
const [other, itsOther] = pipe(1 << 20)
const neighbour = createOutputStream(createLoop(), other, 'pipe')
write(itsOther, new Uint8Array(5), 0)
say((await neighbour.read(1000, call)).length)`
  expect(await inQuickjs({ imports, body }, replaced)).toBe('EIO\n0\n5\n')
})

test.skipIf(!hasQuickjs)(
  'a terminal that no process has open for a moment is the same one afterwards, and ends with its process',
  async () => {
    // Each pipe is a terminal: its read end is the master.
    const replaced = `
#define _GNU_SOURCE
#include <fcntl.h>
#include <stdlib.h>
int __wrap_pipe2(int ends[2], int flags) {
  ends[0] = posix_openpt(O_RDWR | O_NOCTTY);
  if (ends[0] < 0 || unlockpt(ends[0])) return -1;
  return (ends[1] = open(ptsname(ends[0]), O_RDWR | O_NOCTTY)) < 0 ? -1 : 0;
}`
    const body = `
const call = { onCancel: () => {} }
const say = (...words) => { out.puts(words.join(' ') + '\\n'); out.flush() }
const text = (bytes) => String.fromCharCode(...bytes)
const [master, its] = pipe(0)
const [name] = readlink('/proc/self/fd/' + its)
const input = dup(master)
const loop = createLoop()
const stream = createOutputStream(loop, master, 'terminal', openPeer(master))
const stdin = createInputStream(loop, input)
write(its, new Uint8Array([97]), 0)
close(its)
say(text(await stream.read(100, call)))
const waits = stream.read(100, call)
await stdin.write(new Uint8Array([98]))
// Its echo.
say(text(await waits))
const waitsOn = stream.read(100, call)
await new Promise((resolve) => setTimeout(resolve, 20))
const again = open(name, 0o402, 0)
write(again, new Uint8Array([99]), 0)
say(text(await waitsOn))
const last = stream.read(100, call)
close(again)
stream.processEnded()
say((await last).length)`
    const imports = `
import { readlink } from 'os'
import { close, dup, open, openPeer, pipe, write } from 'syscalls'
import { createInputStream, createOutputStream } from ${JSON.stringify(join(sources, 'container/streams.ts'))}
import { createLoop } from ${JSON.stringify(join(sources, 'devices/loop.ts'))}
`
    expect(await inQuickjs({ imports, body }, replaced)).toBe('a\nb\nc\n0\n')
  },
)
