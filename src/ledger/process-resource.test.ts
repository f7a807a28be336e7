import { expect, test } from 'bun:test'
import { isAlive, processRef } from '../linux/processes/proc.ts'
import { signalProcess, waitGone } from '../linux/processes/signal.ts'
import { silentLogger } from '../log.ts'
import { clocksThatRush } from '../time.double.ts'
import { processResource } from './process-resource.ts'

test('ends exactly the process that is named, and has nothing to do for one that never came', async () => {
  const child = Bun.spawn(['/usr/bin/sleep', '60'])
  const ref = processRef(child.pid)!
  await processResource.release({ name: 'vmm', ref: { ...ref, startTime: '1' } }, silentLogger)
  expect(isAlive(ref)).toBe(true)
  await processResource.release({ name: 'vmm', ref }, silentLogger)
  expect(isAlive(ref)).toBe(false)
  await processResource.release({ name: 'vmm' }, silentLogger)
  await child.exited
})

/**
 * The first process of a pid namespace does not end before every other one of it was waited for. One of them has its parent outside, which
 * waits for nobody until it is told to.
 */
const kernelHolds = `
  $SIG{TERM} = sub { waitpid $_, 0 for $other, $first; exit };
  $SIG{CHLD} = 'DEFAULT';
  syscall(272, 0x20000000) == 0 or die "unshare: $!";
  ($first = fork) or do { sleep 1 while 1 };
  ($other = fork) or do { sleep 1 while 1 };
  $| = 1; print "$first\\n"; sleep 1 while 1`

test.skipIf(process.getuid?.() !== 0)(
  'one that the kernel holds is told by name and number, and is released once it is gone',
  async () => {
    const parent = Bun.spawn(['/usr/bin/perl', '-e', kernelHolds], { stdout: 'pipe' })
    try {
      const { value } = await parent.stdout.getReader().read()
      const ref = processRef(Number(Buffer.from(value!).toString()))!
      expect(isAlive(ref)).toBe(true)
      signalProcess(ref, 'SIGKILL')
      expect(await waitGone(ref, 100)).toBe(false)
      {
        using _rush = clocksThatRush()
        await expect(processResource.release({ name: 'vmm', ref }, silentLogger)).rejects.toMatchObject({
          code: 'PROCESS_STAYS',
          fields: { name: 'vmm', pid: ref.pid },
          remedy: expect.stringContaining(`/proc/${ref.pid}/stack`),
        })
      }
      expect(isAlive(ref)).toBe(true)
      parent.kill('SIGTERM')
      expect(await waitGone(ref, 5000)).toBe(true)
      await processResource.release({ name: 'vmm', ref }, silentLogger)
    } finally {
      parent.kill('SIGTERM')
      await parent.exited
    }
  },
  20_000,
)

test.skipIf(process.getuid?.() !== 0)(
  'one that the kernel holds for a while, as it frees its memory, is waited for',
  async () => {
    const parent = Bun.spawn(['/usr/bin/perl', '-e', kernelHolds], { stdout: 'pipe' })
    const { now } = performance
    try {
      const { value } = await parent.stdout.getReader().read()
      const ref = processRef(Number(Buffer.from(value!).toString()))!
      const released = Promise.resolve(processResource.release({ name: 'vmm', ref }, silentLogger))
      const outcome = released.then(() => 'gone', String)
      const lookedAtAgain = new Promise<string>((resolve) => {
        let looks = 0
        performance.now = () => {
          if (++looks === 2) resolve('again')
          return now.call(performance) + 20_000
        }
      })
      expect(await Promise.race([outcome, lookedAtAgain])).toBe('again')
      parent.kill('SIGTERM')
      expect(await outcome).toBe('gone')
      expect(isAlive(ref)).toBe(false)
    } finally {
      performance.now = now
      parent.kill('SIGTERM')
      await parent.exited
    }
  },
  20_000,
)
