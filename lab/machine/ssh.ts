/** Commands in the lab host, by the SSH daemon that only this machine reaches. */
import { readFileSync } from 'node:fs'
import { paths } from '../paths.ts'

/**
 * A host that is emulated on a busy machine answers late. One that is asked this often in vain is gone: 20 minutes. Every
 * connection after the first goes through it, since the keys of one cost a second there.
 */
const options: Readonly<Record<string, string>> = {
  UserKnownHostsFile: paths.knownHosts,
  HostKeyAlias: 'kata-ts-lab',
  StrictHostKeyChecking: 'yes',
  BatchMode: 'yes',
  LogLevel: 'ERROR',
  ServerAliveInterval: '30',
  ServerAliveCountMax: '40',
}

/** `ssh` to the lab host with one command line for its shell, or for a shell on a terminal. */
export function sshArguments(commandLine?: string, { connectTimeoutS = 600 } = {}): string[] {
  const all = { ...options, ConnectTimeout: String(connectTimeoutS) }
  return [
    ...['ssh', '-F', 'none', '-i', paths.key, '-p', readFileSync(paths.port, 'utf8')],
    ...Object.entries(all).flatMap(([name, value]) => ['-o', `${name}=${value}`]),
    ...(commandLine === undefined ? ['-t', 'root@127.0.0.1'] : ['root@127.0.0.1', commandLine]),
  ]
}

export interface LabRun {
  /** The command's; 255 when there is no connection, or none any more. */
  readonly code: number
  readonly stdout: string
  readonly stderr: string
}

/** Runs a shell script there, given by its text. `onOutput` hears both its streams as they come. */
async function inLab(
  script: string,
  { onOutput, signal }: { onOutput?: (text: string) => void; signal?: AbortSignal } = {},
): Promise<LabRun> {
  const child = Bun.spawn(sshArguments('sh -s'), {
    stdin: Buffer.from(script),
    stdout: 'pipe',
    stderr: 'pipe',
    ...(signal === undefined ? {} : { signal }),
  })
  const read = async (stream: ReadableStream<Uint8Array>) => {
    let all = ''
    const decoder = new TextDecoder()
    for await (const bytes of stream) {
      const text = decoder.decode(bytes, { stream: true })
      all += text
      onOutput?.(text)
    }
    return all + decoder.decode()
  }
  const [stdout, stderr, code] = await Promise.all([read(child.stdout), read(child.stderr), child.exited])
  return { code, stdout, stderr }
}

/** {@link inLab}, for what must succeed. @throws Error with what the script said. */
export async function mustInLab(script: string, onOutput?: (text: string) => void): Promise<string> {
  const { code, stdout, stderr } = await inLab(script, onOutput && { onOutput })
  if (code !== 0) throw new Error(`in the lab host: exit code ${code}: ${(stderr || stdout).slice(-2000)}`)
  return stdout
}
