/** The bridge of the network in packaging/cni. CNI makes it with the first pod and never removes it. */
import { existsSync } from 'node:fs'
import { lastLine, runTool, type ToolContext } from '../../src/guest-image/child.ts'
import type { Part } from './part.ts'

export const bridgeName = 'kata-ts0'

export function bridge(root: string, tools: ToolContext): Part[] {
  if (!existsSync(`${root}/sys/class/net/${bridgeName}`)) return []
  const remove = async () => {
    const { code, stderr } = await runTool(['ip', 'link', 'delete', bridgeName], {
      ...tools,
      timeout: 10_000,
    })
    if (code !== 0) throw new Error(lastLine(stderr))
  }
  return [{ what: `the bridge ${bridgeName}`, remove }]
}
