/**
 * Stands between the guest agent and the wire: what the agent answers comes through, until a lie was asked for. A sandbox asks
 * by its hostname, `lie-NAME`, a container by LIE=NAME in the environment of its process; `lie=NAME` on the kernel command line
 * asks for one from the first call on.
 */

import { kernelCommandLine } from '../../../../guest/agent/src/machine.ts'
import { parseCommandLine } from '../../../../guest/agent/src/system/command-line.ts'
import { sleep } from '../../../../guest/agent/src/system/wait.ts'
import {
  type MethodDefinition,
  type ServeOptions,
  type ServerConnection,
  type Service,
  serve as serveTruth,
  type Transport,
} from '../../../../src/ttrpc/ttrpc.ts'
import { lieOf, streamLies } from './lies.ts'

export { type Transport, TtrpcError } from '../../../../src/ttrpc/ttrpc.ts'

/** A frame that answers call 1 with nothing, as often as there is room. */
const unasked = new Uint8Array(100).fill(0)
for (let at = 0; at < unasked.length; at += 10) unasked.set([0, 0, 0, 0, 0, 0, 0, 1, 2, 0], at)

let lie = ''

export function serve(
  transport: Transport,
  services: readonly Service[],
  options: ServeOptions = {},
): ServerConnection {
  lie = parseCommandLine(kernelCommandLine()).get('lie') ?? lie
  const wire: Transport = {
    onData: (receive) => transport.onData(receive),
    onClose: (closed) => transport.onClose(closed),
    close: (error) => transport.close(error),
    write(bytes) {
      if (lie === streamLies.twice) void transport.write(bytes)
      // The last byte of the stream id.
      if (lie === streamLies.astray) bytes[7] = (bytes[7]! + 2) & 0xff
      return transport.write(bytes)
    },
  }
  const asked = (request: unknown): void => {
    const { hostname = '', oci } = request as { hostname?: string; oci?: { process?: { env?: string[] } } }
    const wanted = oci?.process?.env?.find((entry) => entry.startsWith('LIE='))?.slice(4)
    if (hostname.startsWith('lie-')) lie = hostname.slice(4)
    if (wanted !== undefined) lie = wanted
    // The host ends the stream, which is no reason for the guest to end.
    if (lie === streamLies.flood) flood(transport).catch(() => {})
  }
  return serveTruth(
    wire,
    services.map((service) => lying(service, asked)),
    options,
  )
}

async function flood(transport: Transport): Promise<void> {
  for (;;) {
    await transport.write(unasked)
    await sleep(0)
  }
}

function lying({ name, methods }: Service, asked: (request: unknown) => void): Service {
  const entries = [...methods].map(([method, entry]): [string, typeof entry] => [
    method,
    {
      method: withBytes(entry.method),
      handler(request, context) {
        if (method === 'CreateSandbox' || method === 'CreateContainer') asked(request)
        const truth = () => entry.handler(request, context)
        return method === 'GetOOMEvent'
          ? toldLate(method, truth)
          : (lieOf(lie, method) ?? ((honest) => honest()))(truth)
      },
    },
  ])
  return { name, methods: new Map(entries) }
}

/** A call that waits from before the lie was asked for. */
async function toldLate(method: string, truth: () => unknown): Promise<unknown> {
  let isTrue = false
  const told = Promise.resolve(truth())
  void told.then(() => {
    isTrue = true
  })
  for (;;) {
    const answer = lieOf(lie, method)
    if (isTrue || answer === undefined) await Promise.race([told, sleep(100)])
    if (isTrue) return told
    if (answer !== undefined) return answer(truth)
  }
}

/** Lets an answer be the bytes of a message. */
function withBytes(method: MethodDefinition): MethodDefinition {
  const { responseType: type } = method
  const isBytes = (answer: unknown): answer is Uint8Array => answer instanceof Uint8Array
  return {
    ...method,
    responseType: {
      decode: (bytes) => type.decode(bytes),
      fromPartial: (answer) => (isBytes(answer) ? answer : type.fromPartial(answer)),
      encode: (answer) => (isBytes(answer) ? { finish: () => answer } : type.encode(answer)),
    },
  }
}
