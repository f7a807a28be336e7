/** What happens to a node: containerd is restarted, and one process after the other is killed. */
import { eventually } from '../../e2e/harness/kata.ts'
import { slow } from '../../e2e/harness/time.ts'
import { vmm } from '../../e2e/harness/vmm.ts'
import { readFacts, type SandboxFacts } from '../../src/sandbox/records/facts.ts'
import { defaultRunDir, sandboxPaths } from '../../src/sandbox/records/paths.ts'
import type { KubeletPod } from './kubelet-pod.ts'
import type { Node } from './node.ts'

const victims = ['containerd', 'VMM', 'virtiofsd', 'shim'] as const
export type Victim = (typeof victims)[number]

/** Those that there are: Firecracker shares nothing by virtiofsd. */
export const possibleVictims: readonly Victim[] = victims.filter(
  (victim) => victim !== 'virtiofsd' || vmm.driver !== 'firecracker',
)

/** Longest until the pod is told ended and runs again, milliseconds. */
const revivalMs = 300_000

/** @throws Error for a pod that is not there. */
export function factsOf({ sandboxId, name }: KubeletPod): SandboxFacts {
  const facts = readFacts(sandboxPaths(defaultRunDir, 'k8s.io', sandboxId).facts)
  if (facts === undefined) throw new Error(`${name} has no facts`)
  return facts
}

/** Does it, and waits until the pod that it happened to runs again. What does not becomes a problem. */
export async function inflict(node: Node, victim: Victim, pods: readonly KubeletPod[]): Promise<void> {
  if (victim === 'containerd') return node.restartContainerd()
  const candidates = pods.filter(({ upSince, killed }) => upSince !== undefined && killed === undefined)
  const pod = candidates[Math.floor(Math.random() * candidates.length)]
  if (pod === undefined) return
  const { vmmPid, virtiofsdPids, shimPid } = factsOf(pod)
  const pid = { VMM: vmmPid, virtiofsd: virtiofsdPids[0]!, shim: shimPid }[victim]
  pod.killed = victim
  process.kill(pid, 'SIGKILL')
  const revived = eventually('it to run again', () => pod.killed === undefined || undefined, slow(revivalMs))
  await node.calls
    .timed(`${victim} killed, until its pod ran again`, revived)
    .catch(() => node.problems.push(`${pod.name}: lost after its ${victim} was killed`))
}
