/** An agent's code runner: code that nobody has read, without a network, with limits of time, memory, processes and output. */
import { Sandbox, SandboxError } from '@kata-ts/sdk'

async function run(box: Sandbox, code: string): Promise<string> {
  try {
    const { exitCode, text, errorText } = await box.exec(['sh', '-s'], {
      stdin: code,
      user: '1000:1000',
      timeoutMs: Number(process.env.LIMIT_MS ?? 10_000),
      maxOutputBytes: 100_000,
    })
    return `exit ${exitCode}: ${text || errorText}`.trim()
  } catch (error) {
    if (error instanceof SandboxError) return `stopped: ${error.code}`
    throw error
  }
}

await using box = await Sandbox.create({ memory: '128M', pids: 64 })
console.log(await run(box, 'echo $((6 * 7))'))
console.log(await run(box, 'rm -rf /bin; echo "still there"'))
console.log(await run(box, 'yes'))
console.log(await run(box, 'while :; do :; done'))
console.log(await run(box, 'ip -o link | wc -l'))
