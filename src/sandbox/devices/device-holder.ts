/** Names the process that holds a device for error texts: by its sandbox, if it is one of ours. */
import { processResource } from '../../ledger/process-resource.ts'
import { readProc } from '../../linux/processes/proc.ts'
import { silentLogger } from '../../log.ts'
import { openLedger, ownerOf } from '../end/teardown.ts'
import { listSandboxes } from '../records/gc.ts'
import { defaultRunDir } from '../records/paths.ts'

/** For instance `sandbox k8s.io/abc has it`, or `process 123 (qemu-system-x86) has it open`. */
export function holderName(pid: number, runDir: string = defaultRunDir): string {
  for (const { namespace, id, paths } of listSandboxes(runDir)) {
    const ledger = openLedger(paths, silentLogger)
    const pids = [ownerOf(ledger)?.pid, ...ledger.dataOf(processResource).map(({ ref }) => ref?.pid)]
    if (pids.includes(pid)) return `sandbox ${namespace}/${id} has it`
  }
  return `process ${pid} (${readProc(`/proc/${pid}/comm`)?.trim() ?? 'gone by now'}) has it open`
}
