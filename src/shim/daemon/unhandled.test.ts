import { expect, test } from 'bun:test'
import { join } from 'node:path'

/** A process of its own, because the test runner has handlers of its own. */
async function run(fault: string) {
  const script = `
    import { silentLogger } from ${JSON.stringify(join(import.meta.dir, '../../log.ts'))}
    import { onUnhandled } from ${JSON.stringify(join(import.meta.dir, 'unhandled.ts'))}
    onUnhandled(silentLogger, () => { console.log('ended'); process.exit(7) })
    setInterval(() => {}, 1000)
    ${fault}`
  const child = Bun.spawn([process.execPath, '-e', script], { stdout: 'pipe', stderr: 'pipe' })
  const [said, code] = [await new Response(child.stdout).text(), await child.exited]
  return { said, code }
}

test.each([
  ['a rejection that nobody awaits', "void Promise.resolve().then(() => { throw new Error('x') })"],
  ['an exception in a callback', "setTimeout(() => { throw new Error('x') }, 1)"],
])('%s ends the sandbox', async (_, fault) => {
  expect(await run(fault)).toEqual({ said: 'ended\n', code: 7 })
})
