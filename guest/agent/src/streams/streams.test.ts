import { expect, setDefaultTimeout, test } from 'bun:test'
import { join } from 'node:path'
import { hasQuickjs, inQuickjs, sources } from '../system/in-quickjs.double.ts'

// The script is compiled first.
setDefaultTimeout(60_000)

const imports = `
import { close, pipe, read, write } from 'syscalls'
import { createOutputStream } from ${JSON.stringify(join(sources, 'streams/output-stream.ts'))}
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
write(its, new Uint8Array(100_000).fill(7), 0)
const lent = await stream.read(65_536, call)
// As a process does it that opens /proc/self/fd/1.
read(mine, 1 << 20)
say(lent.bytes.length, lent.bytes.every((byte) => byte === 7))
lent.giveBack(true)
write(its, new Uint8Array(5), 0)
say((await stream.read(65_536, call)).length)
close(its)
say((await stream.read(65_536, call)).length)`
    expect(await inQuickjs({ imports, body })).toBe('65536 true\n5\n0\n')
  },
)

test.skipIf(!hasQuickjs)(
  'what was not sent is what the host gets next, and its memory is free for others',
  async () => {
    const body = `${setUp}
write(its, new Uint8Array(40_000).fill(7), 0)
const lent = await stream.read(65_536, call)
const waits = stream.read(30_000, call)
write(its, new Uint8Array(40_000).fill(8), 0)
const [other, itsOther] = pipe(1 << 20)
const neighbour = createOutputStream(createLoop(), other, 'pipe')
write(itsOther, new Uint8Array(100_000).fill(9), 0)
// The neighbour has memory of its own meanwhile.
say((await neighbour.read(1 << 20, call)).length)
lent.giveBack(false)
const next = await neighbour.read(1 << 20, call)
const kept = [await waits, await stream.read(30_000, call)]
say(next.bytes.length, ...kept.map((bytes) => bytes.length), kept.every((bytes) => bytes.every((byte) => byte === 7)))
next.giveBack(true)
lent.giveBack(false)
say((await stream.read(1 << 20, call)).bytes[0])`
    expect(await inQuickjs({ imports, body })).toBe('65536\n34464 30000 10000 true\n8\n')
  },
)

test.skipIf(!hasQuickjs)('all that a pipe holds is taken at once', async () => {
  const body = `${setUp}
write(its, new Uint8Array(1 << 20), 0)
say((await stream.read(1 << 21, call)).bytes.length)`
  expect(await inQuickjs({ imports, body })).toBe('1048576\n')
})

test.skipIf(!hasQuickjs)('no packet is cut', async () => {
  // The kernel throws away what a read has no room for.
  const replaced = `
#define _GNU_SOURCE
#include <fcntl.h>
int __real_pipe2(int ends[2], int flags);
int __wrap_pipe2(int ends[2], int flags) { return __real_pipe2(ends, flags | O_DIRECT); }`
  const body = `${setUp}
for (const size of [20_000, 20_000]) write(its, new Uint8Array(size), 0)
const first = await stream.read(30_000, call)
say(first.bytes.length)
first.giveBack(true)
say((await stream.read(30_000, call)).length)`
  expect(await inQuickjs({ imports, body }, replaced)).toBe('28192\n11808\n')
})

test.skipIf(!hasQuickjs)('a page that cannot be read ends its own stream alone', async () => {
  // As one of a file whose server failed. No other read has that size.
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
import { createInputStream } from ${JSON.stringify(join(sources, 'streams/input-stream.ts'))}
import { createOutputStream } from ${JSON.stringify(join(sources, 'streams/output-stream.ts'))}
import { createLoop } from ${JSON.stringify(join(sources, 'devices/loop.ts'))}
`
    expect(await inQuickjs({ imports, body }, replaced)).toBe('a\nb\nc\n0\n')
  },
)

test.skipIf(!hasQuickjs)(
  'a read that holds a place is told when nothing comes, and no other is',
  async () => {
    const body = `${setUp}
const place = (idleMs) => ({ offset: 0, size: 1 << 20, idleMs })
const began = Date.now()
say((await stream.read(65_536, call, place(50))).idle, Date.now() - began >= 50)
let answers = 0
const [patient, late] = [stream.read(65_536, call, place(0)), stream.read(65_536, call, place(50))]
for (const read of [patient, late]) read.then(() => answers++)
await new Promise((resolve) => setTimeout(resolve, 200))
say(answers)
write(its, new Uint8Array(5), 0)
say((await patient).length, (await late).idle)
const last = stream.read(65_536, call, place(50))
close(its)
say((await last).length)`
    expect(await inQuickjs({ imports, body })).toBe('true true\n0\n5 true\n0\n')
  },
)

test.skipIf(!hasQuickjs)(
  'input of the buffer that cannot be had is left to the channel, in order',
  async () => {
    // There is no such file on a host.
    const body = `
const say = (...words) => { out.puts(words.join(' ') + '\\n'); out.flush() }
const [its, mine] = pipe(1 << 20)
const stdin = createInputStream(createLoop(), mine)
const answers = [
  stdin.write(new Uint8Array([97])),
  stdin.writeFrom({ offset: 0, size: 5, idleMs: 0 }),
  stdin.write(new Uint8Array([98])),
  stdin.writeFrom({ offset: 0, size: 5, idleMs: 0 }),
]
say((await Promise.all(answers)).map((answer) => answer ?? 'all').join(' '))
say(read(its, 2).join(' '))
stdin.destroy()
const broken = await stdin.writeFrom({ offset: 0, size: 5, idleMs: 0 }).catch((error) => error instanceof BrokenInput)
say(broken)`
    const imports = `
import { pipe, read } from 'syscalls'
import { BrokenInput, createInputStream } from ${JSON.stringify(join(sources, 'streams/input-stream.ts'))}
import { createLoop } from ${JSON.stringify(join(sources, 'devices/loop.ts'))}
`
    expect(await inQuickjs({ imports, body })).toBe('all 0 all 0\n97 98\ntrue\n')
  },
)
