/** What a child of the network says, read within bounds: one that was taken over must not fill anything. */
import { within } from '../../time.ts'

const mostCharacters = 4096
/** How long the rest of what a child said may take once it has ended, milliseconds: a process that it left behind may hold the pipe for ever. */
const restMs = 1000

/** Whether the line `word` comes before the end, and before `signal` fires: a process that the child left behind may hold the pipe. */
export async function untilReady(
  stdout: ReadableStream<Uint8Array>,
  word: string,
  signal: AbortSignal,
): Promise<boolean> {
  const decoder = new TextDecoder()
  const reader = stdout.getReader()
  const leave = () => void reader.cancel().catch(() => {})
  signal.addEventListener('abort', leave)
  let text = ''
  try {
    while (!signal.aborted) {
      const { done, value } = await reader.read()
      if (done) return false
      text += decoder.decode(value, { stream: true })
      if (text.includes(`${word}\n`)) return true
      if (text.length > mostCharacters) return false
    }
    return false
  } finally {
    signal.removeEventListener('abort', leave)
    leave()
  }
}

/** Reads to the end and keeps the last of it. Returns what that is once the child has ended. */
export function tailOf(stream: ReadableStream<Uint8Array>): () => Promise<string> {
  const decoder = new TextDecoder()
  let text = ''
  const read = async () => {
    for await (const chunk of stream)
      text = (text + decoder.decode(chunk, { stream: true })).slice(-mostCharacters)
  }
  // What cannot be read was not said.
  const reading = read().catch(() => {})
  return async () => {
    await within(reading, restMs)
    return text
  }
}
