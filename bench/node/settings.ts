/** How many pods a soak of a node has, for how long, and how often each thing happens to them. */
import { fewestReadings } from './growth.ts'

/** All but the first three are periods in seconds; 0 leaves the thing out, where that makes sense. */
export interface NodeSettings {
  readonly pods: number
  readonly minutes: number
  /** Pods that are neither replaced nor killed: their processes are the long-lived ones that are measured. */
  readonly residents: number
  /** Between two lists of all pods and containers: a kubelet's PLEG has 1. */
  readonly relist: number
  /** Between two readiness probes by HTTP to the pod's address. */
  readonly http: number
  /** Between two liveness probes by ExecSync. */
  readonly exec: number
  /** Between two readings of the statistics of pods and containers. */
  readonly stats: number
  /** Between two versions of each pod's ConfigMap. */
  readonly update: number
  /** Between two replacements of a pod, one after the other. */
  readonly replace: number
  /** Between two kills, of another kind of process each time. */
  readonly kill: number
  /** Between two readings of memory and descriptors. */
  readonly sample: number
}

/** What a kubelet does by itself, and an upgrade or a fault each minute. */
const usual = {
  pods: 50,
  minutes: 20,
  relist: 1,
  http: 1,
  exec: 1,
  stats: 10,
  update: 60,
  replace: 15,
  kill: 60,
  sample: 10,
}
const names = [...Object.keys(usual), 'residents']

/**
 * Reads `pods=12,minutes=5,...`; what is not named has its usual value, and a third of the pods are residents.
 *
 * @throws Error that names the setting.
 */
export function readNodeSettings(text: string): NodeSettings {
  const asked: Record<string, number> = {}
  for (const part of text.split(',').filter(Boolean)) {
    const [, name = '', value = ''] = /^([a-z]+)=(\d+(?:\.\d+)?)$/.exec(part) ?? []
    if (!names.includes(name))
      throw new Error(`${part} is no setting of a node; known are ${names.join(', ')}`)
    asked[name] = Number(value)
  }
  const settings = { ...usual, ...asked }
  const residents = asked.residents ?? Math.ceil(settings.pods / 3)
  requirePositive({ ...settings, residents })
  if (residents > settings.pods) throw new Error(`residents is ${residents}; there are ${settings.pods} pods`)
  requireReadings(settings)
  return { ...settings, residents }
}

/** Those without which there is no node. */
function requirePositive(settings: NodeSettings): void {
  for (const name of ['pods', 'minutes', 'residents', 'relist', 'sample'] as const)
    if (!(settings[name] > 0)) throw new Error(`${name} must be more than 0`)
  for (const name of ['pods', 'residents'] as const)
    if (!Number.isInteger(settings[name])) throw new Error(`${name} must be a whole number`)
}

/** However fast the machine is: the minutes are all that is certain. */
function requireReadings({ minutes, sample }: { readonly minutes: number; readonly sample: number }): void {
  const readings = Math.floor((minutes * 60) / sample)
  if (readings < fewestReadings)
    throw new Error(
      `sample=${sample} gives ${readings} readings in ${minutes} min; ${fewestReadings} tell whether a process grows`,
    )
}
