/** Sandboxes for untrusted code, from Node (20.4 or later) and Bun. It drives the `kata-ts` executable, as root, by sudo, or through a service. */
export { SandboxError, type SandboxErrorCode } from './error.ts'
export type { RuntimeErrorCode } from './error-codes.ts'
export type { EventsQuery, SandboxEvent } from './events.ts'
export type { ExecOptions, ExecResult } from './exec.ts'
export type { Executable } from './executable.ts'
export type { Files, ListedFile, WriteOptions } from './files.ts'
export type { InputData } from './input.ts'
export type { ProcessOptions, SandboxProcess } from './process.ts'
export {
  type AttachOptions,
  type CreateOptions,
  type EventsOptions,
  type ListedSandbox,
  type ListOptions,
  type LogsOptions,
  type RuntimeOptions,
  Sandbox,
  type SandboxLogs,
  type StopOptions,
  type VolumeOptions,
} from './sandbox.ts'
export type { Snapshot } from './snapshot.ts'
