import { expect, test } from 'bun:test'
import { readStatus } from './proc.ts'
import { processorWait } from './processor-wait.ts'

const [cpu = '0'] =
  /^Cpus_allowed_list:\s+(\d+)/m.exec(await Bun.file('/proc/self/status').text())?.slice(1) ?? []
const onOne = (...argv: string[]) =>
  Bun.spawn(['taskset', '-c', cpu, ...argv], { stdio: ['ignore', 'ignore', 'ignore'] })

async function end(children: readonly Bun.Subprocess[]): Promise<void> {
  for (const child of children) child.kill('SIGKILL')
  await Promise.all(children.map(({ exited }) => exited))
}

test('processes that want one processor wait for it, and one that sleeps does not', async () => {
  const busy = [1, 2, 3].map(() => onOne('sh', '-c', 'while :; do :; done'))
  const idle = onOne('sleep', '1000')
  try {
    // Before it sleeps it has to start, and waits for its processor like the others.
    const sleeps = () => {
      const status = readStatus(`/proc/${idle.pid}/status`)
      return status?.get('Name') === 'sleep' && status.get('State')?.startsWith('S')
    }
    while (!sleeps()) await Bun.sleep(5)
    const [idles, wanted] = [processorWait(idle.pid), processorWait(busy[0]!.pid)]
    while (wanted() < 200) await Bun.sleep(10)
    expect(idles()).toBeLessThan(200)
  } finally {
    await end([...busy, idle])
  }
})

/** Its first thread waits for a processor and rests then; the other one begins to want it. */
const twoThreads = `
  const busy = 'onmessage = () => { for (;;); }'
  const worker = new Worker(URL.createObjectURL(new Blob([busy])))
  for (const end = Date.now() + 2000; Date.now() < end; );
  worker.postMessage('')
  console.log('rests')
  setInterval(() => {}, 1000)`

test('a thread that had waited for long before does not hide one that waits now', async () => {
  const others = [1, 2].map(() => onOne('sh', '-c', 'while :; do :; done'))
  const argv = ['taskset', '-c', cpu, process.execPath, '-e', twoThreads]
  const child = Bun.spawn(argv, { stdio: ['ignore', 'pipe', 'inherit'] })
  try {
    for await (const _ of child.stdout) break
    const waited = processorWait(child.pid)
    // Far less than the first thread has waited.
    await Bun.sleep(700)
    expect(waited()).toBeGreaterThan(100)
  } finally {
    await end([...others, child])
  }
}, 30_000)

test('a process that has ended waits for nothing', () => {
  expect(processorWait(2 ** 22)()).toBe(0)
})
