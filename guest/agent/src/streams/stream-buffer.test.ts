import { expect, setDefaultTimeout, test } from 'bun:test'
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { hasQuickjs, inQuickjs, sources } from '../system/in-quickjs.double.ts'

// Each script is compiled first.
setDefaultTimeout(60_000)

const imports = `
import { close, pipe, read, setNonblocking, write } from 'syscalls'
import { readdir } from 'os'
import { StreamBuffer } from ${JSON.stringify(join(sources, 'streams/stream-buffer.ts'))}
import { createLoop } from ${JSON.stringify(join(sources, 'devices/loop.ts'))}
`
const setUp = (path: string) => `
const loop = createLoop()
const buffer = new StreamBuffer(${JSON.stringify(path)})
const [mine, its] = pipe(1 << 20)
setNonblocking(mine)
const say = (...words) => { out.puts(words.join(' ') + '\\n'); out.flush() }
const move = async (size, offset = 0) => {
  const { count, rest } = await buffer.move(loop, mine, { offset, size })
  say(count, rest.length, buffer.works)
  return rest
}
`

/** A file in memory, as the host's is: it takes pieces of any length past the cache. */
async function withFile(bytes: number, use: (path: string) => Promise<void>): Promise<void> {
  const directory = mkdtempSync('/dev/shm/kata-ts-stream-buffer-')
  try {
    writeFileSync(join(directory, 'file'), Buffer.alloc(bytes, 1))
    await use(join(directory, 'file'))
  } finally {
    rmSync(directory, { recursive: true })
  }
}

test.skipIf(!hasQuickjs)(
  'what a pipe holds gets into the file, and no more than its place has room for',
  () =>
    withFile(400_000, async (path) => {
      const body = `${setUp(path)}
write(its, new Uint8Array(100_000).fill(7), 0)
write(its, new Uint8Array(200_000).fill(8), 0)
await move(250_000, 50_000)
await move(100_000, 300_000)
close(its)
await move(100_000)`
      expect(await inQuickjs({ imports, body })).toBe('250000 0 true\n50000 0 true\n0 0 true\n')
      const parts = [
        [1, 50_000],
        [7, 100_000],
        [8, 150_000],
        [8, 50_000],
        [1, 50_000],
      ] as const
      const expected = Buffer.concat(parts.map(([value, count]) => Buffer.alloc(count, value)))
      expect(readFileSync(path).equals(expected)).toBe(true)
    }),
)

test.skipIf(!hasQuickjs)('an empty pipe moves nothing, and the buffer goes on', () =>
  withFile(100, async (path) => {
    const body = `${setUp(path)}
await move(100)
write(its, new Uint8Array(50), 0)
await move(100)`
    expect(await inQuickjs({ imports, body })).toBe('0 0 true\n50 0 true\n')
  }),
)

test.skipIf(!hasQuickjs)('an empty buffer of a failed write is passed over', () =>
  withFile(9000, async (path) => {
    // Kernels before 6.15 leave one behind. The write of 4097 bytes comes from where no memory is.
    const body = `${setUp(path)}
write(its, new Uint8Array(5000).fill(7), 0)
try { write(its, new Uint8Array(4097), 0) } catch (error) { say(error.code) }
write(its, new Uint8Array(4000).fill(8), 0)
await move(9000)`
    const replaced = `
#include <stddef.h>
#include <unistd.h>
ssize_t __real_write(int fd, const void *from, size_t size);
ssize_t __wrap_write(int fd, const void *from, size_t size) { return __real_write(fd, size == 4097 ? NULL : from, size); }`
    expect(await inQuickjs({ imports, body }, replaced)).toBe('EFAULT\n9000 0 true\n')
    expect(
      readFileSync(path)
        .subarray(5000)
        .every((byte) => byte === 8),
    ).toBe(true)
  }),
)

test.skipIf(!hasQuickjs)('without the file nothing leaves the pipe', () =>
  withFile(1, async (path) => {
    const body = `${setUp(`${path}-none`)}
write(its, new Uint8Array(50), 0)
await move(100)
say(write(its, new Uint8Array(5), 0))`
    expect(await inQuickjs({ imports, body })).toBe('0 0 false\n5\n')
  }),
)

test.skipIf(!hasQuickjs)('what the file does not take is kept', () =>
  withFile(300_000, async (path) => {
    // The third piece finds no room.
    const replaced = `
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <unistd.h>
ssize_t __real_splice(int from, off_t *fromAt, int to, off_t *toAt, size_t size, unsigned flags);
static int pieces;
ssize_t __wrap_splice(int from, off_t *fromAt, int to, off_t *toAt, size_t size, unsigned flags) {
  if (!toAt) return __real_splice(from, fromAt, to, toAt, size, flags);
  if (pieces++ == 2) return errno = ENOSPC, -1;
  return __real_splice(from, fromAt, to, toAt, size < 100000 ? size : 100000, flags);
}`
    const body = `${setUp(path)}
write(its, new Uint8Array(200_000).fill(7), 0)
write(its, new Uint8Array(70_000).fill(8), 0)
const rest = await move(300_000)
say(rest.every((byte) => byte === 8))`
    expect(await inQuickjs({ imports, body }, replaced)).toBe('200000 70000 false\ntrue\n')
  }),
)

