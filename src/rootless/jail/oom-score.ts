/**
 * The order in which processes are killed when the host runs out of memory: pods by their quality of service, then shims, then their
 * client. Without this everything of a sandbox would inherit containerd's score (-999 where systemd starts it), and be killed last.
 */
import { readOomScore, writeOomScore } from '../../linux/processes/oom-score.ts'

/** The score that Kubernetes gives a container of a guaranteed pod. A sandbox never has a lower one. */
export const leastPodScore = -997
/** The score of VMM, virtiofsd and all others that serve one pod, until its containers ask for another. */
export const defaultPodScore = 0
/** One above containerd's own. */
export const shimScore = -998

/** For a shell that is about to become one of them. It may fail where the host allows no lower value; then only this pod is killed sooner. */
export const enterPodScore = `echo ${defaultPodScore} 2>/dev/null >/proc/self/oom_score_adj || :`

/** In the process that starts the daemon: {@link shimScore}, or what is next to it where the host does not allow that. */
export function takeShimScore(): void {
  for (const score of [shimScore, defaultPodScore]) {
    if ((readOomScore('self') ?? 0) === score || writeOomScore('self', score)) return
  }
}
