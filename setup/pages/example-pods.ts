/** packaging/kubernetes/pods: for each annotation that has an effect, a pod that uses it. */

import { configurationOf } from '../../src/config/drivers.ts'
import { annotationOf, readAnnotationName } from '../../src/config/kata/annotation-names.ts'
import { keyFor } from '../../src/config/key-spec.ts'
import { allKeys, type KeySpec } from '../../src/config/keys.ts'
import { wrap } from './text.ts'

/** The file of an annotation's example. */
const fileOf = (annotation: string) => `packaging/kubernetes/pods/${annotation.replaceAll('_', '-')}.yaml`

/** Their texts by their paths from the repository's root. */
export function examplePods(): Readonly<Record<string, string>> {
  const shown = allKeys().filter(({ annotation }) => annotation !== undefined)
  return Object.fromEntries(shown.map((spec) => [fileOf(spec.annotation!), examplePod(spec)]))
}

function examplePod(spec: KeySpec): string {
  const { key, description, drivers } = spec
  const annotation = spec.annotation!
  const value = exampleOf(spec)
  const name = annotationOf(spec)!
  const comment = [`\`${key}\`: ${description}`, permission(spec, name, value)].flatMap((text) =>
    wrap(text, 108),
  )
  return `${comment.map((line) => `# ${line}`).join('\n')}
# Generated from src/config/keys by \`npm run docs\`: change it there.
apiVersion: v1
kind: Pod
metadata:
  name: kata-ts-${annotation.replaceAll('_', '-')}
  annotations:
    ${name}: ${value.includes('"') ? `'${value}'` : `"${value}"`}
spec:
  runtimeClassName: kata-ts${configurationOf(drivers[0]!).suffix}
  containers:
    - name: main
      image: busybox:1.37
      command: ["sleep", "infinity"]
`
}

/** @throws Error for a key whose shipped value would ask for nothing, and that has no example. */
function exampleOf(spec: KeySpec): string {
  const value = spec.example ?? keyFor(spec, spec.drivers[0]!).shipped
  if (typeof value !== 'string' || value === '')
    throw new Error(`the key ${spec.key} has an annotation and no example of its value`)
  return value
}

/** What an operator has to write before a pod may do this. */
function permission({ allowList, restricting }: KeySpec, name: string, value: string): string {
  if (restricting !== undefined && String(restricting) === value)
    return 'Needs no permission: it takes rights away.'
  const { entry } = readAnnotationName(name)!
  const listed = allowList === undefined ? '' : ` and ${allowList.key} = ["${value}"]`
  return `Works when the operator has set enable_annotations = ["${entry}"]${listed}.`
}