test.skipIf(!hasQuickjs)(
  'what follows a page that cannot be read is no output, and what went before it is',
  () =>
    withFile(300_000, async (path) => {
      // The second piece has such a page: the file does not take it, and after 64 KiB nobody can read it.
      const replaced = `
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <unistd.h>
ssize_t __real_splice(int from, off_t *fromAt, int to, off_t *toAt, size_t size, unsigned flags);
static int pieces, isLost;
ssize_t __wrap_splice(int from, off_t *fromAt, int to, off_t *toAt, size_t size, unsigned flags) {
  if (!toAt) return __real_splice(from, fromAt, to, toAt, size, flags);
  if (pieces++ == 1) return isLost = 1, 0;
  return __real_splice(from, fromAt, to, toAt, size < 100000 ? size : 100000, flags);
}
ssize_t __real_read(int fd, void *to, size_t size);
ssize_t __wrap_read(int fd, void *to, size_t size) {
  if (isLost && size == 65536) return isLost++ == 1 ? __real_read(fd, to, size) : (errno = ENODATA, -1);
  return __real_read(fd, to, size);
}`
      const body = `${setUp(path)}
write(its, new Uint8Array(200_000).fill(7), 0)
const { count, rest, failure } = await buffer.move(loop, mine, { offset: 0, size: 300_000 })
say(count, rest.length, failure?.code)`
      expect(await inQuickjs({ imports, body }, replaced)).toBe('100000 65536 ENODATA\n')
    }),
)

test.skipIf(!hasQuickjs)('the file is open for the next output, and closed after a second without any', () =>
  withFile(100, async (path) => {
    const body = `${setUp(path)}
// A thread closes the last of its own after it has told.
const descriptors = async (most) => {
  const count = () => readdir('/proc/self/fd')[0].length
  while (count() > most) await new Promise((resolve) => setTimeout(resolve, 10))
  return count()
}
const before = await descriptors(100)
write(its, new Uint8Array(50), 0)
await move(100)
const first = await descriptors(before + 1)
write(its, new Uint8Array(50), 0)
await move(100, 50)
say(first - before, (await descriptors(before + 1)) - before)
await descriptors(before)
say('closed')`
    expect(await inQuickjs({ imports, body })).toBe('50 0 true\n50 0 true\n1 1\nclosed\n')
  }),
)

test.skipIf(!hasQuickjs)('a process that goes on with little does not hold up what is there', () =>
  withFile(8_000_000, async (path) => {
    // It writes a byte each millisecond, whenever there is no more.
    const replaced = `
#define _GNU_SOURCE
#include <poll.h>
#include <unistd.h>
static int its;
int __real_pipe2(int ends[2], int flags);
int __wrap_pipe2(int ends[2], int flags) {
  const int answer = __real_pipe2(ends, flags);
  if (!its) its = ends[1];
  return answer;
}
int __real_poll(struct pollfd *all, nfds_t count, int timeout);
int __wrap_poll(struct pollfd *all, nfds_t count, int timeout) {
  usleep(1000);
  return write(its, "x", 1) == 1 ? __real_poll(all, count, timeout) : -1;
}`
    const body = `${setUp(path)}
write(its, new Uint8Array(300_000), 0)
const { count } = await buffer.move(loop, mine, { offset: 0, size: 8_000_000 })
say(count >= 300_000, count < 301_000)`
    expect(await inQuickjs({ imports, body }, replaced)).toBe('true true\n')
  }),
)

test.skipIf(!hasQuickjs)('of two transfers that begin at once, one may fail to open the file', () =>
  withFile(100, async (path) => {
    const replaced = `
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <unistd.h>
static int opened;
int __real_open(const char *path, int flags, ...);
int __wrap_open(const char *path, int flags, ...) {
  if (!(flags & O_DIRECT) || __sync_fetch_and_add(&opened, 1) == 0) return __real_open(path, flags, 0600);
  usleep(200000);
  return errno = ENFILE, -1;
}`
    const body = `${setUp(path)}
write(its, new Uint8Array(50), 0)
const [other, itsOther] = pipe(1 << 20)
setNonblocking(other)
write(itsOther, new Uint8Array(50), 0)
const moved = await Promise.all([
  buffer.move(loop, mine, { offset: 0, size: 50 }),
  buffer.move(loop, other, { offset: 50, size: 50 }),
])
say(moved.map(({ count }) => count).sort().join(' '), buffer.works)`
    expect(await inQuickjs({ imports, body }, replaced)).toBe('0 50 false\n')
  }),
)

