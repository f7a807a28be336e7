/**
 * The accelerator that the tests' machines run under: the one that KATA_TS_E2E_ACCELERATOR names, else the one that
 * kata-ts itself chose, as the record of a sandbox says.
 */
import { test } from 'bun:test'
import { configurationOf } from '../../src/config/drivers.ts'
import { podTest, reasonAgainst } from './cannot.ts'
import { type Accelerator, askedAccelerator } from './configuration.ts'
import { Kata } from './kata.ts'
import { vmm } from './vmm.ts'

/** Every file of tests loads its modules anew: what was found out is kept where all see it. */
const memory = globalThis as { [found]?: Accelerator }
const found = Symbol.for('kata-ts.e2e.accelerator')

async function ask(): Promise<Accelerator> {
  const kata = new Kata()
  try {
    const { code, stderr } = await kata.call(['run', '-d', '--name', 'probe', '--', 'sleep', '600'])
    if (code !== 0) throw new Error(`the accelerator in use could not be asked for: ${stderr}`)
    return (await kata.inspect('probe')).sandbox.accelerator
  } finally {
    await kata.close()
  }
}

const hasChoice = configurationOf(vmm.driver).accelerators.length > 1
memory[found] ??= hasChoice ? (askedAccelerator ?? (await ask())) : 'kvm'

export const accelerator: Accelerator = memory[found]

/** A test that is about TCG: left out elsewhere, and where the VMM cannot pass it, with the reason in its name. */
export function tcgTest(name: string, body: () => Promise<unknown>, timeoutMs?: number): void {
  if (accelerator === 'tcg' || reasonAgainst(name) !== undefined) podTest(name, body, timeoutMs)
  else test.skip(`${name} (skipped: it is about TCG, and machines run under ${accelerator} here)`, body)
}
