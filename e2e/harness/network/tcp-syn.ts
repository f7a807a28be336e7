/** The segments with SYN that pass a link, seen from the host. */
import type { TestNetns } from '../../../src/network/testing.ts'
import { eventually } from '../kata.ts'

export interface Syn {
  readonly from: number
  readonly to: number
  readonly sequence: number
  /** Zero in a SYN that answers none. */
  readonly acknowledged: number
  /** When it passed, microseconds since 1970. */
  readonly at: number
}

export interface SynWatch extends AsyncDisposable {
  /** All so far, in their order. */
  readonly seen: readonly Syn[]
}

/** Watches `link` of `netns` with the tool `tcp-syn` of `tools`. */
export async function watchSyns(tools: string, netns: TestNetns, link: string): Promise<SynWatch> {
  const argv = ['ip', 'netns', 'exec', netns.name, `${tools}/tcp-syn`, 'watch', link]
  const watcher = Bun.spawn(argv, { stdin: 'ignore', stdout: 'pipe', stderr: 'inherit' })
  const seen: Syn[] = []
  let isReady = false
  const note = (line: string): void => {
    const [from = 0, to = 0, sequence = 0, acknowledged = 0, at = 0] = line.split(' ').map(Number)
    if (line === 'ready') isReady = true
    else seen.push({ from, to, sequence, acknowledged, at })
  }
  const reading = (async () => {
    let rest = ''
    for await (const chunk of watcher.stdout.pipeThrough(new TextDecoderStream() as never)) {
      const lines = `${rest}${chunk}`.split('\n')
      rest = lines.pop()!
      lines.forEach(note)
    }
  })()
  await eventually('a watch of the link', () => isReady || undefined)
  return {
    seen,
    async [Symbol.asyncDispose]() {
      watcher.kill('SIGKILL')
      await reading
    },
  }
}
