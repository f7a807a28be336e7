import { expect, test } from 'bun:test'
import { waitedForProcessor } from './processor-wait.ts'

test('processes that want one processor wait for it, and one that sleeps does not', async () => {
  const [cpu = '0'] =
    /^Cpus_allowed_list:\s+(\d+)/m.exec(await Bun.file('/proc/self/status').text())?.slice(1) ?? []
  const spawn = (...argv: string[]) =>
    Bun.spawn(['taskset', '-c', cpu, ...argv], { stdio: ['ignore', 'ignore', 'ignore'] })
  const busy = [1, 2, 3].map(() => spawn('sh', '-c', 'while :; do :; done'))
  const idle = spawn('sleep', '1000')
  try {
    // Before it sleeps it has to start.
    await Bun.sleep(50)
    const before = waitedForProcessor(idle.pid)
    while (waitedForProcessor(busy[0]!.pid) < 200) await Bun.sleep(10)
    expect(waitedForProcessor(idle.pid) - before).toBeLessThan(200)
  } finally {
    for (const child of [...busy, idle]) child.kill('SIGKILL')
    await Promise.all([...busy, idle].map(({ exited }) => exited))
  }
})

test('a process that has ended waits for nothing', () => {
  expect(waitedForProcessor(2 ** 22)).toBe(0)
})
