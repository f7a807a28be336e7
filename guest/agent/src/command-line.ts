/** The kernel command line, as far as it speaks to the agent (kata: `agent.*`). Pure: tested on the host. */

export interface AgentOptions {
  /** Port of the AF_VSOCK listener, or undefined when the agent only serves the virtio-serial port. */
  readonly vsockPort: number | undefined
}

/** Splits at blanks outside double quotes, as the kernel does (lib/cmdline.c), into names and values. */
export function parseCommandLine(text: string): Map<string, string> {
  const words = text.trim().match(/(?:[^\s"]|"[^"]*")+/g) ?? []
  return new Map(
    words.map((word): [string, string] => {
      const plain = word.replaceAll('"', '')
      const equals = plain.indexOf('=')
      return equals < 0 ? [plain, ''] : [plain.slice(0, equals), plain.slice(equals + 1)]
    }),
  )
}

/**
 * Reads `agent.server_addr=vsock://-1:1024` (Kata's form; -1 is any CID).
 *
 * @throws Error when the address is given and is not of that form.
 */
export function agentOptions(commandLine: string): AgentOptions {
  const address = parseCommandLine(commandLine).get('agent.server_addr')
  if (address === undefined) return { vsockPort: undefined }
  const port = /^vsock:\/\/-1:(\d{1,10})$/.exec(address)?.[1]
  if (port === undefined) throw new Error(`agent.server_addr=${address} is not of the form vsock://-1:PORT`)
  return { vsockPort: Number(port) }
}
