/** How a container in the background ends, with real machines. */
import { afterAll, beforeAll, expect, test } from 'bun:test'
import { eventually, Kata } from '../harness/kata.ts'
import { slow } from '../harness/time.ts'

let kata: Kata
beforeAll(() => {
  kata = new Kata()
})
afterAll(() => kata.close())

async function isReady(name: string): Promise<void> {
  await eventually(
    `${name} to be ready`,
    async () => (await kata.call(['logs', name])).stdout.includes('ready') || undefined,
  )
}

test(
  'stop asks with the signal of the container, and nothing runs for it afterwards',
  async () => {
    const script = 'trap "echo bye; exit 7" INT; echo ready; while :; do sleep 0.1; done'
    await kata.call(['run', '-d', '--name', 'polite', '--stop-signal', 'INT', '--', 'sh', '-c', script])
    await isReady('polite')
    const waiting = kata.call(['wait', 'polite'])
    expect(await kata.call(['stop', 'polite'])).toEqual({ code: 0, stdout: 'polite\n', stderr: '' })
    expect(await waiting).toEqual({ code: 0, stdout: '7\n', stderr: '' })
    expect(await kata.inspect('polite')).toMatchObject({ status: 'stopped', exitCode: 7, sandbox: null })
    expect((await kata.call(['logs', 'polite'])).stdout).toBe('ready\nbye\n')
    expect((await kata.call(['rm', 'polite'])).code).toBe(0)
  },
  slow(60_000),
)

test(
  'stop kills a container that does not end in time',
  async () => {
    const script = 'trap "echo no" TERM; echo ready; while :; do sleep 0.1; done'
    await kata.call(['run', '-d', '--rm', '--name', 'deaf', '--', 'sh', '-c', script])
    await isReady('deaf')
    const waiting = kata.call(['wait', 'deaf'])
    expect(await kata.call(['stop', '-t', '1', 'deaf'])).toEqual({ code: 0, stdout: 'deaf\n', stderr: '' })
    expect(await waiting).toEqual({ code: 0, stdout: '137\n', stderr: '' })
    expect((await kata.call(['inspect', 'deaf'])).stderr).toContain('[CONTAINER_NOT_FOUND]')
  },
  slow(60_000),
)
