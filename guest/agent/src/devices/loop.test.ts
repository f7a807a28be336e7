import { expect, setDefaultTimeout, test } from 'bun:test'
import { join } from 'node:path'
import { hasQuickjs, inQuickjs, sources } from '../system/in-quickjs.double.ts'

// Each script is compiled first.
setDefaultTimeout(60_000)

const imports = `
import { pipe, write } from 'syscalls'
import { createLoop, events } from ${JSON.stringify(join(sources, 'devices/loop.ts'))}
import { sleep } from ${JSON.stringify(join(sources, 'system/wait.ts'))}
`

test.skipIf(!hasQuickjs)('a handler that fails takes no event from the others, and is told', async () => {
  const body = `
const loop = createLoop()
const told = []
err.puts = (text) => void told.push(text.replace(/\\d+/, 'N'))
for (const name of ['first', 'second', 'third']) {
  const [mine, its] = pipe(4096)
  loop.once(mine, events.in, () => {
    if (name !== 'third') throw new Error(name + ' fails')
    told.push('third goes on')
  })
  write(its, new Uint8Array(1), 0)
}
await sleep(50)
out.puts(told.join(''))
out.flush()`
  const failed = (name: string) => `kata-agent descriptor N is ready, and its handler failed: ${name} fails\n`
  expect(await inQuickjs({ imports, body })).toBe(`${failed('first')}${failed('second')}third goes on`)
})
