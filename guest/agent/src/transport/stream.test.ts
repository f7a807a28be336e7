import { expect, setDefaultTimeout, test } from 'bun:test'
import { join } from 'node:path'
import { hasQuickjs, inQuickjs, sources } from '../system/in-quickjs.double.ts'

// The script is compiled first.
setDefaultTimeout(60_000)

const imports = `
import { close, pipe, read, setNonblocking } from 'syscalls'
import { createLoop } from ${JSON.stringify(join(sources, 'devices/loop.ts'))}
import { createStreamTransport } from ${JSON.stringify(join(sources, 'transport/stream.ts'))}
`

test.skipIf(!hasQuickjs)(
  'a stream writes on when there is room, and one that breaks tells everybody who waits',
  async () => {
    const body = `
const told = []
const say = () => { out.puts(told.splice(0).join(', ') + '\\n'); out.flush() }
const [from, to] = pipe(4096)
setNonblocking(from)
const transport = createStreamTransport(createLoop(), to, () => told.push('released'))
transport.onData(() => {})
transport.onClose((error) => told.push('closed: ' + error.code))
const write = (name, size) =>
  transport.write(new Uint8Array(size)).then(() => told.push(name), (error) => told.push(name + ': ' + error.code))
const writes = [write('first', 5000), write('second', 4000)]
const came = []
while (came.length < 9000) {
  came.push(...(read(from, 65536) ?? []))
  await new Promise((resolve) => setTimeout(resolve, 1))
}
await Promise.all(writes)
say()
const waits = write('waits', 5000)
// The end of a pipe that nobody reads has an error, and cannot be read itself.
close(from)
await waits
await write('late', 1)
say()`
    const said = await inQuickjs({ imports, body })
    expect(said).toBe('first, second\nclosed: EBADF, released, waits: EBADF, late: EBADF\n')
  },
)
