/** A cache that processes of two pid namespaces share, as in a container with the host's directories. Only root makes such a namespace. */
import { afterAll, expect, test } from 'bun:test'
import { existsSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { cachedDirectory } from './content-cache.ts'

const base = mkdtempSync(`${tmpdir()}/content-cache-`)
afterAll(() => rmSync(base, { recursive: true }))

/** Runs the program in a pid namespace of its own, whose /proc shows no other. */
async function elsewhere(program: string): Promise<void> {
  const unshare = ['/usr/bin/unshare', '--pid', '--fork', '--kill-child', '--mount-proc']
  const other = Bun.spawn([...unshare, process.execPath, '-e', program], {
    stdio: ['ignore', 'ignore', 'inherit'],
  })
  expect(await other.exited).toBe(0)
}

test('what a process of another pid namespace is making is left alone', async () => {
  const made = await cachedDirectory(base, 'ours', async (directory) => {
    writeFileSync(`${directory}/file`, '')
    await elsewhere(`
      const { cachedDirectory } = await import(${JSON.stringify(`${import.meta.dir}/content-cache.ts`)})
      await cachedDirectory(${JSON.stringify(base)}, 'theirs', () => {})`)
    expect(existsSync(directory)).toBe(true)
  })
  expect([readdirSync(base).sort(), readdirSync(made)]).toEqual([['ours', 'theirs'], ['file']])
})
