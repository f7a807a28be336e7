import { expect, test } from 'bun:test'
import type { AgentClient } from '../../agent/client.ts'
import { AgentProcess } from './agent-process.ts'
import type { TerminalSize } from './guest-process.ts'

/** The calls of one start, in their order. */
async function callsOfStart(execId: string, resized: Promise<object> = Promise.resolve({})) {
  const calls: string[] = []
  const ttyWinResize = ({ row, column }: { row: number; column: number }) => {
    calls.push(`resize ${row}x${column}`)
    return resized
  }
  const agent = { ttyWinResize } as unknown as AgentClient
  const launch = async (size?: TerminalSize) => calls.push(`launch ${size?.rows}x${size?.columns}`)
  const process = new AgentProcess(agent, { containerId: 'c', execId }, launch)
  await process.start({ rows: 24, columns: 80 })
  return calls
}

test('the terminal of an init is there before it runs, that of an exec is told with it and once it runs', async () => {
  expect(await callsOfStart('')).toEqual(['resize 24x80', 'launch 24x80'])
  expect(await callsOfStart('one')).toEqual(['launch 24x80', 'resize 24x80'])
})

test('a size that the guest does not take keeps nothing from starting', async () => {
  expect(await callsOfStart('', Promise.reject(new Error('no tty')))).toEqual([
    'resize 24x80',
    'launch 24x80',
  ])
})

test('what is to be done after the end is done before it is told', async () => {
  const steps: string[] = []
  const agent = { waitProcess: async () => ({ status: 3 }) } as unknown as AgentClient
  const afterEnd = async () => {
    await Bun.sleep(1)
    steps.push('done')
  }
  const process = new AgentProcess(agent, { containerId: 'c', execId: '' }, async () => {}, { afterEnd })
  steps.push(`ended with ${await process.wait()}`)
  expect(steps).toEqual(['done', 'ended with 3'])
})

test('input that fails is an error while the process runs, and none once it has ended', async () => {
  const ended = Promise.withResolvers<{ status: number }>()
  const agent = {
    waitProcess: () => ended.promise,
    writeStdin: () => Promise.reject(new Error('broken')),
    closeStdin: async () => ({}),
  } as unknown as AgentClient
  const process = new AgentProcess(agent, { containerId: 'c', execId: '' }, async () => {})
  async function* source() {
    yield Uint8Array.of(1)
  }
  await expect(process.input(source())).rejects.toThrow('broken')
  ended.resolve({ status: 0 })
  await process.wait()
  await process.input(source())
})

test('a signal for the init reaches no other process, but for SIGKILL, which ends the container', async () => {
  const sent: string[] = []
  const signalProcess = async ({ execId = '', signal = 0 }: { execId?: string; signal?: number }) => {
    sent.push(`${signal} to ${execId || 'all'}`)
    return {}
  }
  const agent = { signalProcess } as unknown as AgentClient
  const init = new AgentProcess(agent, { containerId: 'c', execId: '' }, async () => {})
  const exec = new AgentProcess(agent, { containerId: 'c', execId: 'e' }, async () => {})
  for (const signal of [15, 9]) for (const process of [init, exec]) await process.signal(signal)
  expect(sent).toEqual(['15 to c', '15 to e', '9 to all', '9 to e'])
  await init.signal(15, true)
  expect(sent.at(-1)).toBe('15 to all')
})
