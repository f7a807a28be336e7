/** What is to be seen of a container in the background. */
import { afterAll, beforeAll, expect, test } from 'bun:test'
import { Kata } from '../harness/kata.ts'
import { slow } from '../harness/time.ts'

let kata: Kata
beforeAll(() => {
  kata = new Kata()
})
afterAll(() => kata.close())

test(
  'logs have both streams to the last byte, and the last lines of them',
  async () => {
    const script =
      'for i in 1 2 3; do echo out $i; echo err $i >&2; done; head -c 300000 /dev/zero; echo; echo -n end'
    await kata.call(['run', '-d', '--name', 'talker', '--', 'sh', '-c', script])
    expect((await kata.call(['wait', 'talker'])).stdout).toBe('0\n')
    const { stdout, stderr } = await kata.call(['logs', 'talker'])
    expect(stderr).toBe('err 1\nerr 2\nerr 3\n')
    expect(stdout === `out 1\nout 2\nout 3\n${'\0'.repeat(300_000)}\nend`).toBe(true)
    expect((await kata.call(['logs', '--tail', '1', 'talker'])).stdout).toBe('end')
    expect((await kata.call(['logs', '-t', '--tail', '1', 'talker'])).stdout).toMatch(/^\d{4}-\S+Z end$/)
    expect((await kata.call(['logs', '--since', '1h', '--until', '30m', 'talker'])).stdout).toBe('')
    expect((await kata.call(['rm', 'talker'])).code).toBe(0)
  },
  slow(60_000),
)

test(
  'stats and top show what a container does',
  async () => {
    await kata.call(['run', '-d', '--name', 'busy', '-m', '64M', '--', 'sh', '-c', 'while :; do :; done'])
    const { stdout, stderr } = await kata.call(['stats', '--no-stream', '--format', 'json'])
    const [line, ...others] = JSON.parse(stdout)
    expect({ others, stderr }).toEqual({ others: [], stderr: '' })
    expect(line).toMatchObject({ id: 'busy', memoryLimit: 64 * 2 ** 20, processes: 1 })
    expect(line.cpuPercent).toBeGreaterThan(0)
    expect(line.memoryBytes).toBeGreaterThan(0)
    expect((await kata.call(['top', 'busy', '-o', 'pid,args'])).stdout).toContain('while :; do :; done')
    expect((await kata.call(['rm', '-f', 'busy'])).code).toBe(0)
  },
  slow(60_000),
)