/** As {@link setUp}, for input: the process reads `its`, and has `mine` filled. */
const setUpInput = (path: string, room = 1 << 20) => `
const loop = createLoop()
const buffer = new StreamBuffer(${JSON.stringify(path)})
const [its, mine] = pipe(${room})
setNonblocking(mine)
const say = (...words) => { out.puts(words.join(' ') + '\\n'); out.flush() }
const told = ({ count, isBroken }) => say(count, isBroken, buffer.works)
const bring = (size, offset = 0, idleMs = 0) => buffer.bring(loop, mine, { offset, size, idleMs })
setNonblocking(its)
const readAll = async (left, take) => {
  while (left > 0) {
    const some = read(its, 65_536)
    if (some === null) await new Promise((resolve) => setTimeout(resolve, 1))
    else (left -= some.length), take(some)
  }
}
`

test.skipIf(!hasQuickjs)('what is in a place gets into the pipe', () =>
  withFile(300_000, async (path) => {
    writeFileSync(path, Buffer.concat([Buffer.alloc(100_000, 1), Buffer.alloc(200_000, 2)]))
    const body = `${setUpInput(path)}
told(await bring(150_000, 50_000).over)
let [ones, twos] = [0, 0]
await readAll(150_000, (some) => {
  ones += some.filter((byte) => byte === 1).length
  twos += some.filter((byte) => byte === 2).length
})
say(ones, twos)`
    expect(await inQuickjs({ imports, body })).toBe('150000 false true\n50000 100000\n')
  }),
)

test.skipIf(!hasQuickjs)('more than a pipe holds waits for its reader', () =>
  withFile(3_000_000, async (path) => {
    const bytes = Buffer.alloc(3_000_000, Buffer.from('what nothing repeats at a page: 4097'))
    writeFileSync(path, bytes)
    const body = `${setUpInput(path, 4096)}
let isOver = false
const { over } = bring(3_000_000)
over.then((how) => { isOver = true; told(how) })
await new Promise((resolve) => setTimeout(resolve, 100))
say(isOver)
let sum = 0
await readAll(3_000_000, (some) => { for (const byte of some) sum = (sum * 31 + byte) % 1_000_003 })
await over
say(sum)`
    const sum = bytes.reduce((all, byte) => (all * 31 + byte) % 1_000_003, 0)
    expect(await inQuickjs({ imports, body })).toBe(`false\n3000000 false true\n${sum}\n`)
  }),
)

test.skipIf(!hasQuickjs)('a pipe that nobody reads is broken, before and while it is waited for', () =>
  withFile(2_000_000, async (path) => {
    const body = `${setUpInput(path, 65_536)}
const { over } = bring(2_000_000)
await new Promise((resolve) => setTimeout(resolve, 100))
close(its)
told(await over)
told(await bring(10).over)`
    expect(await inQuickjs({ imports, body })).toBe('65536 true true\n0 true true\n')
  }),
)

test.skipIf(!hasQuickjs)('it waits no more once it was cancelled, and the buffer goes on', () =>
  withFile(2_000_000, async (path) => {
    const body = `${setUpInput(path, 65_536)}
const { over, cancel } = bring(2_000_000)
await new Promise((resolve) => setTimeout(resolve, 100))
cancel()
told(await over)
cancel()
read(its, 65_536)
told(await bring(10).over)`
    expect(await inQuickjs({ imports, body })).toBe('65536 false true\n10 false true\n')
  }),
)

test.skipIf(!hasQuickjs)('it waits no longer than its host does, and the buffer goes on', () =>
  withFile(2_000_000, async (path) => {
    const body = `${setUpInput(path, 65_536)}
const began = Date.now()
told(await bring(2_000_000, 0, 100).over)
say(Date.now() - began >= 100)
read(its, 65_536)
told(await bring(10, 0, 100).over)`
    expect(await inQuickjs({ imports, body })).toBe('65536 false true\ntrue\n10 false true\n')
  }),
)

test.skipIf(!hasQuickjs)('it can be cancelled at the moment of its end', () =>
  withFile(100, async (path) => {
    // Between its end and the word of it.
    const body = `${setUpInput(path)}
let bringing
const atEnd = (fd, mask, handler) => loop.once(fd, mask, (seen) => {
  handler(seen)
  Promise.resolve().then(() => bringing.cancel()).catch((error) => say(error.code))
})
bringing = buffer.bring({ ...loop, once: atEnd }, mine, { offset: 0, size: 100, idleMs: 0 })
told(await bringing.over)`
    expect(await inQuickjs({ imports, body })).toBe('100 false true\n')
  }),
)

test.skipIf(!hasQuickjs)('without the file, and beyond its end, nothing gets into the pipe', () =>
  withFile(100, async (path) => {
    const body = (file: string) => `${setUpInput(file)}
told(await bring(200).over)`
    expect(await inQuickjs({ imports, body: body(`${path}-none`) })).toBe('0 false false\n')
    expect(await inQuickjs({ imports, body: body(path) })).toBe('100 false false\n')
  }),
)
