/** Calls about processes and their stdio. */
import { setWindow } from 'syscalls'
import type {
  AgentServiceDefinition,
  ReadStreamRequest,
  WriteStreamRequest,
} from '../../../../src/protocol/generated/agent.ts'
import { type CallContext, type Implementation, LentAnswer } from '../../../../src/ttrpc/ttrpc.ts'
import { type ContainerProcess, terminalOf } from '../container/process.ts'
import { precondition } from '../errors.ts'
import type { Sandbox } from '../sandbox.ts'
import { BrokenInput } from '../streams/input-stream.ts'
import { mostLent } from '../streams/output-source.ts'
import type { OutputStream } from '../streams/output-stream.ts'

/** Most bytes of one answer. */
const largestRead = mostLent
/** Number of the one field of ReadStreamResponse. */
const dataField = 1

/** A terminal has no end of input; closing it would hang it up. */
async function closeInput({ stdio }: ContainerProcess): Promise<void> {
  if (stdio.terminal === undefined) await stdio.stdin.close()
}

export function processCalls(sandbox: Sandbox) {
  const find = ({ containerId, execId }: { containerId: string; execId: string }): ContainerProcess =>
    sandbox.container(containerId).process(execId)

  const readOutput = async (
    stream: OutputStream | undefined,
    { len, bufferOffset, bufferLen, bufferMs }: ReadStreamRequest,
    call: CallContext,
  ) => {
    const size = Math.min(len || largestRead, largestRead)
    const place = bufferLen > 0 ? { offset: bufferOffset, size: bufferLen, idleMs: bufferMs } : undefined
    const output = await stream?.read(size, call, place)
    if (output !== undefined && 'giveBack' in output) return new LentAnswer(dataField, output)
    if (output !== undefined && ('buffered' in output || 'idle' in output)) return output
    return { data: output ?? new Uint8Array(0) }
  }

  /** How many bytes the process has. */
  const writeInput = async (request: WriteStreamRequest): Promise<number> => {
    const { data, bufferOffset, bufferLen, bufferMs } = request
    const process = find(request)
    if (bufferLen > 0)
      return process.stdio.stdin.writeFrom({ offset: bufferOffset, size: bufferLen, idleMs: bufferMs })
    // No bytes are Kata's other word for the end of input.
    if (data.length === 0) await closeInput(process)
    else await process.stdio.stdin.write(data)
    return data.length
  }

  return {
    async execProcess(request) {
      await sandbox.container(request.containerId).exec(request)
      return {}
    },
    async signalProcess({ containerId, execId, signal }) {
      await sandbox.container(containerId).signal(execId, signal)
      return {}
    },
    async waitProcess({ containerId, execId }) {
      return { status: await sandbox.container(containerId).wait(execId) }
    },
    readStdout: (request, call) => readOutput(find(request).stdio.stdout, request, call),
    readStderr: (request, call) => readOutput(find(request).stdio.stderr, request, call),
    async writeStdin(request) {
      try {
        return { len: await writeInput(request) }
      } catch (error) {
        throw error instanceof BrokenInput ? precondition('the process has closed its standard input') : error
      }
    },
    async closeStdin(request) {
      await closeInput(find(request))
      return {}
    },
    ttyWinResize(request) {
      setWindow(terminalOf(find(request)), request.row, request.column)
      return {}
    },
  } satisfies Implementation<typeof AgentServiceDefinition>
}
