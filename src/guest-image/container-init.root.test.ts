/** Process 1 of a container with --init, in a PID namespace of its own. */
import { afterAll, beforeAll, expect, setDefaultTimeout, test } from 'bun:test'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { buildContainerInit } from './container-init.ts'

// It is compiled first.
setDefaultTimeout(60_000)

const base = mkdtempSync(`${tmpdir()}/container-init-`)
const isRoot = process.getuid?.() === 0 && Bun.which('gcc') !== null
beforeAll(async () => {
  if (isRoot) await buildContainerInit({ outDir: base })
})
afterAll(() => rmSync(base, { recursive: true }))

function start(...command: string[]) {
  const argv = ['unshare', '--pid', '--fork', '--kill-child', '--mount-proc', `${base}/container-init`, '--']
  return Bun.spawn([...argv, ...command], { stdio: ['ignore', 'pipe', 'pipe'] })
}

async function outcome(...command: string[]) {
  const child = start(...command)
  const [stdout, stderr, code] = await Promise.all([child.stdout.text(), child.stderr.text(), child.exited])
  return { stdout, stderr, code }
}

test.skipIf(!isRoot)('it ends as its command ends', async () => {
  expect(await outcome('sh', '-c', 'echo "$$"; exit 7')).toEqual({ code: 7, stdout: '2\n', stderr: '' })
  expect((await outcome('sh', '-c', 'kill -KILL $$')).code).toBe(137)
  expect(await outcome('nosuch')).toMatchObject({
    code: 127,
    stderr: expect.stringContaining('nosuch: No such file'),
  })
  expect((await outcome('/etc/passwd')).code).toBe(126)
})

test.skipIf(!isRoot)('it waits for processes that lost their parent', async () => {
  const orphan = 'sh -c "sh -c \\"exit 0\\" & exit 0"; sleep 0.5; ps -e -o stat= | grep -c Z'
  expect((await outcome('sh', '-c', orphan)).stdout).toBe('0\n')
})

test.skipIf(!isRoot)('a signal ends a command that handles none, and reaches one that does', async () => {
  const child = start(
    'sh',
    '-c',
    'trap "echo got it; exit 3" USR1; kill -USR1 1; while :; do sleep 0.05; done',
  )
  expect(await child.stdout.text()).toBe('got it\n')
  expect(await child.exited).toBe(3)
  expect((await outcome('sh', '-c', 'kill -TERM 1; sleep 30')).code).toBe(143)
})
