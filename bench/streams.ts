/** What goes through the standard streams of a process in the container, each way, and how long a byte takes there and back. */
import { truncateSync, writeFileSync } from 'node:fs'
import type { Host } from './host.ts'
import { ms, type Result } from './report.ts'
import { round, type Summary, summarize } from './stats.ts'

const blockBytes = 65_536
const streamBytes = 1600 * blockBytes
const roundTrips = 50
const name = 'streams'

export interface StreamsData {
  readonly bytes: number
  /** MB/s. */
  readonly stdout: Summary
  readonly stdin: Summary
  readonly echoMs: Summary
}

export async function benchStreams(host: Host, rounds: number): Promise<Result> {
  await host.startIdle(name)
  const rates = { stdout: [] as number[], stdin: [] as number[] }
  for (let turn = 0; turn < rounds; turn++) {
    rates.stdout.push(await output(host))
    rates.stdin.push(await input(host))
  }
  const echoMs = summarize(await echo(host))
  await host.must(['rm', '-f', name])
  const data: StreamsData = {
    bytes: streamBytes,
    stdout: summarize(rates.stdout),
    stdin: summarize(rates.stdin),
    echoMs,
  }
  const row = (label: string, { median, min }: Summary) => [label, `${median} MB/s`, `${min} MB/s`]
  return {
    name: 'streams',
    what: `kata-ts exec: ${Math.round(streamBytes / 1e6)} MB from a process in the container to our pipe, and from a file to a process (${rounds} rounds in turns)`,
    tables: [
      {
        header: ['', 'median', 'slowest'],
        rows: [
          row('standard output, out of the container', data.stdout),
          row('standard input, into it', data.stdin),
        ],
      },
      {
        header: [`a byte there and back through \`cat\`, ${roundTrips} times`, 'median', 'min', 'p90'],
        rows: [['echo', ms(echoMs.median), ms(echoMs.min), ms(echoMs.p90)]],
      },
    ],
    notes: [],
    data: { rounds, ...data },
  }
}

/** MB/s. @throws Error when bytes are missing. */
async function output(host: Host): Promise<number> {
  // busybox's head goes byte by byte, and under emulation would be what is measured.
  const command = ['dd', 'if=/dev/zero', `bs=${blockBytes}`, `count=${streamBytes / blockBytes}`]
  const { bytes, streamMs } = await host.must(['exec', name, '--', ...command])
  return rateOf(bytes, streamMs)
}

/** MB/s, from the moment that the process in the container reads. @throws Error when bytes are missing. */
async function input(host: Host): Promise<number> {
  const file = `${host.stateDir}/input`
  writeFileSync(file, '')
  truncateSync(file, streamBytes)
  const { tail, streamMs } = await host.must(
    [
      'exec',
      '-i',
      name,
      '--',
      'sh',
      '-c',
      `echo ready; exec dd of=/dev/null iflag=fullblock bs=${blockBytes} 2>&1`,
    ],
    { stdin: file },
  )
  return rateOf(blockBytes * Number(/^(\d+)\+0 records out$/m.exec(tail)?.[1]), streamMs)
}

function rateOf(bytes: number, streamMs: number): number {
  if (bytes !== streamBytes) throw new Error(`of ${streamBytes} bytes ${bytes} came through`)
  return round(bytes / 1e6 / (streamMs / 1000))
}

/** Milliseconds of each byte. */
async function echo(host: Host): Promise<number[]> {
  const child = Bun.spawn(host.command(['exec', '-i', name, '--', 'cat']), {
    stdio: ['pipe', 'pipe', 'inherit'],
  })
  const answers = child.stdout.getReader()
  const times: number[] = []
  try {
    // The first waits for the process to come up.
    for (let turn = 0; turn <= roundTrips; turn++) {
      const begun = performance.now()
      child.stdin.write('x')
      await child.stdin.flush()
      const { done } = await answers.read()
      if (done) throw new Error('cat ended early')
      if (turn > 0) times.push(performance.now() - begun)
    }
    await child.stdin.end()
    const code = await child.exited
    if (code !== 0) throw new Error(`cat ended with ${code}`)
    return times
  } finally {
    child.kill('SIGKILL')
    await child.exited
  }
}
