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
