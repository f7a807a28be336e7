/**
 * The files by which the shim and its client tell each other what the Task service has no field for. They lie in the bundle, which is
 * root's: no pod can write there. All names stand here, because each side writes what the other reads.
 */

const names = {
  /** The container's OCI specification. Client to shim. */
  spec: 'config.json',
  /** What the command line overrides in the configuration (`Overrides`). Client to shim. */
  overrides: 'overrides.json',
  /** The network that the command line asks for (`NetworkWishes`). Client to shim. */
  network: 'network.json',
  /** Where what happens to the container is noted (`EventLogWishes`). Client to shim. */
  events: 'events.json',
  /** Options of the runtime, for a pod that the Sandbox service makes. `start` to its daemon. */
  runtimeOptions: 'runtime-options.json',
  /** containerd's FIFO for the shim's log; where there is none, the shim keeps `shimLog`. Client to shim. */
  logFifo: 'log',
  /** Lines of JSON. Shim to client. */
  shimLog: 'shim.log',
  /** Which process the shim is. Shim to client. */
  shimProcess: 'shim.json',
  /** The shim's address, `unix://PATH`: containerd reads it when it starts again. Shim to client. */
  address: 'address',
  /** Mounts of the client's that the shim did not see. `start` to its daemon. */
  lateMounts: 'late-mounts.json',
  /** Why an action of the shim failed, for instance `start` (`ToldFailure`). Shim to client. */
  actionFailure: 'action-failure.json',
  /** Why the sandbox died (`ToldFailure`). Shim to client. */
  failure: 'failure.json',
  /** Warnings about a start, one JSON string a line. Shim to client. */
  warnings: 'warnings.jsonl',
  /** Empty; its being there says that a process of the container was killed for want of memory. CRI-O reads it too. Shim to client. */
  oomKilled: 'oom',
} as const

export type BundleFile = keyof typeof names

export function bundleFile(bundle: string, file: BundleFile): string {
  return `${bundle}/${names[file]}`
}
