import { expect, setDefaultTimeout, test } from 'bun:test'
import { join } from 'node:path'
import { hasQuickjs, inQuickjs, sources } from '../system/in-quickjs.double.ts'

// Each script is compiled first.
setDefaultTimeout(60_000)

const imports = `
import { pipe, read, setNonblocking, write } from 'syscalls'
import { WriteQueue } from ${JSON.stringify(join(sources, 'transport/write-queue.ts'))}
`
/** A pipe with room for one page, and a tail of three bytes in another one. */
const setUp = `
const bytes = (count, value) => new Uint8Array(count).fill(value)
const [from, to] = pipe(4096)
setNonblocking(from)
setNonblocking(to)
const [tailFrom, tailTo] = pipe(4096)
write(tailTo, bytes(3, 2), 0)
const told = []
const tail = (name) => ({ fd: tailFrom, bytes: 3, over: () => told.push(name) })
const queue = new WriteQueue(to)
const add = (name, ...words) =>
  queue.add(...words).then(() => told.push(name), (error) => told.push(name + ': ' + error.message))
const say = (...words) => { out.puts(words.join(', ') + '\\n'); out.flush() }
`
const inGuest = test.skipIf(!hasQuickjs)

inGuest('what does not fit waits, and goes in order with what follows it', async () => {
  const body = `${setUp}
const promises = [add('long', bytes(5000, 1), tail('tail')), add('short', bytes(2, 3))]
queue.flush()
say(queue.length, told.length)
const came = []
while (queue.length > 0) {
  came.push(...read(from, 65536))
  queue.flush()
}
came.push(...read(from, 65536))
await Promise.all(promises)
say(...[1, 2, 3].map((value) => came.lastIndexOf(value) + 1))
say(...told)`
  expect(await inQuickjs({ imports, body })).toBe('2, 0\n5000, 5003, 5005\ntail, long, short\n')
})

inGuest('the end gives up what waits, and whatever comes later', async () => {
  const body = `${setUp}
const promises = [add('long', bytes(5000, 1), tail('tail')), add('short', bytes(2, 3))]
queue.flush()
queue.close(new Error('gone'))
promises.push(add('late', bytes(1, 4), tail('late tail')))
await Promise.all(promises)
queue.flush()
say(queue.length, read(from, 65536).length)
say(...told)`
  expect(await inQuickjs({ imports, body })).toBe(
    '0, 4096\ntail, late tail, long: gone, short: gone, late: gone\n',
  )
})

inGuest('bytes that are not there are an error, and no wait for room', async () => {
  const body = `${setUp}
void add('none', bytes(0, 1), { ...tail('tail'), bytes: 4 })
try { queue.flush() } catch (error) { say(error.message) }`
  expect(await inQuickjs({ imports, body })).toBe('1 bytes that were announced are not in their pipe\n')
})
