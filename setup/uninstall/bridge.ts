/** The bridge of the network in packaging/cni. CNI makes it with the first pod and never removes it. */
import { existsSync, readdirSync } from 'node:fs'
import { lastLine, runTool, type ToolContext } from '../../src/guest-image/child.ts'
import type { Part } from './part.ts'

export const bridgeName = 'kata-ts0'

export function bridge(root: string, tools: ToolContext): Part[] {
  const device = `${root}/sys/class/net/${bridgeName}`
  if (!existsSync(device)) return []
  const what = `the bridge ${bridgeName}`
  // Pods of other runtimes may be on the network, too.
  const ports = existsSync(`${device}/brif`) ? readdirSync(`${device}/brif`) : []
  if (ports.length > 0)
    return [{ what, stays: `${ports.join(', ')} is on it: remove the pods of its network` }]
  const remove = async () => {
    const { code, stderr } = await runTool(['ip', 'link', 'delete', bridgeName], {
      ...tools,
      timeout: 10_000,
    })
    if (code !== 0) throw new Error(lastLine(stderr))
  }
  return [{ what, remove }]
}
