import { expect, setDefaultTimeout, test } from 'bun:test'
import { join } from 'node:path'
import { hasQuickjs, inQuickjs, sources } from '../system/in-quickjs.double.ts'

// Each script is compiled first.
setDefaultTimeout(60_000)

const imports = `
import { pipe, read, setNonblocking, write } from 'syscalls'
import { WriteQueue } from ${JSON.stringify(join(sources, 'transport/write-queue.ts'))}
`
/** A pipe with room for one page. */
const setUp = `
const bytes = (count, value) => new Uint8Array(count).fill(value)
const [from, to] = pipe(4096)
setNonblocking(from)
setNonblocking(to)
const told = []
const queue = new WriteQueue(to)
const add = (name, ...words) =>
  queue.add(...words).then(() => told.push(name), (error) => told.push(name + ': ' + error.message))
const say = (...words) => { out.puts(words.join(', ') + '\\n'); out.flush() }
`
const inGuest = test.skipIf(!hasQuickjs)

inGuest('what does not fit waits, and goes in order', async () => {
  const body = `${setUp}
const promises = [add('long', bytes(5000, 1)), add('short', bytes(2, 3))]
queue.flush()
say(queue.length, told.length)
const came = []
while (queue.length > 0) {
  came.push(...read(from, 65536))
  queue.flush()
}
came.push(...read(from, 65536))
await Promise.all(promises)
say(...[1, 3].map((value) => came.lastIndexOf(value) + 1))
say(...told)`
  expect(await inQuickjs({ imports, body })).toBe('2, 0\n5000, 5002\nlong, short\n')
})

inGuest('a descriptor that takes little at a time is written to until it takes no more', async () => {
  // As a virtio-serial port does, which takes 32 KiB.
  const replaced = `
#include <stddef.h>
#include <unistd.h>
ssize_t __real_write(int fd, const void *from, size_t size);
ssize_t __wrap_write(int fd, const void *from, size_t size) { return __real_write(fd, from, size < 1000 ? size : 1000); }`
  const body = `${setUp}
const promise = add('whole', bytes(3500, 1))
queue.flush()
await promise
say(queue.length, read(from, 65536).length)
say(...told)`
  expect(await inQuickjs({ imports, body }, replaced)).toBe('0, 3500\nwhole\n')
})

inGuest('the end gives up what waits, and whatever comes later', async () => {
  const body = `${setUp}
const promises = [add('long', bytes(5000, 1)), add('short', bytes(2, 3))]
queue.flush()
queue.close(new Error('gone'))
promises.push(add('late', bytes(1, 4)))
await Promise.all(promises)
queue.flush()
say(queue.length, read(from, 65536).length)
say(...told)`
  expect(await inQuickjs({ imports, body })).toBe('0, 4096\nlong: gone, short: gone, late: gone\n')
})
