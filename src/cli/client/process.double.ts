/** A test double of a process in the guest: a process of the host. Its streams are open when {@link spawnOn} returns, as the shim's are. */
import { constants, openSync } from 'node:fs'
import { heldInputPath } from '../../sandbox/records/held-input.ts'
import { type OutputSink, openOutput } from '../../shim/task/stdio.ts'
import type { StreamUris } from './streams.ts'

const { O_NONBLOCK, O_RDONLY, O_RDWR } = constants

export interface FakeProcess {
  readonly child: Bun.Subprocess
  /** Settles once all output was delivered. */
  readonly delivered: Promise<void>
  /** Ends the input, once everything in it was read. */
  closeInput(): void
}

export function spawnOn(uris: StreamUris, args: readonly string[]): FakeProcess {
  const [stdout, stderr] = [openOutput(uris.stdout, true), openOutput(uris.stderr, true)]
  const held = heldInputPath(uris.stdin)
  const access = held === undefined ? O_RDONLY : O_RDWR
  const input = uris.stdin === '' ? undefined : openSync(held ?? uris.stdin, access | O_NONBLOCK)
  const ending = new TransformStream<Uint8Array, Uint8Array>()
  const closeInput = input === undefined ? () => {} : pipeUntilClosed(input, ending.writable)
  const child = Bun.spawn([...args], {
    detached: true,
    stdio: [input === undefined ? 'ignore' : ending.readable, 'pipe', 'pipe'],
  })
  const copies = [copy(child.stdout, stdout), copy(child.stderr, stderr)]
  return { child, delivered: Promise.all(copies).then(() => {}), closeInput }
}

/** A FIFO that is held open has no end, so the returned function ends it: once nothing has come for a while. */
function pipeUntilClosed(from: number, to: WritableStream<Uint8Array>): () => void {
  const writer = to.getWriter()
  let isClosing = false
  let late: ReturnType<typeof setTimeout> | undefined
  const end = () => void writer.close().catch(() => {})
  const soon = () => {
    clearTimeout(late)
    if (isClosing) late = setTimeout(end, 200)
  }
  const run = async () => {
    for await (const chunk of Bun.file(from).stream()) {
      await writer.write(chunk)
      soon()
    }
    end()
  }
  run().catch(() => {})
  return () => {
    isClosing = true
    soon()
  }
}

/** Kills the process and its children, as the end of a container does. */
export function endGroup({ pid }: Bun.Subprocess): void {
  try {
    process.kill(-pid, 'SIGKILL')
  } catch {
    // The group has ended already.
  }
}

/** Copies the stream. A chunk that a full disk has no room for is lost, as in the shim. */
async function copy(stream: ReadableStream<Uint8Array>, sink: OutputSink): Promise<void> {
  for await (const chunk of stream) await sink.write(chunk).catch(() => {})
  await sink.close().catch(() => {})
}
