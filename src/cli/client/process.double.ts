/** A test double of a process in the guest: one of the host, on streams that are open when this returns, as the shim's are. */
import { closeSync, constants, openSync } from 'node:fs'
import { heldInputPath } from '../../sandbox/records/held-input.ts'
import type { StreamUris } from './streams.ts'

const { O_APPEND, O_CREAT, O_NONBLOCK, O_RDONLY, O_RDWR } = constants

export function spawnOn(uris: StreamUris, args: readonly string[]): Bun.Subprocess {
  const outputs = [uris.stdout, uris.stderr].map(openOutput)
  const held = heldInputPath(uris.stdin)
  const access = held === undefined ? O_RDONLY : O_RDWR
  const input = uris.stdin === '' ? undefined : openSync(held ?? uris.stdin, access | O_NONBLOCK)
  const child = Bun.spawn([...args], {
    stdio: [input === undefined ? 'ignore' : Bun.file(input).stream(), outputs[0]!, outputs[1]!],
  })
  for (const fd of outputs) closeSync(fd)
  return child
}

function openOutput(uri: string): number {
  if (uri.startsWith('file://'))
    return openSync(decodeURI(new URL(uri).pathname), O_RDWR | O_CREAT | O_APPEND)
  return openSync(uri === '' ? '/dev/null' : uri, O_RDWR)
}
