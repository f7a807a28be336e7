import { expect, test } from 'bun:test'

/** Runs `body` in a process of its own; the signal that ended it, or its exit code. */
async function endOf(body: string): Promise<string | number | null> {
  const code = `
    import { endAfterBusy, limitSpin } from '${import.meta.dir}/spin-limit.ts'
    const spin = (ms) => { for (const end = performance.now() + ms; performance.now() < end; ); }
    ${body}`
  const child = Bun.spawn([process.execPath, '-e', code], { stdio: ['ignore', 'ignore', 'inherit'] })
  await child.exited
  return child.signalCode ?? child.exitCode
}

test('a process that never comes back to its event loop is ended', async () => {
  expect(await endOf('using limit = limitSpin(1); spin(60_000)')).toBe('SIGPROF')
  expect(await endOf('endAfterBusy(1); spin(60_000)')).toBe('SIGPROF')
}, 60_000)

test('one that comes back may use more in all', async () => {
  const body =
    'using limit = limitSpin(1, 100); for (let i = 0; i < 60; i++) { spin(50); await Bun.sleep(1) } process.exit(7)'
  expect(await endOf(body)).toBe(7)
}, 60_000)

test('it outlives the bound once it was taken away, and so does its child, which does not inherit it', async () => {
  expect(await endOf('{ using limit = limitSpin(1) } spin(2500); process.exit(7)')).toBe(7)
  const child = `endAfterBusy(1); process.exit(Bun.spawnSync(['/bin/sh', '-c', 'i=0; while [ $i -lt 3000000 ]; do i=$((i+1)); done; exit 7']).exitCode)`
  expect(await endOf(child)).toBe(7)
}, 60_000)
