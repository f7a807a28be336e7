/** docs/attacks.md: the table of the attack suite as people read it. */
import { type Attack, attackGroups, liveAttacks } from '../e2e/attack/attacks.ts'

const introduction = `# What a VMM that was taken over cannot do

Generated from the table that \`e2e/attack.test.ts\` runs (\`npm test -- e2e attack\`); do not edit. An attacker's program takes
the VMM's place, with its user, its jail and its descriptors, and tries each of these. QEMU's own \`-sandbox\` filter does not
hold it back, nor does the virtual machine: what is shown are the walls around the process alone.

- **in the jail**: the error it gets.
- **the user alone**: what the same user gets without any jail, where the user is a wall of its own; \`-\` where it is none.
- **root outside**: the control. \`ok\`, or, where success would harm the host, an error from behind the wall.
- **rootless off**: whether the wall still stands when the VMM runs as root in the same jail (\`rootless = false\`).
`

export function attacksPage(): string {
  const groups = { ...attackGroups, 'Two live machines beside it': liveAttacks }
  const rows = Object.values(groups).flat()
  const falling = rows.filter(([, , , , , exception]) => exception?.fallsWithoutUser).length
  const counted = `\n${rows.length} attacks. With rootless off ${rows.length - falling} of the walls still stand and ${falling} fall.\n`
  const parts = Object.entries(groups).map(([title, attacks]) => `\n## ${title}\n\n${tableOf(attacks)}`)
  return `${introduction}${counted}${parts.join('')}`
}

function tableOf(attacks: readonly Attack[]): string {
  const head =
    '| to ... | in the jail | the user alone | root outside | rootless off |\n|---|---|---|---|---|\n'
  return head + attacks.map(rowOf).join('')
}

function rowOf([goal, , jailed, user, root, exception]: Attack): string {
  return `| ${goal} | ${jailed} | ${user} | ${root} | ${exception?.fallsWithoutUser ? '**falls**' : 'stands'} |\n`
}
