/**
 * A node in small: a kubelet's calls, faults between them, and nothing lost or left. KATA_TS_E2E_NODE=pods=12,minutes=20 makes it
 * larger; `bench/node/settings.ts` has all settings, and `npm run bench -- node` prints what it measured.
 */
import { expect, test } from 'bun:test'
import { writeFileSync } from 'node:fs'
import { possibleVictims } from '../../bench/node/faults.ts'
import { readNodeSettings } from '../../bench/node/settings.ts'
import { soak } from '../../bench/node/soak.ts'
import { nodeResult } from '../../bench/node.ts'
import { renderText } from '../../bench/report.ts'
import { slow } from '../harness/time.ts'

const small = 'pods=3,residents=1,minutes=0.5,http=2,exec=5,stats=5,update=15,replace=20,kill=7,sample=2'
const { KATA_TS_E2E_NODE: asked = small, KATA_TS_E2E_NODE_REPORT: reportFile } = process.env
const settings = readNodeSettings(asked)

test(
  `${settings.pods} pods probed, updated, replaced and killed for ${settings.minutes} min: none is lost, and nothing is left or grows`,
  async () => {
    const report = await soak(settings, console.log)
    console.log(renderText(nodeResult(report)))
    if (reportFile !== undefined) writeFileSync(reportFile, JSON.stringify(report, null, 2))
    expect(report.problems).toEqual([])
    const { calls, reasons, growth } = report
    for (const call of ['RunPodSandbox', 'StopContainer', 'RemovePodSandbox', 'pod started', 'pod ended'])
      expect(calls[call]?.count).toBeGreaterThan(0)
    for (const probe of ['probe by HTTP', 'probe by ExecSync', 'ContainerStats of both'])
      expect(calls[probe]?.count).toBeGreaterThan(0)
    for (const victim of possibleVictims) {
      const name =
        victim === 'containerd' ? 'containerd restarted' : `${victim} killed, until its pod ran again`
      expect(calls[name]?.count).toBeGreaterThan(0)
    }
    // A killed shim cannot say why.
    for (const told of ['VMM: 255 Error, [SANDBOX_DIED] sandbox ID died: the VMM ended (SIGKILL)', 'shim: '])
      expect(Object.keys(reasons).some((reason) => reason.startsWith(told))).toBe(true)
    expect(growth.map(({ process }) => process)).toContain('VMM')
  },
  slow((settings.minutes + 10 + settings.pods) * 60_000),
)
