import { expect, test } from 'bun:test'

/** More than a pipe holds. */
const code = (failure: string) => `
  import { writeTar } from '${import.meta.dir}/tar-output.ts'
  async function* chunks() {
    for (let sent = 0; sent < 64; sent++) yield new Uint8Array(65_536)
    ${failure}
  }
  await writeTar(undefined, chunks())`
const start = (failure = '') =>
  Bun.spawn([process.execPath, '-e', code(failure)], { stdout: 'pipe', stderr: 'pipe' })

test('a reader that wants no more of a tar than its beginning ends it, which is no failure', async () => {
  const child = start(`throw new Error('nobody reads this far')`)
  const reader = child.stdout.getReader()
  await reader.read()
  await reader.cancel()
  expect([await child.stderr.text(), await child.exited]).toEqual(['', 0])
})

test('what fails before that is told', async () => {
  const child = start(`throw Object.assign(new Error('a source broke'), { code: 'EPIPE' })`)
  const [, stderr] = await Promise.all([child.stdout.bytes(), child.stderr.text()])
  expect(stderr).toContain('a source broke')
  expect(await child.exited).toBe(1)
})
