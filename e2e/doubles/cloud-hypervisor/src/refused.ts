/** Requests that fail, as the real program answers them: a status, and a list in which each text is the cause of the one before. */
import type { Response } from '../../common/src/http.ts'

export class Refused extends Error {
  readonly status: number
  readonly causes: readonly string[]
  constructor(status: number, ...causes: readonly string[]) {
    super(causes.join(': '))
    this.status = status
    this.causes = causes
  }
}

/** What could not be done, by the request that asked for it. */
const failures: Readonly<Record<string, string>> = {
  'vm.create': 'The VM could not be created',
  'vm.delete': 'The VM could not be deleted',
  'vm.boot': 'The VM could not boot',
  'vm.info': 'The VM info is not available',
  'vm.counters': 'The VM counters are not available',
  'vm.pause': 'The VM could not be paused',
  'vm.resume': 'The VM could not resume',
  'vm.shutdown': 'The VM could not shutdown',
  'vm.resize': 'The VM could not be resized',
  'vm.resize-disk': 'The disk could not be resized',
  'vm.add-net': 'The network device could not be added to the VM',
  'vm.add-disk': 'The disk could not be added to the VM',
  'vm.add-fs': 'The fs could not be added to the VM',
  'vm.remove-device': 'The device could not be removed from the VM',
}

/** A request that is none is answered by its fault alone, others by what could not be done as well. */
export function answerTo(command: string, error: Error): Response {
  if (!(error instanceof Refused)) return wrapped(command, 500, [error.message])
  return error instanceof Unasked
    ? { status: error.status, body: error.causes }
    : wrapped(command, error.status, error.causes)
}

function wrapped(command: string, status: number, causes: readonly string[]): Response {
  return { status, body: ['Error from API', failures[command] ?? command, ...causes] }
}

/** It never came to ask for anything. */
class Unasked extends Refused {}

export const notFound = () => new Unasked(404, 'Not Found')
export const badRequest = () => new Unasked(400, 'Bad Request')
export const notJson = (reason: string) => new Unasked(400, 'Failed to deserialize JSON', reason)

export const notCreated = () => new Refused(404, 'VM is not created')
export const alreadyCreated = () => new Refused(500, 'VM is already created')
export const notRunning = () => new Refused(500, 'VM is not running')
export const invalidConfig = (...reasons: readonly string[]) =>
  new Refused(500, 'Failed to validate config', ...reasons)
export const deviceError = (...reasons: readonly string[]) =>
  new Refused(500, 'Error from device manager', ...reasons)
export const memoryError = (...reasons: readonly string[]) =>
  new Refused(500, 'Memory manager error', ...reasons)

/** The error of a system call that failed, as the real program's language tells it. */
export function osError(error: unknown): string {
  const { message, errno } = error as Error & { errno?: number }
  return `${message.slice(message.lastIndexOf(': ') + 2)} (os error ${errno})`
}
