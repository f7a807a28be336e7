/** Runs the health check of a container repeatedly while the container runs. */
import { describeError, KataError } from '../../../errors.ts'
import { SIGKILL } from '../../../linux/processes/signal.ts'
import { readBundleSpec } from '../../../oci/bundle.ts'
import { Status } from '../../../protocol/generated/containerd/types.ts'
import { realClock, sleep, within } from '../../../time.ts'
import type { Settings } from '../../settings.ts'
import { noteEvent } from '../events.ts'
import { withExec } from '../exec.ts'
import { type ContainerRecord, recordPaths } from '../record.ts'
import type { SignalCatcher } from '../signals.ts'
import { processSpec } from '../spec.ts'
import type { TaskClient } from '../task.ts'
import {
  afterProbe,
  type HealthCheck,
  mostOutput,
  type ProbeResult,
  resultText,
  startingHealth,
  untilNextProbe,
} from './health-check.ts'
import { forgetHealth, writeHealth } from './health-state.ts'

/** Most time for a killed check to end, milliseconds. */
const killedMs = 10_000
const stateMs = 5000

/** Ignores signals, because they are meant for the container, not for its check. */
const noSignals = (): SignalCatcher => ({
  handle: () => {},
  interrupted: new Promise(() => {}),
  release: () => {},
})

/** Checks until `over` fires. Never rejects: a check that cannot run counts as failed. */
export async function watchHealth(
  settings: Settings,
  record: ContainerRecord,
  task: TaskClient,
  over: AbortSignal,
): Promise<void> {
  const { health: check } = record
  if (check === undefined) return
  forgetHealth(settings, record)
  const begin = realClock.now()
  let health = startingHealth
  while (!over.aborted) {
    const waited = sleep(untilNextProbe(health, check, realClock.now() - begin), over)
    await waited.catch(() => {})
    if (over.aborted || !(await isRunning(task))) continue
    const sinceStartMs = realClock.now() - begin
    const result = await probe(settings, record, check, task)
    // The container ended or was paused during the check, which then means nothing.
    if (over.aborted || result === undefined) continue
    const before = health.status
    health = afterProbe(health, check, result, sinceStartMs)
    try {
      writeHealth(settings, record, health)
    } catch (error) {
      settings.log.warn('the result of a health check could not be noted', { id: record.id, error })
    }
    if (health.status !== before) noteEvent(settings, record, `health_status: ${health.status}`)
  }
}

/** Whether the container runs. A paused one is not checked. */
async function isRunning(task: TaskClient): Promise<boolean> {
  const state = await task.state(stateMs).catch(() => undefined)
  return state?.status === Status.RUNNING
}

/** Runs one check. Undefined if the container's state did not permit it. */
async function probe(
  settings: Settings,
  record: ContainerRecord,
  { command, timeoutMs }: HealthCheck,
  task: TaskClient,
): Promise<ProbeResult | undefined> {
  const start = new Date().toISOString()
  const kept: Uint8Array[] = []
  let bytes = 0
  const keep = {
    write: async (chunk: Uint8Array) => {
      if (bytes < mostOutput) kept.push(Buffer.from(chunk.subarray(0, mostOutput - bytes)))
      bytes += chunk.length
    },
  }
  const told = () => Buffer.concat(kept).toString()
  const ended = (exitCode: number, output: string): ProbeResult => ({
    start,
    end: new Date().toISOString(),
    exitCode,
    output: resultText(output),
  })
  try {
    const code = await runProbe(settings, record, command, { timeoutMs, task, output: keep })
    if (code !== undefined) return ended(code, told())
    return ended(-1, `the check did not end within ${timeoutMs / 1000} s\n${told()}`)
  } catch (error) {
    // The start of the check waits for a pause or save. If the container is then paused, the start is refused, and so is the kill after a
    // timeout.
    if (error instanceof KataError && error.code === 'TASK_STATE') return undefined
    return ended(-1, describeError(error))
  }
}

/** The exit code; undefined if the check timed out and was killed. */
async function runProbe(
  settings: Settings,
  record: ContainerRecord,
  args: readonly string[],
  { timeoutMs, task, output }: { timeoutMs: number; task: TaskClient; output: ProbeSink },
): Promise<number | undefined> {
  const { io, bundle } = recordPaths(settings.stateDir, record.namespace, record.id)
  const execId = `health-${crypto.randomUUID().slice(0, 8)}`
  const request = {
    ...{ task, id: record.id, io, execId, signals: noSignals() },
    process: processSpec(readBundleSpec(bundle).process ?? {}, { args, terminal: false, env: {} }, {}),
    streams: { interactive: false, input: new ReadableStream(), output, errors: output },
    settings: { log: settings.log, tell: () => {} },
  }
  return withExec(request, async (exited) => {
    // The promise is awaited below, at the latest after the kill. A rejection before that must not count as unhandled.
    exited.catch(() => {})
    const code = await within(exited, timeoutMs)
    if (code !== undefined) return code
    await task.kill(SIGKILL, { execId })
    await within(exited, killedMs)
    return undefined
  })
}

interface ProbeSink {
  write(chunk: Uint8Array): Promise<void>
}
