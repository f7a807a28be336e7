/** Signals to a shim, which are those of a process of its own. */
import { expect, test } from 'bun:test'

test.each(['SIGTERM', 'SIGINT'] as const)(
  'a second %s does not kill a shim that is ending',
  async (signal) => {
    const program = `
    const { whenInterrupted } = await import(${JSON.stringify(`${import.meta.dir}/serve.ts`)})
    const { silentLogger } = await import(${JSON.stringify(`${import.meta.dir}/../../log.ts`)})
    const interrupted = whenInterrupted(silentLogger)
    console.log('it serves')
    await interrupted
    console.log('it ends')
    // As its guest writes back what it holds of disks.
    await Bun.stdin.text()
    process.exit(7)`
    const child = Bun.spawn([process.execPath, '-e', program], { stdio: ['pipe', 'pipe', 'inherit'] })
    const says = child.stdout.pipeThrough(new TextDecoderStream()).getReader()
    expect((await says.read()).value).toBe('it serves\n')
    child.kill(signal)
    expect((await says.read()).value).toBe('it ends\n')
    for (const again of ['SIGTERM', 'SIGINT', signal] as const) child.kill(again)
    await child.stdin.end()
    expect([await child.exited, child.signalCode]).toEqual([7, null])
  },
)
