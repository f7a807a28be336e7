/** Counters of network interfaces from /proc/net/dev (proc_net(5)). Pure: tested on the host. */
import type { NetworkStats } from '../../../../src/protocol/generated/agent.ts'

/** Every interface but loopback. */
export function parseNetworkStats(text: string): NetworkStats[] {
  return text
    .split('\n')
    .slice(2)
    .map((line) => /^\s*([^\s:]+):\s*(.*)$/.exec(line))
    .filter((match) => match !== null)
    .filter((match) => match[1] !== 'lo')
    .map((match) => {
      const counters = match[2]!.trim().split(/\s+/)
      const at = (index: number) => BigInt(counters[index] ?? '0')
      return {
        name: match[1]!,
        rxBytes: at(0),
        rxPackets: at(1),
        rxErrors: at(2),
        rxDropped: at(3),
        txBytes: at(8),
        txPackets: at(9),
        txErrors: at(10),
        txDropped: at(11),
      }
    })
}
