/** What a child of the network says, read within bounds: one that was taken over must not fill anything. */

const mostCharacters = 4096

/** Whether the line `word` comes before the end. The rest is left to {@link tailOf}. */
export async function untilReady(stdout: ReadableStream<Uint8Array>, word: string): Promise<boolean> {
  const decoder = new TextDecoder()
  let text = ''
  for await (const chunk of stdout) {
    text += decoder.decode(chunk, { stream: true })
    if (text.includes(`${word}\n`)) return true
    if (text.length > mostCharacters) return false
  }
  return false
}

/** Reads to the end and keeps the last of it. */
export async function tailOf(stream: ReadableStream<Uint8Array>): Promise<string> {
  const decoder = new TextDecoder()
  let text = ''
  for await (const chunk of stream)
    text = (text + decoder.decode(chunk, { stream: true })).slice(-mostCharacters)
  return text
}
